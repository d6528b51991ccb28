"""From numbered records to comments that can be imported, each under the id it gets here."""

from __future__ import annotations

from collections.abc import Container, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from service.errors import Invalid, Malformed
from service.importing.found import Found, Skipped
from service.importing.mend import Empty, mend
from service.importing.source import Record
from service.importing.tally import BadLine, Tally, count
from service.incoming import Incoming, id_of, read_line
from service.records import Comment, Draft, FieldError


class Batch(Struct):
    """Some records, read."""

    good: dict[str, Incoming] = field(default_factory=dict)
    """By the comment's id here."""
    bad: list[BadLine] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def read(
    records: Sequence[Record],
    site_number: int,
    now: int,
    *,
    status: str,
    origin: str = "",
    taken: Container[str] = (),
) -> Batch:
    """What the records say; a second one of the same comment counts as known already.

    Args:
        records: as `source.chunks` gives them.
        site_number: of the site the comments go to.
        now: ms since the epoch.
        status: how comments are counted that come without one.
        origin: what stands before pages that are named by path alone.
        taken: ids of comments that are being written.
    """
    batch = Batch()
    for number, record in records:
        try:
            incoming = _incoming(record, batch.tally, now)
        except Invalid as invalid:
            batch.bad.append(BadLine(number, invalid.errors))
        except Malformed as error:
            batch.bad.append(BadLine(number, (FieldError("", "malformed", error.detail),)))
        else:
            if incoming is None:
                continue
            if origin and incoming.draft.page.startswith("/"):
                incoming = _at(origin, incoming)
            comment_id = id_of(incoming, site_number)
            if comment_id in batch.good or comment_id in taken:
                batch.tally.known += 1
                note_other_date(batch.tally, incoming, batch.good.get(comment_id, incoming).draft)
                continue
            batch.good[comment_id] = incoming
            count(batch.tally.statuses, incoming.status or status)
            if incoming.draft.created_at is not None:
                batch.tally.date(incoming.draft.created_at)
    batch.tally.lines = len(records)
    batch.tally.bad = len(batch.bad)
    return batch


def _incoming(record: Found | Skipped | bytes, tally: Tally, now: int) -> Incoming | None:
    """The comment of a record; None where it is skipped, which is counted."""
    if isinstance(record, bytes):
        return read_line(record, now) if record.strip() else None
    if not isinstance(record, Found):
        count(tally.skipped, record)
        return None
    try:
        incoming, changes = mend(record, now)
    except Empty:
        count(tally.skipped, "empty")
        return None
    for change in changes:
        count(tally.changed, change)
    return incoming


def _at(origin: str, incoming: Incoming) -> Incoming:
    draft = replace(incoming.draft, page=origin + incoming.draft.page)
    return replace(incoming, draft=draft)


def note_other_date(tally: Tally, incoming: Incoming, known: Draft | Comment) -> None:
    """Counts a comment whose id another one has: its file is of another site, or wrong."""
    if incoming.draft.created_at not in (None, known.created_at):
        count(tally.changed, "known_with_another_date")
