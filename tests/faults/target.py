"""The service under test as a black box: processes to kill, files to damage, HTTP to ask."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import redis

from service.ids import Secrets
from service.store import Store, embedded

ROOT = Path(__file__).parents[2]
SERVE = "import sys; from service.cli import main; sys.argv[0] = 'winnow'; main()"
ADMIN_KEY = "ak_" + "0123456789abcdef" * 2
START_S = 240.0
"""How long a start may take on a machine that does other things as well."""
UNFORESEEN = ("unforeseen", "Exception in ASGI", "round_failed", "attempt_failed")
"""Log events of failures that no part of the service had an answer to."""
ROLES = ("web", "worker", "store", "supervisor", "all")


async def until(done: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """What `done` gives as soon as it gives something.

    Raises:
        TimeoutError: it did not within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while not (found := done()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        await asyncio.sleep(0.02)
    return found


def free_port() -> int:
    """A port nobody listens on; the service keeps it over all its restarts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Service:
    """`winnow serve` (or one of its parts) on a data folder of its own."""

    def __init__(
        self, home: Path, *arguments: str, root: Path = ROOT, port: int = 0, **environ: str
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.data, self.root = (
            home,
            Path(environ.get("WINNOW_DATA_DIR", home / "data")),
            root,
        )
        self._arguments = arguments or ("serve",)
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        given = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(root),
            "PYTHONDONTWRITEBYTECODE": "1",
            "WINNOW_DATA_DIR": str(self.data),
            "WINNOW_PORT": str(self.port),
            "WINNOW_WEB_PROCESSES": "2",
            "WINNOW_RATE_LIMITS": "off",
            "WINNOW_DRAIN_S": "5",
            "WINNOW_ADMIN_KEY": ADMIN_KEY,
            "WINNOW_OUTGOING_NETWORKS": "127.0.0.0/8",
        }
        self.environ = given | environ
        self.out, self.log = home / "out", home / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self._looked_at = 0
        self.kept_open = -1
        """A descriptor that must stay open as long as the service runs."""
        self.checked_url = ""
        """Where the checker finds the store, if not where the service does."""

    def launch(self, **more: Any) -> subprocess.Popen[bytes]:
        """Starts the command and waits for nothing; `more` goes to Popen."""
        with self.out.open("wb") as out, self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE, *self._arguments],
                **{"stdout": out, "stderr": log} | more,
                stdin=subprocess.DEVNULL,
                cwd=self.home,
                env=self.environ,
                start_new_session=True,
            )
        return self.process

    async def start(self) -> None:
        """Starts the command; returns when it listens.

        Raises:
            RuntimeError: it ended instead; with its last words.
        """
        process = self.launch()

        def listening() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"ended with {process.returncode}: {self.last_words()}")
            return "listens on" in self.out.read_text()

        await until(listening, START_S, f"the start ({self.last_words()[-300:]})")

    def last_words(self) -> str:
        """The end of what it said."""
        return self.log.read_text(errors="replace")[-1500:] if self.log.exists() else ""

    async def stop(self, timeout_s: float = 60.0) -> int:
        """Ends it as an operator does; the exit code."""
        process = self._running()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        await until(lambda: process.poll() is not None, timeout_s, "the stop")
        return int(process.returncode)

    def unforeseen(self) -> list[str]:
        """What it logged since the last look and no fault excuses: failures it had no answer to."""
        if not self.log.is_file():
            return []
        with self.log.open("rb") as file:
            file.seek(self._looked_at)
            said = file.read().decode(errors="replace")
            self._looked_at = file.tell()
        return [
            f"logged: {line[:300]} ... {line[-300:]}"
            for line in said.splitlines()
            if any(f'"event": "{event}' in line for event in UNFORESEEN)
        ][:10]

    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, "it was never started"
        return self.process

    def children(self, needle: str = "") -> list[int]:
        """The process ids below the command whose command line holds `needle`."""
        parent, found = self._running().pid, []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent and fields[0] != "Z":
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if needle in line:
                        found.append(int(entry.name))
        return sorted(found)

    def server_pid(self) -> int:
        """The process of the embedded server, as the data folder names it; 0 for none."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            return int(json.loads((self.data / "server.json").read_text())["pid"])
        return 0

    def pids(self, role: str) -> list[int]:
        """The processes that play a role: one of ROLES."""
        server = [pid for pid in [self.server_pid()] if pid and alive(pid)]
        match role:
            case "web" | "worker":
                return self.children(f"service.process {role}")
            case "store":
                return server
            case "supervisor":
                return [self._running().pid]
        return [self._running().pid, *self.children("service.process"), *server]

    def kill(self, role: str, share: float) -> list[int]:
        """kill -9: one web process, or everything of another role; the processes that were hit."""
        pids = self.pids(role)
        if role == "web" and pids:
            pids = [pids[int(share * len(pids))]]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pids

    async def gone(self) -> None:
        """Returns when the command itself has ended and was reaped."""
        process = self._running()
        await until(lambda: process.poll() is not None, 30, "the supervisor's end")

    @property
    def redis_url(self) -> str:
        """Where its store listens.

        Raises:
            RuntimeError: nowhere, at the moment.
        """
        url = (
            self.checked_url
            or self.environ.get("WINNOW_REDIS_URL")
            or embedded.running_url(self.data)
        )
        if url is None:
            raise RuntimeError("the embedded server does not run")
        return url

    def rewrite_aof(self) -> bool:
        """Begins to rewrite the append-only file; False where the server would not."""
        try:
            with redis.Redis.from_url(self.redis_url, socket_timeout=5) as client:
                client.bgrewriteaof()
        except (redis.RedisError, RuntimeError, OSError):
            return False
        return True

    def open_store(self) -> Store:
        """Its store, as the checker opens it."""
        secret = self.environ.get("WINNOW_SECRET") or (self.data / "secret").read_text().strip()
        return Store(self.redis_url, Secrets(bytes.fromhex(secret)))

    async def admin(self, method: str, path: str, **more: Any) -> Any:
        """The JSON answer to one request with the admin key.

        Raises:
            RuntimeError: it was refused.
        """
        async with httpx.AsyncClient(timeout=30) as http:
            headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
            answer = await http.request(method, self.url + path, headers=headers, **more)
        if answer.status_code >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()


def alive(pid: int) -> bool:
    """Whether a process exists and is not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
