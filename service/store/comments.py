"""Comments in Redis: written whole by one script, read back with their mutable part."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from service.errors import IdempotencyMismatch
from service.ids import short_hash
from service.records import (
    AuthorRecord,
    Comment,
    FieldError,
    Lease,
    Private,
    RejectionRule,
    Status,
    StoredComment,
)
from service.store import codec
from service.store.connect import Wire
from service.store.keys import BAND, IDEMPOTENCY_S, STATS_S, SiteKeys
from service.store.places import queues_of, score_of

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Idempotency(Struct, frozen=True):
    """A caller's Idempotency-Key (hashed) and the hash of the body it came with."""

    key: str
    body: bytes
    """16 bytes."""
    kept_s: int = IDEMPOTENCY_S

    @classmethod
    def of(cls, key: str, body: bytes) -> Idempotency:
        """From a caller's key and the body it came with."""
        return cls(short_hash(key), hashlib.sha256(body).digest()[:16])


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


class ConfigChanged(Exception):
    """The site's policy, bans or origins changed while its comment was decided."""


class SiteGone(Exception):
    """The site was deleted while its comment was decided."""


class Comments:
    """Reads and writes comments."""

    def __init__(self, wire: Wire, sealed: codec.Sealed) -> None:
        self._wire = wire
        self._sealed = sealed

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
        keys, ask = SiteKeys(site), self._wire.execute
        since = now - rejection.days * DAY_MS
        futures = [
            ask("HGET", keys.config(), "version"),
            ask(
                "HMGET",
                keys.author(author),
                "pending",
                "approved",
                "rejected",
                "spam",
                "first_at",
            ),
            ask("HGET", keys.page(short_hash(page)), "first_at"),
            ask("GET", keys.text(fingerprint)),
            *(
                ask("ZCOUNT", keys.by_author(status, author), since, BAND)
                for status in ("approved", "rejected", "spam")
            ),
        ]
        if parent:
            futures.append(ask("HMGET", keys.comment(parent), "s", "b"))
        if idempotency:
            futures.append(ask("GET", keys.idempotency(idempotency.key)))
        answers = await asyncio.gather(*futures)
        version, author_row, first_at, same_text, approved, rejected, spam = answers[:7]
        return Surroundings(
            author=_record(author_row, recent_approved=approved, recent_refused=rejected + spam),
            page_first_at=_int(first_at),
            same_text=int(same_text or 0),
            config_version=int(version or 0),
            replay=replayed(answers[-1], idempotency) if idempotency else None,
            parent=_parent(answers[7]) if parent else None,
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
    ) -> bytes | None:
        """Writes a new comment with everything that hangs on it.

        Returns:
            None when it was written, else the answer given earlier to the Idempotency-Key.

        Raises:
            ConfigChanged, SiteGone: decide again; nothing was written.
            IdempotencyMismatch, Unavailable: as elsewhere; the same id may be sent again.
        """
        sealed = self._sealed.seal
        outcome = await self._wire.script(
            "submit",
            _keys(comment, status, idempotency, now),
            [
                config_version,
                idempotency.body if idempotency else b"",
                answer if idempotency else b"",
                comment.id,
                status,
                score_of(comment, status),
                codec.encode(comment),
                sealed(codec.encode(private), comment.id),
                sealed(email.encode(), comment.author),
                comment.name,
                now,
                comment.page,
                page_title,
                text_window_s,
                idempotency.kept_s if idempotency else IDEMPOTENCY_S,
                STATS_S,
                int(comment.test),
                comment.created_at,
                "1" if comment.imported else "",
            ],
        )
        return _earlier(outcome)

    async def replay(self, site: str, idempotency: Idempotency) -> bytes | None:
        """The answer a submission got earlier; None where there was none.

        Raises:
            IdempotencyMismatch: the key was used for another body.
        """
        key = SiteKeys(site).idempotency(idempotency.key)
        return replayed(await self._wire.execute("GET", key), idempotency)

    async def bind(self, name: str, body: bytes) -> bool:
        """Binds a key that stands for many writes to its body; True where it was bound before.

        Raises:
            IdempotencyMismatch: to another body.
        """
        idempotency = Idempotency.of(name, body)
        # One string, no site: the writes themselves carry keys of their own.
        key = SiteKeys("").idempotency(idempotency.key)
        if await self._wire.execute("SET", key, idempotency.body, "NX", "EX", IDEMPOTENCY_S):
            return False
        return replayed(await self._wire.execute("GET", key), idempotency) is not None

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

    async def private(self, site: str, comment_id: str) -> Private:
        """Where a comment came from; empty where it was never known or has been erased."""
        sealed = await self._wire.execute("HGET", SiteKeys(site).comment(comment_id), "p")
        opened = self._sealed.open(sealed, comment_id) if sealed else None
        return codec.decode_private(opened) if opened else Private()

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
                )
                for author in authors
            )
        )
        return [self._author(author, row) for author, row in zip(authors, rows, strict=True)]

    def _author(self, author: str, row: list[bytes | None]) -> tuple[AuthorRecord, str]:
        email = self._sealed.open(row[5], author) if row[5] else None
        return _record(row), (email or b"").decode()


def _keys(comment: Comment, status: Status, idempotency: Idempotency | None, now: int) -> list[str]:
    keys = SiteKeys(comment.site)
    return [
        keys.config(),
        keys.comment(comment.id),
        keys.author(comment.author),
        keys.page(short_hash(comment.page)),
        keys.text(comment.fingerprint),
        keys.events(),
        keys.stats(now // HOUR_MS),
        keys.idempotency(idempotency.key if idempotency else ""),
        *queues_of(keys, comment, status),
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


def mismatch() -> IdempotencyMismatch:
    """The error for a key that was used for another body."""
    return IdempotencyMismatch(
        (
            FieldError(
                "", "idempotency_mismatch", "this Idempotency-Key was used for another request"
            ),
        )
    )


def replayed(record: bytes | None, idempotency: Idempotency) -> bytes | None:
    """The answer inside an idempotency record, if it belongs to the same body."""
    if record is None:
        return None
    if not record.startswith(idempotency.body):
        raise mismatch()
    return record[len(idempotency.body) :]


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
