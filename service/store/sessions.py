"""Console sessions: kept in Redis under the hash of their cookie."""

from __future__ import annotations

from service.ids import random_id
from service.store.api_keys import digest
from service.store.connect import Wire
from service.store.keys import session

IDLE_S = 30 * 60
"""A session ends after half an hour without a request (ASVS 5.0 7.3.1)."""
LONGEST_S = 12 * 3600
"""And after twelve hours in any case (ASVS 5.0 7.3.2)."""


class Sessions:
    """Opens, finds and closes console sessions."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def open(self, moderator_id: str, now: int) -> str:
        """A new session's cookie value."""
        token = random_id(32)
        key = session(digest(token))
        await self._wire.execute("HSET", key, "moderator", moderator_id, "since", now)
        await self._wire.execute("EXPIRE", key, IDLE_S)
        return token

    async def find(self, token: str, now: int) -> str | None:
        """The moderator of a live session, which stays live; None otherwise."""
        key = session(digest(token))
        moderator, since = await self._wire.execute("HMGET", key, "moderator", "since")
        if moderator is None:
            return None
        left = LONGEST_S - (now - int(since)) // 1000
        if left <= 0:
            await self._wire.execute("UNLINK", key)
            return None
        await self._wire.execute("EXPIRE", key, min(IDLE_S, left))
        return str(moderator.decode())

    async def close(self, token: str) -> None:
        """Ends a session at once."""
        await self._wire.execute("UNLINK", session(digest(token)))
