"""Which queues a comment stands in, and where: derived from the comment, never stored."""

from __future__ import annotations

from service.ids import short_hash
from service.records import Comment, Status
from service.store.keys import SiteKeys, place

MAX_REASONS = 4
"""Reason queues a comment stands in at most; a bound on memory per comment."""


def queues_of(keys: SiteKeys, comment: Comment, status: Status) -> list[str]:
    """The sorted sets that hold this comment while it has this status.

    A test comment is never in its page's or author's: it is not published and teaches nothing.
    """
    if status == "erased":
        return []
    names = [keys.queue(status)]
    if not comment.test:
        names.append(keys.by_page(status, short_hash(comment.page)))
        names.append(keys.by_author(status, comment.author))
    names.extend(keys.by_reason(status, code) for code in reason_codes(comment))
    return names


def reason_codes(comment: Comment) -> list[str]:
    """The distinct codes of a comment's live reasons, strongest first as the verdict lists them."""
    codes = dict.fromkeys(r.code for r in comment.verdict.reasons if not r.shadow)
    return list(codes)[:MAX_REASONS]


def score_of(comment: Comment, status: Status) -> int:
    """Pending comments stand by priority and age, published ones by their date."""
    if status == "pending":
        return place(comment.verdict.priority, comment.submitted_at)
    return place(0, comment.created_at)
