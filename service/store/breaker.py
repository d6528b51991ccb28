"""A circuit breaker: a server that does not answer in time is asked once a second, not by everyone.

Without it every caller waits out the whole deadline while further ones pile up behind. A server
that is gone (connection refused) needs none: it answers at once, and is asked again at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from redis.exceptions import RedisError

from service import log, metrics

MISSES: Final = 3
"""Round trips in a row that must fail before calls are refused at once."""
PROBE_S: Final = 1.0
"""How long between two probes of a server that is refused."""

Probe = Callable[[], Awaitable[bool]]
"""Asks the server once; False or a RedisError says that it does not answer as it should."""


class Breaker:
    """Counts misses; open after `MISSES` in a row, until a probe of its own succeeds."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._misses = 0
        self._probing: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether calls are to be refused at once."""
        return self._probing is not None

    def answered(self) -> None:
        """A round trip went as it should."""
        self._misses = 0

    def missed(self, why: str) -> bool:
        """A round trip failed; True where that opened the breaker.

        Args:
            why: the metric's label: "hung" or "unconfirmed".
        """
        self._misses += 1
        if self.open or self._misses < MISSES:
            return False
        metrics.STORE_BREAKER.labels(why).inc()
        log.get("store").error("store_refused", reason=why, probe_s=PROBE_S)
        self._probing = asyncio.get_running_loop().create_task(self._until_it_answers())
        return True

    async def _until_it_answers(self) -> None:
        try:
            while True:
                await asyncio.sleep(PROBE_S)
                with suppress(RedisError, OSError):
                    if await self._probe():
                        break
            log.get("store").info("store_answers_again")
        finally:
            self._misses, self._probing = 0, None

    async def close(self) -> None:
        """Ends the probing."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait({self._probing})
