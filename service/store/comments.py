"""Comments in Redis: written whole by one script, read back with their mutable part."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from msgspec import Struct

from service import tracing
from service.errors import Unavailable
from service.ids import short_hash
from service.records import (
    AuthorRecord,
    Comment,
    Lease,
    Private,
    RejectionRule,
    Status,
    StoredComment,
)
from service.store import author_keys, codec
from service.store.author_keys import AuthorKeys, opened, unopened
from service.store.connect import Wire
from service.store.idempotency import Idempotency, mismatch, replayed
from service.store.keys import BAND, IDEMPOTENCY_S, STATS_S, SiteKeys
from service.store.places import queues_of, score_of

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


class Surroundings(Struct, frozen=True):
    """What the store knows around a comment before it is decided."""

    author: AuthorRecord
    page_first_at: int | None
    same_text: int
    config_version: int
    """0 = the site does not exist."""
    replay: bytes | None
    parent: tuple[str, str] | None
    """Status and page of the parent comment."""
    key: bytes | None
    """The author's key, wrapped; None where they are new here."""


class _New(Struct, frozen=True):
    """A comment to be written, and all that is written with it."""

    comment: Comment
    status: Status
    email: str
    private: Private
    page_title: str
    config_version: int
    text_window_s: int
    idempotency: Idempotency
    """With an empty key where there was none."""
    answer: bytes
    now: int


class ConfigChanged(Exception):
    """The site's policy, bans or origins changed while its comment was decided."""


class SiteGone(Exception):
    """The site was deleted while its comment was decided."""


class Comments:
    """Reads and writes comments."""

    def __init__(self, wire: Wire, keys: AuthorKeys) -> None:
        self._wire = wire
        self._keys = keys

    async def surroundings(
        self,
        site: str,
        *,
        author: str,
        page: str,
        fingerprint: str,
        parent: str | None,
        rejection: RejectionRule,
        idempotency: Idempotency | None,
        now: int,
    ) -> Surroundings:
        """Everything deciding needs to know, in one round trip.

        Raises:
            IdempotencyMismatch: the key was used for another body.
        """
        keys = SiteKeys(site)
        remembered = keys.idempotency(idempotency.key if idempotency else "")
        (
            version,
            row,
            first_at,
            same_text,
            approved,
            refused,
            of_parent,
            record,
        ) = await self._wire.script(
            "around",
            [
                keys.config(), keys.author(author), keys.page(short_hash(page)),
                keys.text(fingerprint), keys.by_author("approved", author),
                keys.by_author("rejected", author), keys.by_author("spam", author),
                keys.comment(parent or ""), remembered,
            ],
            [
                now - rejection.days * DAY_MS, BAND, author_keys.FIELD,
                int(parent is not None), int(idempotency is not None),
            ],
        )  # fmt: skip
        if record is not None:
            # What is answered again must be as safe as what was answered first.
            await self._wire.execute("GET", remembered, acknowledges=True)
        return Surroundings(
            author=_record(row, recent_approved=approved, recent_refused=refused),
            page_first_at=_int(first_at),
            same_text=int(same_text or 0),
            config_version=int(version or 0),
            replay=replayed(record, idempotency) if idempotency else None,
            parent=_parent(of_parent) if of_parent else None,
            key=row[5],
        )

    async def submit(
        self,
        comment: Comment,
        status: Status,
        *,
        email: str,
        private: Private,
        page_title: str,
        config_version: int,
        text_window_s: int,
        idempotency: Idempotency | None,
        answer: bytes,
        now: int,
        key: bytes | None = None,
    ) -> bytes | None:
        """Writes a new comment with everything that hangs on it.

        What is personal is sealed under the author's key: `key` as it was read. Where it is another
        by now (two first comments at once, an erasure), everything is sealed again.

        Returns:
            None when it was written, else the answer given earlier to the Idempotency-Key.

        Raises:
            ConfigChanged, SiteGone: decide again; nothing was written.
            IdempotencyMismatch, Unavailable: as elsewhere; the same id may be sent again.
        """
        seen = idempotency or Idempotency("", b"")
        new = _New(
            comment, status, email, private, page_title, config_version, text_window_s, seen,
            answer if idempotency else b"", now,
        )  # fmt: skip
        for _ in range(author_keys.ATTEMPTS):
            outcome = await self._write(new, *self._key(comment, key))
            if outcome[0] != b"rekeyed":
                return _earlier(outcome)
            key = outcome[1] or None
        raise Unavailable("The author's key keeps changing; nothing was stored, try again.")

    def _key(self, comment: Comment, key: bytes | None) -> tuple[bytes, codec.Sealed, bool]:
        """The wrapped key of a comment's author, what it seals with, and whether it is new."""
        if key is None:
            return *self._keys.new(comment.site, comment.author), True
        sealed = self._keys.unwrapped(comment.site, comment.author, key)
        if sealed is None:
            raise unopened(comment.site)
        return key, sealed, False

    def _write(
        self,
        new: _New,
        key: bytes,
        sealed: codec.Sealed,
        fresh: bool,
    ) -> Awaitable[Any]:
        """What `submit.lua` answers to a comment sealed under this key."""
        comment, site, author = new.comment, new.comment.site, new.comment.author
        return self._wire.script(
            "submit",
            _keys(comment, new.status, new.idempotency, new.now),
            [
                new.config_version,
                new.idempotency.body,
                new.answer,
                comment.id,
                new.status,
                score_of(comment, new.status),
                codec.encode_comment(comment),
                sealed.seal(codec.encode(new.private), author_keys.bound_private(site, comment.id)),
                sealed.seal(new.email.encode(), author_keys.bound_email(site, author)),
                comment.name,
                new.now,
                comment.page,
                new.page_title,
                new.text_window_s,
                new.idempotency.kept_s,
                STATS_S,
                int(comment.test),
                comment.created_at,
                "1" if comment.imported else "",
                tracing.carried(),
                key,
                "1" if fresh else "",
                new.idempotency.key,
            ],
        )

    async def replay(self, site: str, idempotency: Idempotency) -> bytes | None:
        """The answer a submission got earlier; None where there was none.

        Raises:
            IdempotencyMismatch: the key was used for another body.
        """
        key = SiteKeys(site).idempotency(idempotency.key)
        return replayed(await self._wire.execute("GET", key, acknowledges=True), idempotency)

    async def bind(self, name: str, body: bytes) -> bool:
        """Binds a key that stands for many writes to its body; True where it was bound before.

        Raises:
            IdempotencyMismatch: to another body.
        """
        idempotency = Idempotency.of(name, body)
        # One string, no site: the writes themselves carry keys of their own.
        key = SiteKeys("").idempotency(idempotency.key)
        found = await self._wire.script("keep_once", [key], [idempotency.body, IDEMPOTENCY_S])
        return found is not None and replayed(found, idempotency) is not None

    async def read(self, site: str, comment_id: str) -> StoredComment | None:
        """One comment, or None."""
        return (await self.read_many(site, [comment_id]))[0]

    async def read_many(self, site: str, ids: Sequence[str]) -> list[StoredComment | None]:
        """Comments of one site in the order asked, None where there is none."""
        if not ids:
            return []
        keys, ask = SiteKeys(site), self._wire.execute
        rows = [ask("HMGET", keys.comment(i), "b", "s", "v", "d") for i in ids]
        expiries = ask("ZMSCORE", keys.leases(), *ids)
        holders = ask("HMGET", keys.holders(), *ids)
        answers = await asyncio.gather(expiries, holders, *rows)
        return [
            _stored(row, _lease(comment_id, expiry, holder))
            for comment_id, expiry, holder, row in zip(
                ids, answers[0], answers[1], answers[2:], strict=True
            )
        ]

    async def private(self, comment: Comment) -> Private:
        """Where a comment came from; empty where that was never known or is gone."""
        sealed, key = await asyncio.gather(
            self._wire.execute("HGET", SiteKeys(comment.site).comment(comment.id), "p"),
            self._keys.read(comment.site, comment.author),
        )
        unwrapped = self._keys.unwrapped(comment.site, comment.author, key)
        found = opened(unwrapped, sealed, author_keys.bound_private(comment.site, comment.id))
        return codec.decode_private(found) if found else Private()

    async def authors(self, site: str, authors: Sequence[str]) -> list[tuple[AuthorRecord, str]]:
        """Each author's record and e-mail address ('' where it was erased), in the order asked."""
        keys = SiteKeys(site)
        rows = await asyncio.gather(
            *(
                self._wire.execute(
                    "HMGET",
                    keys.author(author),
                    "pending",
                    "approved",
                    "rejected",
                    "spam",
                    "first_at",
                    "email",
                    author_keys.FIELD,
                )
                for author in authors
            )
        )
        return [self._author(site, a, row) for a, row in zip(authors, rows, strict=True)]

    def _author(self, site: str, author: str, row: list[bytes | None]) -> tuple[AuthorRecord, str]:
        unwrapped = self._keys.unwrapped(site, author, row[6])
        email = opened(unwrapped, row[5], author_keys.bound_email(site, author))
        return _record(row), (email or b"").decode()


