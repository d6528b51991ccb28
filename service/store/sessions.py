"""Console sessions: kept in Redis under the hash of their cookie."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal

from msgspec import Struct

from service.ids import random_id
from service.store.api_keys import digest
from service.store.connect import Wire
from service.store.keys import session, sessions_of

IDLE_S: Final = 30 * 60
"""A session ends after half an hour without a request (ASVS 5.0 7.3.1)."""
LONGEST_S: Final = 12 * 3600
"""And after twelve hours in any case (ASVS 5.0 7.3.2)."""
NOTED_S: Final = 60
"""How exactly it is known when a session was last used: bounds the writes a session causes."""
AGENT_MAX: Final = 200
NAME: Final = 22
"""Characters of a digest that name a session to people."""

By = Literal["link", "password"]
_FIELDS: Final = ("moderator", "generation", "by", "since", "seen", "agent")


class Session(Struct, frozen=True, kw_only=True):
    """One browser that is signed in."""

    id: str
    moderator: str
    generation: str
    """Of the moderator's sign-in data when the session began; another one has ended it."""
    by: By
    """What its moderator signed in with."""
    since: int
    seen: int
    """When it was last used, to the minute."""
    agent: str
    """What the browser calls itself."""


class Sessions:
    """Opens, finds, lists and closes console sessions."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def open(
        self, moderator_id: str, now: int, *, generation: str, by: By, agent: str = ""
    ) -> str:
        """A new session's cookie value."""
        token = random_id(32)
        name = digest(token)
        key, listing, ask = session(name), sessions_of(moderator_id), self._wire.execute
        values = (moderator_id, generation, by, now, now, agent[:AGENT_MAX])
        pairs = [word for pair in zip(_FIELDS, values, strict=True) for word in pair]
        await asyncio.gather(
            ask("HSET", key, *pairs),
            ask("EXPIRE", key, IDLE_S),
            ask("SADD", listing, name),
            ask("EXPIRE", listing, LONGEST_S),
        )
        return token

    async def find(self, token: str, now: int) -> Session | None:
        """A live session, which stays live; None otherwise.

        Whether it is of its moderator's generation is the caller's to check.
        """
        name = digest(token)
        found = await self._read(name)
        if found is None:
            return None
        left = LONGEST_S - (now - found.since) // 1000
        if left <= 0:
            await self._wire.execute("UNLINK", session(name))
            return None
        if now - found.seen >= NOTED_S * 1000:
            await asyncio.gather(
                self._wire.execute("HSET", session(name), "seen", now),
                self._wire.execute("EXPIRE", session(name), min(IDLE_S, left)),
            )
        return found

    async def of(self, moderator_id: str, generation: str) -> list[Session]:
        """A moderator's live sessions, the newest first."""
        names = await self._names(moderator_id)
        rows = await asyncio.gather(*map(self._read, names))
        gone = [name for name, row in zip(names, rows, strict=True) if row is None]
        if gone:
            await self._wire.execute("SREM", sessions_of(moderator_id), *gone)
        live = [row for row in rows if row and row.generation == generation]
        return sorted(live, key=lambda row: -row.since)

    async def close(self, token: str) -> None:
        """Ends a session at once."""
        await self._wire.execute("UNLINK", session(digest(token)))

    async def close_one(self, moderator_id: str, session_id: str) -> bool:
        """Ends one session of a moderator; False where there is none of that name."""
        names = [n for n in await self._names(moderator_id) if n[:NAME] == session_id]
        if not names:
            return False
        await self._wire.execute("SREM", sessions_of(moderator_id), *names)
        return bool(await self._wire.execute("UNLINK", session(names[0])))

    async def close_all(self, moderator_id: str) -> None:
        """Ends every session of a moderator."""
        names = await self._names(moderator_id)
        gone = [sessions_of(moderator_id), *map(session, names)]
        await asyncio.gather(*(self._wire.execute("UNLINK", key) for key in gone))

    async def _names(self, moderator_id: str) -> list[str]:
        listed = await self._wire.execute("SMEMBERS", sessions_of(moderator_id))
        return [name.decode() for name in listed]

    async def _read(self, name: str) -> Session | None:
        row: list[Any] = await self._wire.execute("HMGET", session(name), *_FIELDS)
        if row[0] is None:
            return None
        moderator, generation, by, since, seen, agent = (
            (value or b"").decode(errors="replace") for value in row
        )
        return Session(
            id=name[:NAME],
            moderator=moderator,
            generation=generation,
            by="password" if by == "password" else "link",
            since=int(since),
            seen=int(seen or since),
            agent=agent,
        )
