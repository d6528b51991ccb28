"""The outbox: one stream per site, one entry per fact, no personal data.

Whoever reacts to facts (server-sent events, webhooks, feedback) reads this stream; nothing is sent
from the request that caused the fact.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, Final

from msgspec import Struct

from service.errors import Unavailable
from service.store.connect import RedisError, Wire
from service.store.keys import SiteKeys

EVENTS: Final[dict[str, str]] = {
    "comment.submitted": "A comment was stored; `status` says where the machine put it.",
    "comment.approved": "A comment is published from now on.",
    "comment.rejected": "A comment was rejected.",
    "comment.spam": "A comment was marked as spam.",
    "comment.pending": "A comment waits for a moderator, at first or again.",
    "comment.edited": "A comment's text was replaced; it was scored and decided again.",
    "comment.erased": "A comment's text and its author's data were erased.",
}
"""Every event and what it tells."""

BLOCK_MS: Final = 5000
"""How long one wait for new events lasts at most."""

LOOK_AGAIN_S: Final = (0.1, 1.0, 2.0)
"""How long before a reader that lost its server looks where the stream is now, time after time."""

_CURSOR: Final = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?")

KEPT_MS: Final = 7 * 86_400_000
"""How long events stay readable at least."""


class Event(Struct, frozen=True, kw_only=True):
    """One fact."""

    cursor: str
    """The stream id: `Last-Event-ID`."""
    type: str
    comment: str
    version: int
    status: str
    before: str | None
    actor: str | None
    at: int


class Events:
    """Reads the outbox of a site."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def after(self, site: str, cursor: str, limit: int = 200) -> list[Event]:
        """The next events behind `cursor` (`0-0` = from the beginning); they outlive a failover."""
        rows = await self._confirmed(SiteKeys(site).events(), cursor, limit)
        return [_event(cursor, fields) for cursor, fields in rows]

    async def _confirmed(self, key: str, cursor: str, limit: int) -> list[Any]:
        rows: list[Any] = await self._wire.execute(
            "XRANGE", key, f"({cursor}", "+", "COUNT", limit, acknowledges=True
        )
        return rows

    async def newest(self, site: str) -> str:
        """The cursor of the newest event, `0-0` when there is none."""
        rows = await self._wire.execute("XREVRANGE", SiteKeys(site).events(), "+", "-", "COUNT", 1)
        return rows[0][0].decode() if rows else "0-0"

    async def oldest(self, site: str) -> str:
        """The cursor of the oldest event still kept, `0-0` when there is none."""
        rows = await self._wire.execute("XRANGE", SiteKeys(site).events(), "-", "+", "COUNT", 1)
        return rows[0][0].decode() if rows else "0-0"

    async def follow(self, site: str, cursor: str) -> AsyncIterator[list[Event]]:
        """New events behind `cursor` as they come, over a connection of its own; never ends.

        Yields an empty list whenever nothing came for a while.

        Raises:
            Unavailable, redis.RedisError, OSError: its server is away and no other has it.
        """
        key, lost = SiteKeys(site).events(), 0
        while True:
            try:
                # A connection that died silently must not be waited for longer than one wait lasts.
                client = await self._wire.reader(key, deadline_s=BLOCK_MS / 1000 + 2)
                async with client:
                    while True:
                        answer: Any = await client.xread({key: cursor}, count=500, block=BLOCK_MS)
                        _end_if_cancelled()
                        rows = answer[0][1] if answer else []
                        if rows and self._wire.confirms:
                            # A master that was replaced, and does not know it yet, has events that
                            # nobody else will ever see: a cursor behind those skips true ones
                            # (found by tests/faults).
                            rows = await self._confirmed(key, cursor, 500)
                            if not rows:
                                raise Unavailable("The stream's server was replaced.")
                        if rows:
                            cursor = rows[-1][0].decode()
                        lost = 0
                        yield [_event(at, fields) for at, fields in rows]
            except (RedisError, Unavailable, OSError):
                # Another server may have the stream now (a failover, a slot that moved); it goes on
                # there, behind the same cursor.
                lost += 1
                if lost > len(LOOK_AGAIN_S):
                    raise
            _end_if_cancelled()
            await asyncio.sleep(LOOK_AGAIN_S[lost - 1])

    async def trim(self, site: str, now: int, *, kept_from: int | None = None) -> int:
        """Drops events older than a week, and than `kept_from` (ms); how many.

        By age, never by count: trimming by count would drop what a slow reader still needs. The
        server drops some ten thousand at a time, so it is asked until nothing more goes.
        """
        key, oldest, dropped = SiteKeys(site).events(), max(0, now - KEPT_MS), 0
        oldest = oldest if kept_from is None else min(oldest, kept_from)
        while gone := int(await self._wire.execute("XTRIM", key, "MINID", "~", oldest)):
            dropped += gone
        return dropped


def _end_if_cancelled() -> None:
    """Ends a task whose cancellation got lost.

    redis-py sends through `asyncio.wait_for`, which until Python 3.12 swallows a cancellation that
    comes when the send is just done; a reader that nobody hears would go on for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def older(cursor: str, than: str) -> bool:
    """Whether one stream id lies before another."""
    return _order(cursor) < _order(than)


def valid(cursor: str) -> bool:
    """Whether this is a stream id: milliseconds, a dash, a sequence number."""
    return _CURSOR.fullmatch(cursor) is not None


def _order(cursor: str) -> tuple[int, int]:
    ms, _, seq = cursor.partition("-")
    return int(ms), int(seq or 0)


def _event(cursor: bytes, fields: dict[bytes, bytes]) -> Event:
    before, actor = fields.get(b"f"), fields.get(b"by")
    return Event(
        cursor=cursor.decode(),
        type=fields[b"t"].decode(),
        comment=fields[b"id"].decode(),
        version=int(fields[b"v"]),
        status=fields[b"s"].decode(),
        before=before.decode() if before else None,
        actor=actor.decode() if actor else None,
        at=int(fields[b"at"]),
    )
