"""The embedded server: a real Valkey or Redis that lives in the data folder, with nobody else.

One folder never has two servers: the server itself holds the lock on `server.lock`, a descriptor it
inherits from us, for as long as it lives. So when a supervisor was killed, the next one finds the
lock held and adopts the orphan over its socket. `owner.lock` is held by whoever may stop it.

In the data folder: `redis/` (the data), `epoch` (its identity), `server.conf`, `server.log`,
`server.json` (process, run id and socket of the running server), `access.json` (its passwords),
`redis.sock`, the two locks.
"""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import redis

from service import log
from service.settings import Settings
from service.store import access, aof, epochs, folder, launching, versions
from service.store.launching import DataRefusedError, EmbeddedServerError, FolderInUseError

EPOCH_KEY = epochs.KEY
RESTORING = "restoring.json"
"""Stands in a data folder until the backup that is restored into it is in place."""
LOCK_WAIT_S = 30.0
"""How long a dying server (or its fork that rewrites the AOF) may keep the lock."""
ASK_AGAIN_S = 0.5
"""A server forgets a SIGTERM that comes while it sets itself up: it is asked until it went."""
_POLL_S = 0.02

_DAMAGED = re.compile(
    r"reading the append only file|append only file .*(?:corrupt|damaged)|AOF manifest|RDB"
    r"|AOF file .* doesn't exist|loading the DB|checksum",
    re.IGNORECASE,
)

_log = log.get("embedded")


class Record(msgspec.Struct, frozen=True):
    """`server.json`: which server runs here; `run_id` is empty until it answered once."""

    pid: int
    socket: str
    run_id: str = ""


class EmbeddedServer:
    """A server that runs in one data folder and is ours to stop. Made by `start`."""

    def __init__(
        self, home: Path, owner: int, record: Record, process: subprocess.Popen[bytes] | None
    ) -> None:
        self._home = home
        self._access = access.kept(home)
        self._owner: int | None = owner
        self._process = process
        self._record = record
        self._log_from = folder.size(home / "server.log")
        self.fresh = False
        """Whether the data folder was new; known after `wait_ready`."""

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._record.pid

    @property
    def run_id(self) -> str:
        """The id the server gave this run; empty before `wait_ready`."""
        return self._record.run_id

    @property
    def adopted(self) -> bool:
        """Whether it was already running when we came."""
        return self._process is None

    @property
    def socket(self) -> str:
        """The path of its UNIX socket."""
        return self._record.socket

    @property
    def url(self) -> str:
        """Where the service connects: it may use what it needs, and no more (`access`)."""
        return self._access.url(self.socket)

    @property
    def admin_url(self) -> str:
        """Where those connect who may do everything: the supervisor, backups, tests."""
        return self._access.url(self.socket, access.OPERATOR)

    def alive(self) -> bool:
        """Whether the server runs; it may be loading, or not answer."""
        if self._process is not None:
            return self._process.poll() is None
        return _listens(self.socket)

    def answers(self) -> bool:
        """Whether it answers within `access.REPLY_S` seconds; not while it loads, or hangs."""
        try:
            with self._access.operator_client(self.socket) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def wait_ready(self, timeout_s: float = 600.0) -> None:
        """Return once the server has loaded its data and they are the folder's own.

        Raises:
            DataRefusedError: the data are damaged, gone, or another installation's; it was stopped.
            EmbeddedServerError: it ended, or was not ready within `timeout_s` seconds.
        """
        _poll(
            lambda: self._answers(),
            timeout_s,
            f"the embedded server (log: {self._log}) is not ready",
        )
        try:
            with self._access.operator_client(self.socket) as client:
                run_id = str(client.info("server")["run_id"])
                folder.write(self._home / "server.json", self._remember(run_id))
                self.fresh = _check_epoch(client, self._home / "epoch")
        except DataRefusedError:
            self.stop()
            raise
        except redis.RedisError as error:
            raise EmbeddedServerError(f"the embedded server failed at its start: {error}") from None

    def stop(self, timeout_s: float = 15.0) -> None:
        """End the server: politely, after `timeout_s` seconds by force; neither loses data."""
        if self._owner is None:
            return
        until = time.monotonic() + timeout_s
        while self.alive() and not self._gone_within(0):
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
            else:
                self._ask_to_end()
            self._gone_within(ASK_AGAIN_S)
        if self._process is not None:
            _end_forks(self.pid)
        (self._home / "server.json").unlink(missing_ok=True)
        launching.remove_socket(self._home, Path(self.socket))
        os.close(self._owner)
        self._owner = None

    def _ask_to_end(self) -> None:
        """By command, which acts at once; by signal if it cannot listen."""
        try:
            with self._access.operator_client(self.socket) as client:
                client.shutdown(nosave=True)
        except redis.RedisError:
            os.kill(self.pid, signal.SIGTERM)

    @property
    def _log(self) -> Path:
        return self._home / "server.log"

    def _remember(self, run_id: str) -> bytes:
        self._record = msgspec.structs.replace(self._record, run_id=run_id)
        return msgspec.json.encode(self._record)

    def _answers(self) -> bool:
        """Whether it serves; raises when it ended."""
        if not self.alive():
            raise _death(folder.tail(self._log, self._log_from), self._log)
        return self.answers()

    def _gone_within(self, timeout_s: float) -> bool:
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
            return self._process.poll() is not None
        with suppress(EmbeddedServerError):
            _poll(lambda: not _listens(self.socket) and not _held(self._home), timeout_s, "")
            return True
        return False


