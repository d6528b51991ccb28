"""How a request's body arrives: in time, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from typing import Any, Final

from service.errors import Malformed, TooSlow

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

BODY_S: Final = 10.0
"""Seconds a body may take to arrive: a caller who sends it byte by byte holds no place for ever."""
SLOWEST: Final = 65_536
"""Bytes a second that earn a larger body more time."""


class Arriving:
    """One request's body: `receive` raises `TooSlow` where it does not arrive in time."""

    __slots__ = ("_receive", "_since", "_size", "complete", "late")

    def __init__(self, receive: Receive, *, expected: bool) -> None:
        self._receive = receive
        self._size = 0
        self._since = 0.0
        self.complete = not expected
        """Whether nothing more is to come."""
        self.late = False
        """Whether it did not arrive in time."""

    async def receive(self) -> Message:
        """The next message, as ASGI defines it.

        Raises:
            TooSlow: the body takes too long.
            Malformed: the caller went away in the middle of it.
        """
        if self.complete:
            return await self._receive()
        steps = self._receive().__await__()
        try:
            waited = next(steps)
        except StopIteration as done:  # it was there: most bodies come with their head
            message: Message = done.value
        else:
            message = await self._in_time(_Begun(steps, waited))
        if message["type"] != "http.request":
            raise Malformed("The request was cut off.")
        self._size += len(message.get("body", b""))
        self.complete = not message.get("more_body")
        return message

    async def _in_time(self, reading: Awaitable[Message]) -> Message:
        self._since = self._since or asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(self._since + BODY_S + self._size / SLOWEST):
                return await reading
        except TimeoutError:
            self.late = True
            raise TooSlow(f"The body did not arrive within {BODY_S:.0f} seconds.") from None


class _Begun:
    """The rest of a coroutine that has been begun, and waits for a future.

    A timer for each body would cost a request as much as decoding it; so one is set only once it is
    known that there is something to wait for.
    """

    def __init__(self, steps: Generator[Any, None, Message], waited: Any) -> None:
        self._steps = steps
        self._waited = waited

    def __await__(self) -> Generator[Any, None, Message]:
        try:
            yield self._waited
        except BaseException:
            self._steps.close()
            raise
        return (yield from self._steps)
