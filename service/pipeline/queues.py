"""Reading queues for moderators: pages of comments with their authors' records, filtered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from service.ids import short_hash
from service.records import AuthorRecord, Status, StoredComment
from service.store import Store
from service.store.places import reason_codes
from service.store.queues import Filter, Position, Sort

SCAN: Final = 2000
"""Comments looked at for one answer when a filter has no queue of its own; the cursor goes on."""


class Ask(Struct, frozen=True, kw_only=True):
    """What a moderator wants to see."""

    status: Status
    sort: Sort
    limit: int
    page: str = ""
    reason: str = ""
    author: str = ""
    label: str = ""
    minimum: float = 0.0
    after: Position | None = None

    @property
    def narrowed(self) -> Filter:
        """The part of it that has queues of its own."""
        return Filter(page=self.page, author=self.author, reason=self.reason)

    @property
    def plain(self) -> bool:
        """Whether one queue holds exactly what is asked for."""
        return not self.label and sum(map(bool, (self.page, self.reason, self.author))) <= 1


class Row(NamedTuple):
    """A comment with its author's record and address."""

    stored: StoredComment
    author: AuthorRecord
    email: str


class Found(Struct, frozen=True):
    """A page of a queue; `total` is None where only counting everything could tell."""

    rows: list[Row]
    next: Position | None
    total: int | None


async def list_queue(store: Store, site: str, ask: Ask) -> Found:
    """One page of a queue."""
    places, following = await _places(store, site, ask)
    total = None if ask.label else await store.queues.count(site, ask.status, ask.narrowed)
    return Found(await queued(store, site, [place.id for place in places]), following, total)


async def queued(store: Store, site: str, ids: Sequence[str]) -> list[Row]:
    """Comments with their authors' records, in the order asked; vanished ones are left out."""
    found = [stored for stored in await store.comments.read_many(site, ids) if stored]
    authors = await store.comments.authors(site, [stored.comment.author for stored in found])
    return [
        Row(stored, record, email) for stored, (record, email) in zip(found, authors, strict=True)
    ]


async def _places(store: Store, site: str, ask: Ask) -> tuple[list[Position], Position | None]:
    """The positions of one answer, and where the next one starts."""
    matching: list[Position] = []
    after, scanned = ask.after, 0
    size = ask.limit + 1 if ask.plain else min(500, 4 * ask.limit)
    while len(matching) <= ask.limit and scanned < SCAN:
        chunk = await store.queues.page(
            site, ask.status, sort=ask.sort, limit=size, narrowed=ask.narrowed, after=after
        )
        matching.extend(chunk if ask.plain else await _matching(store, site, ask, chunk))
        if len(chunk) < size:
            return _cut(matching, ask.limit)
        after, scanned = chunk[-1], scanned + len(chunk)
    if len(matching) > ask.limit:
        return _cut(matching, ask.limit)
    return matching, after


def _cut(matching: list[Position], limit: int) -> tuple[list[Position], Position | None]:
    page = matching[:limit]
    return page, page[-1] if len(matching) > limit else None


async def _matching(store: Store, site: str, ask: Ask, chunk: Sequence[Position]) -> list[Position]:
    rows = await store.comments.read_many(site, [place.id for place in chunk])
    return [place for place, stored in zip(chunk, rows, strict=True) if stored and _is(stored, ask)]


def _is(stored: StoredComment, ask: Ask) -> bool:
    comment = stored.comment
    return (
        (not ask.page or short_hash(comment.page) == short_hash(ask.page))
        and (not ask.author or comment.author == ask.author)
        and (not ask.reason or ask.reason in reason_codes(comment))
        and (not ask.label or (comment.scores or {}).get(ask.label, -1.0) >= ask.minimum)
    )