def start(settings: Settings) -> EmbeddedServer:
    """Start the server of `settings.data_dir`, or adopt the one that already runs there.

    Returns at once; ask `wait_ready` before using it.

    Raises:
        FolderInUseError: another live process owns the server of this folder.
        DataRefusedError: the folder's data are gone or damaged.
        EmbeddedServerError: there is no usable binary, or the folder cannot be used.
    """
    home = settings.data_dir.absolute()
    with _complaining(home):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.try_lock(home / "owner.lock")
    if owner is None:
        raise FolderInUseError(f"another process already runs the embedded server of {home}")
    try:
        with _complaining(home):
            return _adopt_or_spawn(settings, home, owner)
    except BaseException:
        os.close(owner)
        raise


def running_url(data_dir: Path, user: str = access.SERVICE) -> str | None:
    """Where the server of this folder listens, or None if none runs; for tools beside `serve`.

    With `access.OPERATOR` as user, its client may do everything.
    """
    record, known = _read_record(data_dir.absolute()), access.known(data_dir.absolute())
    if record is None or known is None or not _listens(record.socket):
        return None
    return known.url(record.socket, user)


def running_admin_url(data_dir: Path) -> str | None:
    """As `running_url`, for a client that may do everything."""
    return running_url(data_dir, access.OPERATOR)


def _adopt_or_spawn(settings: Settings, home: Path, owner: int) -> EmbeddedServer:
    found = _record_or_lock(home)
    if isinstance(found, Record):
        _log.info("adopted the running server", pid=found.pid, run_id=found.run_id)
        return EmbeddedServer(home, owner, found, None)
    try:
        return _spawn(settings, home, owner, found)
    finally:
        os.close(found)  # from here on the lock lives and dies with the server


def _record_or_lock(home: Path) -> Record | int:
    """The live server's record; or, if there is none, the lock under which to start one."""
    found: list[Record | int] = []

    def look() -> bool:
        lock = folder.try_lock(home / "server.lock")
        record = _read_record(home) if lock is None else None
        live = _identified(home, record) if record is not None else None
        found.extend(item for item in (lock, live) if item is not None)
        return bool(found)

    who = f"a server holds {home / 'server.lock'} but does not answer; end it first: it"
    _poll(look, LOCK_WAIT_S, who)
    return found[0]


def _identified(home: Path, record: Record) -> Record | None:
    """The record completed by what the server says of itself, or None if it is not that server."""
    known = access.known(home)
    if known is None:
        return None
    try:
        with known.operator_client(record.socket) as client:
            info = client.info("server")
    except redis.RedisError:
        return None
    same_run = record.run_id == info["run_id"]
    # The supervisor died before it knew the run id: the configuration file tells whose it is.
    same_conf = not record.run_id and info["config_file"] == str(home / "server.conf")
    if not (same_run or same_conf):
        return None
    return Record(int(info["process_id"]), record.socket, str(info["run_id"]))


