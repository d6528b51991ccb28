"""What happened on a site, read back in bulk: the newest comments with all that was known."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from service.ids import short_hash
from service.records import QUEUES, Comment, Entry, Private, Status
from service.store import codec
from service.store.author_keys import AuthorKeys, bound_private, opened
from service.store.codec import Sealed
from service.store.connect import Wire
from service.store.keys import SiteKeys
from service.store.queues import Position, Queues

PAGE: Final = 500
TIMES_MAX: Final = 1000
"""An author's comments of one status whose times are read; older ones are only counted."""
JUDGED: Final[tuple[Status, ...]] = ("approved", "rejected", "spam")


class Kept(Struct, frozen=True):
    """One comment as it stands, with what only its verdict may look at."""

    comment: Comment
    status: Status
    version: int
    decision: Entry | None
    private: Private


class Times(Struct, frozen=True):
    """When an author's comments of one status were written, oldest first."""

    older: int = 0
    """How many there are before the first of `at`."""
    at: tuple[int, ...] = ()


class Past:
    """Reads back."""

    def __init__(self, wire: Wire, author_keys: AuthorKeys, queues: Queues) -> None:
        self._wire = wire
        self._keys = author_keys
        self._queues = queues

    async def newest(
        self, site: str, limit: int, statuses: Sequence[Status] = QUEUES
    ) -> list[Position]:
        """The newest comments of some queues, newest first."""
        found = await asyncio.gather(*(self._newest(site, status, limit) for status in statuses))
        return heapq.nlargest(limit, (p for row in found for p in row), key=lambda p: p.score)

    async def _newest(self, site: str, status: Status, limit: int) -> list[Position]:
        found: list[Position] = []
        while len(found) < limit:
            size = min(PAGE, limit - len(found))
            after = found[-1] if found else None
            page = await self._queues.page(site, status, sort="newest", limit=size, after=after)
            found += page
            if len(page) < size:
                break
        return found

    async def comments(self, site: str, ids: Sequence[str]) -> list[Kept]:
        """Comments with their private parts, in the order asked; vanished ones are left out."""
        keys, ask = SiteKeys(site), self._wire.execute
        rows = await asyncio.gather(
            *(ask("HMGET", keys.comment(i), "b", "s", "v", "d", "p") for i in ids)
        )
        found = [(codec.decode_comment(row[0]), row) for row in rows if row[0]]
        unwrapped = await self._keys.of(site, (comment.author for comment, _ in found))
        return [_kept(comment, unwrapped[comment.author], row) for comment, row in found]

    async def times(self, site: str, author: str) -> dict[Status, Times]:
        """When an author's judged comments were written."""
        keys, ask = SiteKeys(site), self._wire.execute
        names = [keys.by_author(status, author) for status in JUDGED]
        newest = [ask("ZRANGE", name, 0, TIMES_MAX - 1, "REV", "WITHSCORES") for name in names]
        *rows, one, two, three = await asyncio.gather(*newest, *(ask("ZCARD", n) for n in names))
        return {
            status: _times(row, count)
            for status, row, count in zip(JUDGED, rows, (one, two, three), strict=True)
        }

    async def first_at(self, site: str, pages: Sequence[str]) -> dict[str, int | None]:
        """When each page got its first comment."""
        keys = SiteKeys(site)
        rows = await asyncio.gather(
            *(self._wire.execute("HGET", keys.page(short_hash(page)), "first_at") for page in pages)
        )
        return {page: int(row) if row else None for page, row in zip(pages, rows, strict=True)}


def _kept(comment: Comment, unwrapped: Sealed | None, row: list[Any]) -> Kept:
    _, status, version, decision, private = row
    found = opened(unwrapped, private, bound_private(comment.site, comment.id))
    return Kept(
        comment,
        status.decode(),
        int(version),
        codec.decode_entry(decision) if decision else None,
        codec.decode_private(found) if found else Private(),
    )


def _times(row: list[Any], count: int) -> Times:
    scores = sorted(int(float(score)) for score in row[1::2])
    return Times(max(0, int(count) - len(scores)), tuple(scores))
