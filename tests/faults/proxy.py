"""A small proxy between the service and its store that does what networks do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Literal

Mode = Literal["pass", "slow", "mute", "hole", "reset", "refuse", "cut-reply", "cut-request"]


class Proxy:
    """Listens on loopback and passes bytes on, in the mode it is in.

    pass: as they are. slow: each piece of a reply after `delay_s`. mute: requests arrive, replies
    get lost. hole: nothing arrives anywhere, nobody is told (half-open). reset: every connection is
    reset at its next reply, after the request was carried out. refuse: connections are reset, and
    so are new ones. cut-reply, cut-request: the next reply or request that passes ends with a reset
    after `cut_at` bytes, and then the mode is pass again.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.mode: Mode = "pass"
        self.delay_s = 0.0
        self.cut_at = 0
        self.cuts = 0
        """How many connections were cut."""
        self.cut_needle = b""
        """What a request must hold to be cut; empty = anything."""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cutting: asyncio.StreamWriter | None = None

    async def open(self) -> int:
        """Listens; the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def set(self, mode: Mode, *, delay_s: float = 0.0, cut_at: int = 0) -> None:
        """From now on."""
        self.mode, self.delay_s, self.cut_at = mode, delay_s, cut_at
        if mode == "refuse":
            for writer in list(self._open):
                _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "refuse":
            _reset(writer)
            return
        try:
            inner_reader, inner_writer = await asyncio.open_unix_connection(self._upstream)
        except OSError:
            _reset(writer)
            return
        self._open |= {writer, inner_writer}
        there = asyncio.create_task(self._requests(reader, inner_writer, writer))
        back = asyncio.create_task(self._replies(inner_reader, writer))
        self._tasks |= {there, back}
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (there, back):
                task.cancel()
                self._tasks.discard(task)
            for each in (writer, inner_writer):
                self._open.discard(each)
                each.close()

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        inner: asyncio.StreamWriter,
        outer: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._while_hole()
                if self.mode == "cut-request" and self.cut_needle in data:
                    self.mode = "pass"
                    self.cuts += 1
                    inner.write(data[: self.cut_at])
                    await inner.drain()
                    _reset(outer)
                    return
                if self.mode == "cut-reply" and self.cut_needle in data:
                    self._cutting = outer
                inner.write(data)
                await inner.drain()

    async def _replies(self, inner: asyncio.StreamReader, outer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await inner.read(1 << 16):
                await self._while_hole()
                if self.mode == "slow":
                    await asyncio.sleep(self.delay_s)
                if self.mode == "mute":
                    continue
                if self.mode == "reset":
                    self.cuts += 1
                    _reset(outer)
                    return
                if self.mode == "cut-reply" and self._cutting is outer:
                    self.mode, self._cutting = "pass", None
                    self.cuts += 1
                    outer.write(data[: self.cut_at])
                    with contextlib.suppress(OSError):
                        await outer.drain()
                    _reset(outer)
                    return
                outer.write(data)
                await outer.drain()

    async def _while_hole(self) -> None:
        while self.mode == "hole":  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # the mode may change to anything at any time

    async def close(self) -> None:
        """Ends everything."""
        self.set("refuse")
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN: what is on its way is lost."""
    with contextlib.suppress(OSError):
        sock = writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
