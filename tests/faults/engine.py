"""A Valkey of somebody else's, for a service that is told its URL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import redis

from service.store.launching import find_binary
from tests.faults.proxy import Proxy
from tests.faults.run import Run, put_away
from tests.faults.target import Service, until


class Engine:
    """A server on a UNIX socket: append-only file, flushed always."""

    def __init__(self, home: Path, binary: Path | None = None) -> None:
        self._home = home
        home.mkdir(parents=True, exist_ok=True)
        self._binary = find_binary(binary)
        self.socket = str(home / "s")
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Starts it, again if need be, on the same data; returns when it has loaded them."""
        options = {
            "port": "0",
            "unixsocket": self.socket,
            "dir": str(self._home),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        given = [word for name, text in options.items() for word in (f"--{name}", text)]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 (returns at once)
                [self._binary, *given], stdout=log, stderr=log, start_new_session=True
            )
        await until(self._answers, 60, "the engine's start")

    def _answers(self) -> bool:
        with (
            contextlib.suppress(redis.RedisError),
            redis.Redis(unix_socket_path=self.socket, socket_timeout=2) as client,
        ):
            return bool(client.ping())
        return False

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        assert self._process is not None
        os.kill(self._process.pid, number)
        if number == signal.SIGKILL:
            self._process.wait()

    def close(self) -> None:
        """Ends it, for good."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()


@asynccontextmanager
async def engine(run: Run) -> AsyncIterator[Engine]:
    """A running engine."""
    made = Engine(run.home())
    try:
        await made.start()
        yield made
    finally:
        made.close()


@asynccontextmanager
async def behind_proxy(run: Run) -> AsyncIterator[tuple[Service, Proxy, Engine]]:
    """A service whose store is reached through a proxy."""
    async with engine(run) as store:
        proxy = Proxy(store.socket)
        port = await proxy.open()
        service = remote_service(run, f"redis://127.0.0.1:{port}/0")
        service.checked_url = f"unix://{store.socket}"
        try:
            await service.start()
            yield service, proxy, store
        finally:
            proxy.set("pass")
            await put_away(service)
            await proxy.close()
            await asyncio.sleep(0)


def remote_service(run: Run, url: str, **more: str) -> Service:
    """A service on a store that is not its own."""
    environ = {"WINNOW_REDIS_URL": url, "WINNOW_SECRET": secrets.token_hex(32)}
    return Service(run.home(), **environ | more)
