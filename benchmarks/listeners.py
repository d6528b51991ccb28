"""Many listeners of one event stream in this process, each over a connection of its own."""

from __future__ import annotations

import asyncio
import resource
import time

MARK = b"\ndata: {"
CONNECTING = 50
"""Connections opened at once, so that no backlog overflows."""


def allow_files(count: int) -> None:
    """Raises the limit of open files of this process and of those it starts.

    Raises:
        SystemExit: the machine allows fewer.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SystemExit(f"this measurement needs {count} open files, and {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class Listener(asyncio.Protocol):
    """One stream: counts its events and remembers when the last one came."""

    def __init__(self, crowd: Crowd, request: bytes) -> None:
        self._crowd = crowd
        self._request = request
        self._tail = b""
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the stream."""
        self.transport = transport  # type: ignore[assignment]
        self.transport.write(self._request)  # type: ignore[union-attr]

    def data_received(self, data: bytes) -> None:
        """Counts what came; an event's mark may be cut by the end of a read."""
        found = self._tail + data
        if not self.begun.done():
            if not found.startswith(b"HTTP/1.1 200"[: len(found)]):
                self.begun.set_exception(RuntimeError(found[:300].decode("latin-1")))
            if b"retry:" not in found:
                self._tail = found
                return
            self.begun.set_result(None)
        self._tail = found[-(len(MARK) - 1) :]
        if count := found.count(MARK):
            self._crowd.heard(count)

    def connection_lost(self, exc: Exception | None) -> None:
        """The stream ended, too early where nobody closed it."""
        self._crowd.lost += 1
        if not self.begun.done():
            self.begun.set_exception(ConnectionError("a stream ended before it began"))


class Crowd:
    """All listeners together."""

    def __init__(self) -> None:
        self.lost = 0
        self.events = 0
        self.last = 0.0
        self._awaited = 0
        self._all_heard = asyncio.Event()
        self._listeners: list[Listener] = []

    async def open(self, at: tuple[str, int], path: str, key: str, count: int) -> None:
        """Opens `count` streams and returns once each has begun.

        Raises:
            RuntimeError, OSError, TimeoutError: one did not; the service's limits may be too low.
        """
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {at[0]}:{at[1]}\r\nAuthorization: Bearer {key}\r\n\r\n"
        ).encode()
        loop = asyncio.get_running_loop()
        for first in range(0, count, CONNECTING):
            some = min(CONNECTING, count - first)
            opened = await asyncio.gather(
                *(loop.create_connection(lambda: Listener(self, request), *at) for _ in range(some))
            )
            self._listeners += [listener for _, listener in opened]
            async with asyncio.timeout(60):
                await asyncio.gather(*(listener.begun for _, listener in opened))

    def heard(self, count: int) -> None:
        """Some listener was told so many events."""
        self.events += count
        self.last = time.perf_counter()
        if self.events >= self._awaited:
            self._all_heard.set()

    async def until(self, events: int) -> float:
        """Waits for so many events at all listeners together, and says when the last one came.

        Raises:
            TimeoutError: they did not come within a minute.
        """
        self._awaited = events
        if self.events < events:
            self._all_heard.clear()
            async with asyncio.timeout(60):
                await self._all_heard.wait()
        return self.last

    def close(self) -> None:
        """Ends all streams."""
        for listener in self._listeners:
            if listener.transport is not None:
                listener.transport.close()
