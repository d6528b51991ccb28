"""A bare Redis connection: every call is written at once, answers come back in order.

Nothing else: no reconnect, no deadline, no NOSCRIPT. It is what a multiplexed connection could cost
at best.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import hiredis


class Pipelined(asyncio.Protocol):
    """One connection that any number of calls share."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._unsent: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None

    @classmethod
    async def open(cls, socket_path: str) -> Pipelined:
        """Connects to a UNIX socket."""
        _, protocol = await asyncio.get_running_loop().create_unix_connection(cls, socket_path)
        return protocol

    def call(self, *command: Any) -> asyncio.Future[Any]:
        """The future answer to one command."""
        future = self._loop.create_future()
        self._waiting.append(future)
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(hiredis.pack_command(command))
        return future

    def _flush(self) -> None:
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def close(self) -> None:
        """Ends the connection."""
        self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (answer := self._reader.gets()) is not False:
            future = self._waiting.popleft()
            if not future.done():  # its caller may have gone
                future.set_result(answer)
