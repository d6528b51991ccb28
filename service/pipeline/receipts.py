"""Receipts: what the author of a comment is told about it, by a signed link."""

from __future__ import annotations

from msgspec import Struct

from service.errors import NotFound
from service.ids import Secrets, site_number_of
from service.pipeline.appeals import standing
from service.pipeline.enqueue import told_status
from service.pipeline.reasons import DECIDED, describe, public_reason
from service.records import Status, StoredComment
from service.store import Store


class Told(Struct, frozen=True):
    """How a comment stands, as its author is told."""

    status: Status
    reason: str
    """A polite sentence, '' where there is nothing to explain."""


async def by_receipt(store: Store, secrets: Secrets, token: str) -> StoredComment:
    """The comment behind a receipt.

    Raises:
        NotFound: the link is not one of ours, or the comment is gone.
    """
    comment_id = secrets.open_receipt(token) or ""
    number = site_number_of(comment_id)
    site = None if number is None else await store.sites.by_number(number)
    stored = await store.comments.read(site, comment_id) if site else None
    if stored is None:
        raise NotFound("No such receipt.")
    return stored


def told(stored: StoredComment) -> Told:
    """What the author is told; under a shadow ban that the comment waits."""
    status = told_status(stored.status, stored.comment.verdict)
    if standing(stored) == "waiting":
        return Told(status, describe("appeal").public)
    if status not in ("pending", "spam", "rejected"):
        return Told(status, "")
    # A decision's reason is told only while it stands, and never through a shadow ban.
    decision = stored.decision
    decided = decision.reason if decision and decision.after == status else ""
    said = DECIDED.get(decided, decided)
    return Told(status, said or public_reason(stored.comment.verdict, status))
