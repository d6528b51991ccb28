"""Checks the outbox and the audit: one entry for every version, and none for anything else."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import numpy as np

from service.store.checking import comments
from service.store.checking.looking import Looking, Steps, bulk, glob, scan
from service.store.checking.queues import Digests, among, distinct
from service.store.connect import Wire

ENTRIES: Final = 1_000
"""Entries read at once."""

Entries = list[tuple[bytes, dict[bytes, bytes]]]


async def open_stream(wire: Wire, key: str) -> Steps:
    """How a stream stands before the comments are read."""
    if not (await bulk(wire, [("EXISTS", key)]))[0]:
        return Steps(b"0-0", None)
    told = (await bulk(wire, [("XINFO", "STREAM", key)]))[0]
    info = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
    info = {str(k.decode() if isinstance(k, bytes) else k): value for k, value in info.items()}
    last: bytes = info["last-generated-id"]
    # XDEL leaves this behind, XTRIM does not.
    deleted = bytes(info["max-deleted-entry-id"]) != b"0-0"
    # Whoever trims a stream leaves it shorter than the number of entries it ever got.
    if int(info["entries-added"]) == int(info["length"]):
        return Steps(last, None, deleted=deleted)
    first = info["first-entry"]
    return Steps(last, _ms(first[0] if first else last), deleted=deleted)


async def judge(looking: Looking) -> None:
    """Judges both streams, once all comments were read."""
    keys = looking.keys
    for name, key, of in (
        ("events", keys.events(), event_of),
        ("audit", keys.audit(), audit_of),
    ):
        await _Stream(looking, name, key, of).judge()
    await _chain(looking)


Of = Callable[[dict[bytes, bytes]], tuple[str, int, int]]
"""An entry's comment, version and digest."""


def event_of(fields: dict[bytes, bytes]) -> tuple[str, int, int]:
    """What an event tells of."""
    comment_id, version = fields[b"id"].decode(), int(fields[b"v"])
    if fields[b"t"] == b"comment.submitted":
        return comment_id, version, comments.submission_digest(comment_id)
    status = fields[b"s"].decode()
    return comment_id, version, comments.event_digest(comment_id, version, status)


def audit_of(fields: dict[bytes, bytes]) -> tuple[str, int, int]:
    """What an audit entry tells of."""
    comment_id, version = fields[b"id"].decode(), int(fields[b"v"])
    return comment_id, version, comments.audit_digest(comment_id, version)


