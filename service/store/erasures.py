"""Erasures: an author's key goes first, then their comments one by one, then the author.

Every step is one script and may be done again, by whoever comes next: what is under way stands in a
set, and a comment that is erased has left the indexes that the next ones are found by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from service.errors import NotFound
from service.ids import short_hash
from service.records import QUEUES, Comment, Entry, Status
from service.store import codec
from service.store.connect import Wire
from service.store.decisions import without_texts
from service.store.idempotency import Idempotency
from service.store.keys import ERASURE_S, REWRITE_WANTED, SiteKeys
from service.store.places import queues_of

SLICE: Final = 200
"""Comments looked at in one go, and labels dropped by one script, at most."""
BODY_HASH_BYTES: Final = len(Idempotency.of("", b"").body)


class Erasure(Struct, frozen=True, kw_only=True):
    """How the erasure of one author stands."""

    author: str
    """The keyed hash of the address; the address itself is kept nowhere."""
    status: Literal["running", "done"]
    asked_at: int
    finished_at: int | None
    comments: int
    """How many were erased, over all the times it was asked for."""
    by: str
    token: str
    """Names the last time it was asked for, in the file of erasures, too."""


class Erasable(Struct, frozen=True):
    """One comment as it was read, with its history."""

    comment: Comment
    status: Status
    version: int
    history: tuple[Entry, ...]
    idempotency: str
    """What names the idempotency record of its submission; empty where it had none."""
    decided_at: int | None
    private: bool
    """Whether it is still known where it came from."""


class Tombstone(Struct, frozen=True, kw_only=True):
    """What is to stand in a comment's place."""

    comment: Comment
    status: Status
    entry: Entry
    """The step that put it there."""
    answer: bytes
    """What a late retry of the submission is told."""
    labels: tuple[str, ...]
    """Names of labels that hold one of its texts."""