def _spawn(settings: Settings, home: Path, owner: int, lock: int) -> EmbeddedServer:
    binary = launching.find_binary(settings.redis_server)
    _refuse_lost_data(home)
    data = home / "redis"
    data.mkdir(mode=0o700, exist_ok=True)
    if (damage := aof.damage(binary, data)) is not None:
        raise DataRefusedError(_damaged(damage, data))
    record = Record(0, str(launching.socket_path(home)))
    build = launching.binary_build(binary)
    if problem := versions.judge(binary, build).problem:
        _log.warning("unsafe server", problem=problem)
    users = access.kept(home).rules(build.version)
    conf = launching.configuration(settings, data, record.socket, users)
    folder.write(home / "server.conf", conf.encode())
    folder.write(home / "server.json", msgspec.json.encode(record))
    folder.rotate(home / "server.log")
    process = launching.launch(binary, home, lock)
    record = Record(process.pid, record.socket)
    server = EmbeddedServer(home, owner, record, process)
    folder.write(home / "server.json", msgspec.json.encode(record))
    return server


def _refuse_lost_data(home: Path) -> None:
    data = home / "redis" / "appendonlydir"
    if (home / RESTORING).exists():
        raise DataRefusedError(
            f"a backup was being restored into {home} and that was interrupted; run `winnow "
            "restore` again"
        )
    # Without a manifest a server begins anew and overwrites what is there (found by tests/faults).
    if (home / "epoch").exists() and aof.manifest(data) is None:
        raise DataRefusedError(
            f"{home} has held data before, but {data} is missing, empty or without its manifest; "
            "restore it, or start with another data folder"
        )


def _check_epoch(client: "redis.Redis", path: Path) -> bool:
    """Compare the identity in the folder with the one in the data; True if both are new."""
    known = path.read_text().strip() if path.exists() else ""
    found = client.get(EPOCH_KEY)
    if known and found != known:
        what = (
            "are another installation's" if found else "are gone: the server came up without them"
        )
        raise DataRefusedError(f"the data of {path.parent} {what}; restore a backup of this folder")
    if not found and client.dbsize():
        raise DataRefusedError(f"the data in {path.parent} were not written by Winnow")
    # The server first: a crash between the two leaves a folder that merely learns its epoch again.
    epoch = str(found or epochs.fresh())
    if not found:
        client.set(EPOCH_KEY, epoch)
    if not known:
        folder.write(path, f"{epoch}\n".encode())
    return not found


def _death(said: str, log_path: Path) -> EmbeddedServerError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    damage = next((line for line in lines if _DAMAGED.search(line) and " # " in line), None)
    if damage is not None:
        return DataRefusedError(_damaged(damage.split(" # ", 1)[1], log_path.parent / "redis"))
    last = lines[-1] if lines else "it said nothing"
    return EmbeddedServerError(f"the embedded server ended: {last:.300} (log: {log_path})")


def _damaged(what: str, data: Path) -> str:
    return (
        f"the data in {data} are damaged and were left untouched ({what:.300}); restore a backup. "
        "redis-check-aof --fix would throw away everything behind the damage"
    )


def _listens(socket_path: str) -> bool:
    """Whether somebody accepts on the socket; a stopped process still does, a dead one does not."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(socket_path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True


def _held(home: Path) -> bool:
    lock = folder.try_lock(home / "server.lock")
    if lock is not None:
        os.close(lock)
    return lock is None


def _end_forks(pid: int) -> None:
    """End what our dead server left: its fork that rewrites the AOF holds the lock longer."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _read_record(home: Path) -> Record | None:
    try:
        return msgspec.json.decode((home / "server.json").read_bytes(), type=Record)
    except (OSError, msgspec.MsgspecError):
        return None


def _poll(done: Callable[[], bool], timeout_s: float, what: str) -> None:
    until = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > until:
            raise EmbeddedServerError(f"{what} after {timeout_s:g} s")
        time.sleep(_POLL_S)


@contextmanager
def _complaining(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedServerError(f"the data folder {home} cannot be used: {error}") from error
