"""Enqueue: the record that is kept of a decided draft, and the status it starts with. Pure."""

from __future__ import annotations

from service.records import STATUS_OF_OUTCOME, Comment, Draft, Private, Scored, Status, Verdict


def enqueue(
    draft: Draft,
    scored: Scored,
    verdict: Verdict,
    *,
    comment_id: str,
    site: str,
    author: str,
    now: int,
) -> Comment:
    """The immutable part of a new comment; `now` and `draft.created_at` are ms."""
    return Comment(
        id=comment_id,
        site=site,
        page=draft.page,
        author=author,
        name=draft.name,
        body=draft.body,
        created_at=now if draft.created_at is None else draft.created_at,
        verdict=verdict,
        scores=scored.scores,
        url=draft.url,
        page_title=draft.page_title,
        parent=draft.parent,
        locale=draft.locale,
        submitted_at=now,
        fingerprint=scored.fingerprint,
        metadata=draft.metadata,
        test=draft.test,
    )


def private_part(draft: Draft) -> Private:
    """Where a comment came from and how it was written: kept apart and encrypted."""
    return Private(
        ip=draft.ip,
        user_agent=draft.user_agent,
        referrer=draft.referrer,
        elapsed_ms=draft.elapsed_ms,
        honeypot=draft.honeypot,
    )


def author_key(draft: Draft) -> str:
    """What an author is known by: the address, else where the comment came from and the name.

    Comments without an address come from other systems only. A name alone is nobody: anyone could
    earn trust, or ruin it, for all who use it.
    """
    return draft.email or f"\n{draft.ip}\n{draft.name}"


def status_of(verdict: Verdict) -> Status:
    """Where a verdict puts a comment."""
    return STATUS_OF_OUTCOME[verdict.outcome]


def told_status(status: Status, verdict: Verdict) -> Status:
    """The status an author is told: under a shadow ban always `pending`."""
    return "pending" if verdict.hidden and status in ("rejected", "spam") else status
