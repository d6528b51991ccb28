"""One client's connection: its head bounded in size and time, its answers read or dropped.

uvicorn bounds neither a request's head nor the time it takes, and keeps what a client does not
read for ever. These bounds hold without a reverse proxy, and behind one they cost nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service import metrics
from service.api import problems
from service.errors import Malformed, spread
from service.setting_kinds import Network, network
from service.throttle import client_ip
from service.throttle import network as network_of

HEAD_S: Final = 10.0
"""Seconds a request's head may take, from its first byte (or the connection's) to its last."""
HEAD_MAX: Final = 32_768
"""Bytes of a head; what one read brought in is parsed first, so up to 256 KiB may be."""
STALLED_S: Final = 30.0
"""Seconds a client may leave an answer unread that no longer fits into the buffers."""
SHARE: Final = 2
"""One network may have this part (a half) of the connections."""
PIPELINED: Final = 16
"""Requests that may wait behind one that is being answered, on one connection."""
_LOOPBACK: Final = (network("127.0.0.0/8"), network("::1"))

_CLOSE: Final = b"connection: close\r\ncontent-length: 0\r\nx-content-type-options: nosniff\r\n\r\n"
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\n" + _CLOSE
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _CLOSE
_BUSY: Final = "HTTP/1.1 503 Service Unavailable\r\nretry-after: {}\r\n"


def unreadable(why: str) -> bytes:
    """The answer to bytes that are no request."""
    name = secrets.token_urlsafe(12)
    body = problems.body(Malformed(why), "", name)
    head = (
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nx-request-id: {name}\r\n"
        "x-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def bounded(most: int, trusted: Sequence[Network]) -> type[HttpToolsProtocol]:
    """The protocol of a process that holds `most` connections.

    Args:
        most: connections at once.
        trusted: the proxies; they may have as many as there are.
    """
    by_network: Counter[str] = Counter()

    class Bounded(_Bounded):
        _most = most
        _exempt = (*trusted, *_LOOPBACK)
        _by_network = by_network

    return Bounded


class _Bounded(HttpToolsProtocol):
    """uvicorn's protocol with a clock and a scale at its door."""

    _most: int
    _exempt: tuple[Network, ...]
    _by_network: Counter[str]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._in_head = True
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._counted = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = client_ip({"client": self.client}, ())
        peer = network_of(address)
        if len(self.connections) > self._most:
            self._refuse("connections")
        elif self._by_network[peer] >= max(1, self._most // SHARE) and not self._exempts(address):
            self._refuse("connections_of_one_network")
        else:
            self._by_network[peer] += 1
            self._counted = peer
            self._wait_for_head()

    def _exempts(self, address: str) -> bool:
        try:
            found = network(address)
        except ValueError:
            return False
        return any(
            found.version == held.version and found.subnet_of(held)  # type: ignore[arg-type]
            for held in self._exempt
        )

    def _refuse(self, limit: str) -> None:
        metrics.OVERLOADED.labels(limit).inc()
        self._end(_BUSY.format(spread(2)).encode() + _CLOSE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        self._flowing()
        if self._counted:
            self._by_network[self._counted] -= 1
            if self._by_network[self._counted] <= 0:
                del self._by_network[self._counted]
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP as every other failure is: with a problem and a request id."""
        self.transport.write(unreadable(msg))
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes:  # most heads are whole by now, and need no timer
            self._wait_for_head()
            if self._head_bytes > HEAD_MAX:
                self._end(_TOO_LARGE)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= PIPELINED:
            raise ValueError("too many requests at once")  # the parser answers 400 and we close
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Behind a chunked body come trailers: nobody reads them, and they may be many.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._cancel()
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._cancel()
        if self.cycle.response_complete:
            # It was answered before it had arrived: its last bytes took uvicorn's timer away.
            self._wait_for_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_head and not self.transport.is_closing():
            # What is left of a body nobody reads must arrive as soon as a head must.
            self._wait_for_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(STALLED_S, self._abandon)

    def resume_writing(self) -> None:
        self._flowing()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self._abandon()
        else:
            super().timeout_keep_alive_handler()

    def _wait_for_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self._late)

    def _late(self) -> None:
        self._timer = None
        # An answer that is still being written must not be broken into; and browsers open
        # connections in advance, on which nothing was asked.
        under_way = self.cycle is not None and not self.cycle.response_complete
        said = self._in_head and self._head_bytes and not under_way
        self._end(_TOO_SLOW if said else b"")

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flowing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _abandon(self) -> None:
        self._stalled = None
        if not self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.transport.abort()

    def _end(self, answer: bytes) -> None:
        self._cancel()
        if not self.transport.is_closing():
            if answer:
                self.transport.write(answer)
            self.transport.close()
            # Whoever does not even read this is not waited for.
            self._stalled = self._stalled or self.loop.call_later(STALLED_S, self._abandon)