def _keys(comment: Comment, status: Status, idempotency: Idempotency, now: int) -> list[str]:
    keys = SiteKeys(comment.site)
    return [
        keys.config(),
        keys.comment(comment.id),
        keys.author(comment.author),
        keys.page(short_hash(comment.page)),
        keys.text(comment.fingerprint),
        keys.events(),
        keys.stats(now // HOUR_MS),
        keys.idempotency(idempotency.key),
        *queues_of(keys, comment, status),
        *([keys.tests_by(comment.author)] if comment.test else []),
    ]


def _earlier(outcome: list[Any]) -> bytes | None:
    """What `submit.lua` answered: None when it wrote, or the answer given earlier."""
    match outcome[0]:
        case b"stored":
            return None
        case b"replayed":
            return bytes(outcome[1])
        case b"mismatch":
            raise mismatch()
        case b"stale":
            raise ConfigChanged
        case _:
            raise SiteGone


def _int(value: bytes | None) -> int | None:
    return None if value is None else int(value)


def _record(
    row: list[bytes | None], *, recent_approved: int = 0, recent_refused: int = 0
) -> AuthorRecord:
    pending, approved, rejected, spam = (int(value or 0) for value in row[:4])
    return AuthorRecord(
        pending=pending,
        approved=approved,
        rejected=rejected,
        spam=spam,
        recent_approved=recent_approved,
        recent_refused=recent_refused,
        first_at=_int(row[4]),
    )


def _parent(row: list[bytes | None]) -> tuple[str, str] | None:
    if row[0] is None or row[1] is None:
        return None
    return row[0].decode(), codec.decode_comment(row[1]).page


def _lease(comment_id: str, expiry: Any, holder: bytes | None) -> Lease | None:
    if expiry is None or holder is None:
        return None
    name, _, token = holder.decode().partition("\n")
    return Lease(comment_id, name, token, int(expiry))


def _stored(row: list[Any], lease: Lease | None) -> StoredComment | None:
    blob, status, version, decision = row
    if blob is None:
        return None
    return StoredComment(
        comment=codec.decode_comment(blob),
        status=status.decode(),
        version=int(version),
        decision=codec.decode_entry(decision) if decision else None,
        lease=lease,
    )
