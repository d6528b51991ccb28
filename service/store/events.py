"""The outbox: one stream per site, one entry per fact, no personal data.

Whoever reacts to facts (server-sent events, webhooks, feedback) reads this stream; nothing is sent
from the request that caused the fact.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final

from msgspec import Struct

from service.store.connect import Wire, connect
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

    def __init__(self, wire: Wire, url: str) -> None:
        self._wire = wire
        self._url = url

    async def after(self, site: str, cursor: str, limit: int = 200) -> list[Event]:
        """The next events behind `cursor` (`0-0` = from the beginning)."""
        rows = await self._wire.execute(
            "XRANGE", SiteKeys(site).events(), f"({cursor}", "+", "COUNT", limit
        )
        return [_event(cursor, fields) for cursor, fields in rows]

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
        """
        # A connection that died silently must not be waited for longer than one wait lasts.
        client = connect(self._url, deadline_s=BLOCK_MS / 1000 + 2)
        key = SiteKeys(site).events()
        try:
            while True:
                answer: Any = await client.xread({key: cursor}, count=500, block=BLOCK_MS)
                rows = answer[0][1] if answer else []
                if rows:
                    cursor = rows[-1][0]
                yield [_event(at, fields) for at, fields in rows]
        finally:
            await client.aclose()

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