class _Stream:
    """One of the two streams, compared with what the comments say."""

    def __init__(self, looking: Looking, name: str, key: str, of: Of) -> None:
        self._looking, self._name, self._key, self._of = looking, name, key, of
        self._steps = looking.steps[name]

    async def judge(self) -> None:
        if self._steps.deleted and self._name == "events":  # the audit is trimmed entry by entry
            self._looking.findings.add([f"{self._name}: entries were deleted by hand"])
        there, old = await self._read()
        sure, perhaps = distinct(self._steps.sure), distinct(self._steps.perhaps)
        known = np.union1d(sure, perhaps)
        kept, counts = np.unique(there, return_counts=True)
        foreign = there[:old][~among(there[:old], known)]
        await self._name_entries(kept[counts > 1], "is told twice", exactly=False)
        await self._name_entries(np.unique(foreign), "is told, but never was", exactly=True)
        await self._name_missing(sure[~among(sure, kept)])

    async def _read(self) -> tuple[Digests, int]:
        """The digests of all entries in order, and how many of them lie before the mark."""
        digests, old, mark = array("q"), 0, _order(self._steps.mark)
        async for rows in _entries(self._looking, self._key):
            digests.extend(digest for _, _, digest in self._told(rows))
            old += sum(_order(at) <= mark for at, _ in rows)
        return np.array(digests, dtype=np.int64), old

    def _told(self, rows: Entries) -> Iterator[tuple[str, int, int]]:
        for at, fields in rows:
            try:
                yield self._of(fields)
            except (KeyError, ValueError):
                self._looking.findings.add([f"{self._name} {at.decode()}: it cannot be read"])
                yield "", 0, 0

    async def _name_entries(self, digests: Digests, problem: str, *, exactly: bool) -> None:
        if not len(digests):
            return
        told = set[int]()
        async for rows in _entries(self._looking, self._key):
            for comment_id, version, digest in self._named(rows):
                if digest in told or not among(np.array([digest]), digests)[0]:
                    continue
                told.add(digest)
                if not exactly or not await self._is_true(comment_id, digest):
                    said = f"{comment_id}: version {version} in {self._name} {problem}"
                    self._looking.findings.add([said])

    def _named(self, rows: Entries) -> Iterator[tuple[str, int, int]]:
        for _, fields in rows:
            if b"id" in fields and fields.get(b"v", b"").isdigit():
                yield self._of(fields)

    async def _is_true(self, comment_id: str, digest: int) -> bool:
        """Whether the comment, as it is now, has such a version."""
        found = await comments.read(self._looking, comment_id)
        if found is None:
            return False
        return digest in {each for each, _, _ in self._wanted(comment_id, *found)}

    def _wanted(
        self, comment_id: str, row: comments.Row, history: list[Any]
    ) -> Iterator[tuple[int, int, int]]:
        """Digest, version and time of every entry the comment must have."""
        steps = list(comments.steps_of(row, history))
        if self._name == "audit":
            for step in steps[1:]:
                yield comments.audit_digest(comment_id, step.version), step.version, step.at
            return
        yield comments.submission_digest(comment_id), 1, steps[0].at
        for step in steps:
            digest = comments.event_digest(comment_id, step.version, step.status)
            yield digest, step.version, step.at

    async def _name_missing(self, missing: Digests) -> None:
        """Reads the comments again to say whose entries are missing.

        What was trimmed since they were read is not.
        """
        if not len(missing):
            return
        looking, told = self._looking, set[int]()
        now = await open_stream(looking.wire, self._key)
        prefix = looking.keys.comment("")
        async for names in scan(looking.wire, glob(prefix)):
            for name in names:
                comment_id = name.removeprefix(prefix)
                found = await comments.read(looking, comment_id)
                for digest, version, at in self._wanted(comment_id, *found) if found else ():
                    lost = among(np.array([digest]), missing)[0] and now.surely_kept(at)
                    if lost and digest not in told:
                        told.add(digest)
                        said = f"{comment_id}: version {version} has no entry in {self._name}"
                        looking.findings.add([said])
            await looking.rest()


async def _entries(looking: Looking, key: str) -> AsyncIterator[Entries]:
    after = "-"
    while True:
        rows = (await looking.bulk([("XRANGE", key, after, "+", "COUNT", ENTRIES)]))[0]
        if rows:
            yield rows
        if len(rows) < ENTRIES:
            return
        after = f"({rows[-1][0].decode()}"
        await looking.rest()


async def _chain(looking: Looking) -> None:
    """Each audit entry's hash holds the one before; the head is the newest."""
    keys = looking.keys
    base, first = await looking.snapshot(
        [("GET", keys.audit_base()), ("XRANGE", keys.audit(), "-", "+", "COUNT", 1)]
    )
    head, begun = base or b"", first[0][0] if first else b"0-0"
    async for rows in _entries(looking, keys.audit()):
        for at, row in rows:
            if _order(at) < _order(begun):
                continue
            linked = head + row.get(b"id", b"") + row.get(b"v", b"") + row.get(b"e", b"")
            head = hashlib.sha1(linked, usedforsecurity=False).hexdigest().encode()
            if row.get(b"h") != head:
                if await _untrimmed(looking, base):
                    looking.findings.add([f"audit {at.decode()}: the chain of hashes breaks"])
                return
    newest, kept, base = await looking.snapshot(
        [
            ("XREVRANGE", keys.audit(), "+", "-", "COUNT", 1),
            ("GET", keys.audit_head()),
            ("GET", keys.audit_base()),
        ]
    )
    if kept != (newest[0][1].get(b"h") if newest else base):
        looking.findings.add(["audit: the head is not the newest entry"])


async def _untrimmed(looking: Looking, base: bytes | None) -> bool:
    """Whether the audit begins where it began; else the next round looks at it."""
    return bool((await looking.bulk([("GET", looking.keys.audit_base())]))[0] == base)


def _ms(at: bytes) -> int:
    return int(at.partition(b"-")[0])


def _order(at: bytes) -> tuple[int, int]:
    ms, _, sequence = at.partition(b"-")
    return int(ms), int(sequence or 0)