class Erasures:
    """Begins, makes and ends erasures."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def begin(self, site: str, author: str, by: str, token: str) -> Erasure:
        """Takes an author's key away; from now on nothing sealed for them can be opened.

        Args:
            site: the site.
            author: the keyed hash of the address.
            by: who asked for it.
            token: names this time.

        Raises:
            NotFound: there is no such site.
            Unavailable: it may be asked for again.
        """
        keys = SiteKeys(site)
        # First: who is killed in between leaves a rewrite too many, never one too few.
        await self._wire.execute("INCR", REWRITE_WANTED)
        begun = await self._wire.script(
            "erase_begin",
            [
                keys.config(),
                keys.author(author),
                keys.erasure(author),
                keys.erasures(),
                keys.erasing(),
            ],
            [author, by, ERASURE_S, token],
        )
        if begun == -1:
            raise NotFound(f"No site {site!r}.")
        return await self._known(site, author)

    async def _known(self, site: str, author: str) -> Erasure:
        found = await self.read(site, author)
        assert found is not None  # it was written a moment ago, for 400 days
        return found

    async def read(self, site: str, author: str) -> Erasure | None:
        """How an author's erasure stands; None where there was none in the last 400 days."""
        row = await self._wire.execute(
            "HMGET",
            SiteKeys(site).erasure(author),
            *("status", "asked_at", "finished_at", "comments", "by", "token"),
        )
        if row[0] is None:
            return None
        return Erasure(
            author=author,
            status=row[0].decode(),
            asked_at=int(row[1]),
            finished_at=int(row[2]) if row[2] else None,
            comments=int(row[3] or 0),
            by=(row[4] or b"").decode(),
            token=(row[5] or b"").decode(),
        )

    async def listed(self, site: str) -> dict[str, int]:
        """The erasure list: author → when it was last asked for, in ms."""
        rows = await self._wire.execute("ZRANGE", SiteKeys(site).erasures(), 0, -1, "WITHSCORES")
        return {rows[i].decode(): int(float(rows[i + 1])) for i in range(0, len(rows), 2)}

    async def forget(self, site: str, before: int) -> None:
        """Drops from the list who was erased before then (ms): their records are gone, too."""
        await self._wire.execute(
            "ZREMRANGEBYSCORE", SiteKeys(site).erasures(), "-inf", f"({before}"
        )

    async def running(self, site: str) -> list[str]:
        """Authors whose erasure has begun and is not done."""
        rows = await self._wire.execute("SMEMBERS", SiteKeys(site).erasing())
        return sorted(row.decode() for row in rows)

    async def next(self, site: str, author: str) -> list[str]:
        """Some of the author's comments that are not erased yet; none = all are."""
        keys = SiteKeys(site)
        rows = await asyncio.gather(
            *(self._wire.execute("ZRANGE", name, 0, SLICE - 1) for name in _indexes(keys, author))
        )
        return [name.decode() for row in rows for name in row][:SLICE]

    async def everything(self, site: str, author: str) -> list[str]:
        """The ids of all comments of an author, tests included, by status and age."""
        keys = SiteKeys(site)
        rows = await asyncio.gather(
            *(self._wire.execute("ZRANGE", name, 0, -1) for name in _indexes(keys, author))
        )
        return [name.decode() for row in rows for name in row]

    async def comments(self, site: str, ids: Sequence[str]) -> list[Erasable]:
        """Comments with their histories, in the order asked; vanished ones are left out."""
        keys, ask = SiteKeys(site), self._wire.execute
        rows = await asyncio.gather(
            *(ask("HMGET", keys.comment(i), "b", "s", "v", "i", "d", "p") for i in ids),
            *(ask("LRANGE", keys.history(i), 0, -1) for i in ids),
        )
        return [
            Erasable(
                codec.decode_comment(row[0]),
                row[1].decode(),
                int(row[2]),
                tuple(codec.decode_entry(entry) for entry in history),
                (row[3] or b"").decode(),
                codec.decode_entry(row[4]).at if row[4] else None,
                row[5] is not None,
            )
            for row, history in zip(rows[: len(ids)], rows[len(ids) :], strict=True)
            if row[0] is not None
        ]

    async def erase(self, found: Erasable, tombstone: Tombstone) -> bool:
        """Puts a tombstone in a comment's place; False where the comment changed meanwhile.

        Raises:
            Unavailable: it may be done again.
        """
        outcome = await self._wire.script("erase", _keys(found, tombstone), _args(found, tombstone))
        return bool(outcome)

    async def end(self, site: str, author: str) -> bool:
        """Drops the author; False where comments or labels are left, or have come meanwhile."""
        keys = SiteKeys(site)
        outcome = await self._wire.script(
            "erase_end",
            [
                keys.author(author),
                keys.erasure(author),
                keys.erasing(),
                keys.labels_by(author),
                keys.labels(),
                keys.labels_order(),
                *_indexes(keys, author),
            ],
            [author, ERASURE_S, SLICE],
        )
        return bool(outcome)


def _indexes(keys: SiteKeys, author: str) -> list[str]:
    """Where all of an author's comments are found, by whatever status."""
    return [*(keys.by_author(status, author) for status in QUEUES), keys.tests_by(author)]


def _keys(found: Erasable, tombstone: Tombstone) -> list[str]:
    comment = found.comment
    keys = SiteKeys(comment.site)
    left = tombstone.status != found.status
    return [
        keys.comment(comment.id),
        keys.history(comment.id),
        keys.author(comment.author),
        keys.page(short_hash(comment.page)),
        keys.events(),
        keys.audit(),
        keys.audit_head(),
        keys.leases(),
        keys.holders(),
        keys.likeness(),
        keys.notes(comment.id),
        keys.callback(comment.id),
        keys.callbacks_due(),
        keys.text(comment.fingerprint),
        keys.idempotency(found.idempotency),
        keys.labels(),
        keys.labels_order(),
        keys.erasure(comment.author),
        *(queues_of(keys, comment, found.status) if left else []),
        *([keys.tests_by(comment.author)] if left and comment.test else []),
    ]


def _args(found: Erasable, tombstone: Tombstone) -> list[str | bytes | int]:
    entry = tombstone.entry
    return [
        found.version,
        found.status,
        tombstone.status,
        found.comment.id,
        codec.encode_comment(tombstone.comment),
        codec.encode(without_texts(entry)),
        entry.actor,
        entry.at,
        int(found.comment.test),
        tombstone.answer if found.idempotency else b"",
        BODY_HASH_BYTES,
        len(tombstone.labels),
        *tombstone.labels,
        *(codec.encode(without_texts(each)) for each in (*found.history, entry)),
    ]
