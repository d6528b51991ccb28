"""Changes of a stored comment: every one through `review.lua`, by version and operation id."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from service import tracing
from service.errors import NotFound
from service.ids import short_hash
from service.records import Comment, Entry, Policy, Status, StoredComment
from service.store import codec
from service.store.comments import HOUR_MS
from service.store.connect import Wire
from service.store.flow import waited
from service.store.idempotency import mismatch
from service.store.keys import IDEMPOTENCY_S, STATS_S, SiteKeys
from service.store.places import queues_of, score_of


class Step(Struct, frozen=True, kw_only=True):
    """One change of one comment, as it was read."""

    stored: StoredComment
    version: int
    """The version the caller saw; anything newer wins against this step."""
    entry: Entry
    event: str
    operation: str
    """Names the operation; the same one is answered again, never applied again."""
    request: str
    """What was asked; the same operation with another request is refused."""
    replacement: Comment | None = None
    """On an edit or a re-score: the new immutable part."""
    decision: Entry | None = None
    """What to show as the comment's decision from now on."""
    keep_decision: bool = False
    human: bool = False
    imported: bool = False
    """It was decided elsewhere and long ago: no webhook is told."""


class Done(Struct, frozen=True):
    """The step was written (or had been written before: `replayed`)."""

    version: int
    entry: Entry
    replayed: bool = False


class Lost(Struct, frozen=True):
    """Somebody else changed the comment first; this is how it stands now."""

    version: int
    status: Status
    decision: Entry | None


_CODES: Final = frozenset(Policy().thresholds)
"""Reasons that are one of the labels, not somebody's words."""


def without_texts(entry: Entry) -> Entry:
    """An entry with nothing in it that anybody wrote: who, when, what; why, where that is a label.

    So it stands in the audit stream, where nothing can be taken out again, and in the history of an
    erased comment.
    """
    reason = entry.reason if entry.reason in _CODES else ""
    return msgspec.structs.replace(entry, reason=reason, note="", replaced=b"", displaced=None)


class Decisions:
    """Writes changes and reads the history they leave."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def apply(self, step: Step) -> Done | Lost:
        """Writes one step, or says who was faster.

        Raises:
            IdempotencyMismatch: the operation id was used for another request.
            NotFound: the comment is gone.
            Unavailable: the outcome is unknown or nothing was written; the same operation may be
                sent again.
        """
        keys = SiteKeys(step.stored.comment.site)
        outcome = await self._wire.script("review", _keys(keys, step), _args(step))
        match outcome[0]:
            case b"done" | b"replayed":
                entry = codec.decode_entry(outcome[2])
                return Done(int(outcome[1]), entry, outcome[0] == b"replayed")
            case b"stale":
                winner = codec.decode_entry(outcome[3]) if outcome[3] else None
                return Lost(int(outcome[1]), outcome[2].decode(), winner)
            case b"mismatch":
                raise mismatch()
            case _:
                raise NotFound("No such comment.")

    async def forestall(self, site: str, operation: str) -> bool:
        """Sees to it that an operation is never applied; False where it was already."""
        key = SiteKeys(site).operation(short_hash(operation))
        never = codec.encode(("", 0, ""))  # as review.lua keeps a result, of no request at all
        found = await self._wire.script("keep_once", [key], [never, IDEMPOTENCY_S])
        return found is None or bool(found == never)

    async def applied(self, site: str, operation: str) -> bool:
        """Whether an operation was applied."""
        key = SiteKeys(site).operation(short_hash(operation))
        return bool(await self._wire.execute("EXISTS", key, acknowledges=True))

    async def history(self, site: str, comment_id: str) -> list[Entry]:
        """The steps after the submission, oldest first."""
        rows = await self._wire.execute("LRANGE", SiteKeys(site).history(comment_id), 0, -1)
        return [codec.decode_entry(row) for row in rows]


def _keys(keys: SiteKeys, step: Step) -> list[str]:
    comment = step.stored.comment
    return [
        keys.operation(short_hash(step.operation)),
        keys.comment(comment.id),
        keys.history(comment.id),
        keys.author(comment.author),
        keys.page(short_hash(comment.page)),
        keys.events(),
        keys.audit(),
        keys.audit_head(),
        keys.leases(),
        keys.holders(),
        keys.latencies(),
        keys.stats(step.entry.at // HOUR_MS),
        keys.likeness(),
        *queues_of(keys, comment, step.stored.status),
        *queues_of(keys, step.replacement or comment, step.entry.after),
    ]


def _args(step: Step) -> list[str | bytes | int]:
    entry, stored = step.entry, step.stored
    comment = step.replacement or stored.comment
    left = queues_of(SiteKeys(comment.site), stored.comment, stored.status)
    latency = entry.at - stored.comment.submitted_at if _first_look(step) else None
    return [
        # A version that is not the one read can only lose: its queues are not those of `stored`.
        step.version if step.version == stored.version else 0,
        short_hash(step.request),
        IDEMPOTENCY_S,
        stored.status,
        entry.after,
        comment.id,
        score_of(comment, entry.after),
        codec.encode(entry),
        step.event,
        entry.actor,
        entry.at,
        "" if step.keep_decision else ("1" if step.decision else "0"),
        codec.encode_comment(step.replacement) if step.replacement else b"",
        "" if latency is None else latency,
        len(left),
        int(comment.test),
        STATS_S,
        codec.encode(step.decision) if step.decision else b"",
        "1" if step.imported else "",
        "" if latency is None else waited(latency),
        tracing.carried(),
        codec.encode(without_texts(entry)),
    ]


def _first_look(step: Step) -> bool:
    """Whether this is a human deciding a waiting comment: what 'time to decide' measures."""
    return step.human and step.stored.status == "pending" and step.entry.action != "undo"
