"""Reading queues for moderators: pages of comments with their authors' records, filtered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from service.ids import short_hash
from service.records import AuthorRecord, Comment, Status, StoredComment
from service.store import Store
from service.store.places import reason_codes
from service.store.queues import Filter, Flow, Position, Sort

SCAN: Final = 2000
"""Comments looked at for one answer when a filter has no queue of its own; the cursor goes on."""
PAGE: Final = 500
"""Places read in one go."""
READ: Final = 200
"""Comments read in one go: some milliseconds of the event loop."""
_WORD: Final = re.compile(r"\w+")


class Text(Struct, frozen=True):
    """Words to look for in comments and names; each may be the beginning of a longer one."""

    words: tuple[str, ...]
    fold: Callable[[str], str]
    """Takes disguises off, as it did for the words."""

    @classmethod
    def of(cls, text: str, fold: Callable[[str], str]) -> Text | None:
        """From what a moderator typed; None where there is no word in it."""
        words = dict.fromkeys(_WORD.findall(fold(text)))
        return cls(tuple(words), fold) if words else None

    def within(self, comment: Comment) -> bool:
        """Whether a comment holds all the words."""
        text = " ".join(_WORD.findall(self.fold(f"{comment.name}\n{comment.body}")))
        return all(f" {word}" in f" {text}" for word in self.words)


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
    text: Text | None = None
    after: Position | None = None

    @property
    def narrowed(self) -> Filter:
        """The part of it that has queues of its own."""
        return Filter(page=self.page, author=self.author, reason=self.reason)

    @property
    def counted(self) -> bool:
        """Whether the store can tell how many there are without looking at each."""
        return not self.label and self.text is None

    @property
    def plain(self) -> bool:
        """Whether one queue holds exactly what is asked for."""
        return self.counted and sum(map(bool, (self.page, self.reason, self.author))) <= 1


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
    places, following = await find_places(store, site, ask)
    total = await store.queues.count(site, ask.status, ask.narrowed) if ask.counted else None
    return Found(await queued(store, site, [place.id for place in places]), following, total)


async def queued(store: Store, site: str, ids: Sequence[str]) -> list[Row]:
    """Comments with their authors' records, in the order asked; vanished ones are left out."""
    found = [stored for stored in await store.comments.read_many(site, ids) if stored]
    authors = await store.comments.authors(site, [stored.comment.author for stored in found])
    return [
        Row(stored, record, email) for stored, (record, email) in zip(found, authors, strict=True)
    ]


async def find_places(
    store: Store, site: str, ask: Ask, *, scan: int = SCAN
) -> tuple[list[Position], Position | None]:
    """The positions of one answer, and where the next one starts: None at the queue's end.

    No more than `scan` comments are looked at, so that there may be more behind a short answer.
    """
    matching: list[Position] = []
    after, scanned = ask.after, 0
    size = min(PAGE, ask.limit + 1) if ask.plain else min(READ, 4 * ask.limit)
    while len(matching) <= ask.limit and scanned < scan:
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
    found = [
        (place, stored.comment)
        for place, stored in zip(chunk, rows, strict=True)
        if stored and _is(stored, ask)
    ]
    if ask.text is not None and found:
        # Folding two hundred texts takes some ten milliseconds: beside the event loop.
        within = await asyncio.to_thread(_within, ask.text, [comment for _, comment in found])
        return [place for (place, _), holds in zip(found, within, strict=True) if holds]
    return [place for place, _ in found]


def _within(text: Text, comments: Sequence[Comment]) -> list[bool]:
    return [text.within(comment) for comment in comments]


def _is(stored: StoredComment, ask: Ask) -> bool:
    comment = stored.comment
    return (
        (not ask.page or short_hash(comment.page) == short_hash(ask.page))
        and (not ask.author or comment.author == ask.author)
        and (not ask.reason or ask.reason in reason_codes(comment))
        and (not ask.label or (comment.scores or {}).get(ask.label, -1.0) >= ask.minimum)
    )


def drain_s(count: int, flow: Flow, now: int) -> float | None:
    """Seconds until empty if arrivals and decisions go on as in this hour and the last one."""
    if count == 0:
        return 0.0
    seconds = 3600 + now % 3_600_000 / 1000
    pace = (flow.decided - flow.held) / seconds
    return count / pace if pace > 0 else None
