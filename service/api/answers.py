"""Shaping answers: what callers see of comments, and how it is written."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response
from msgspec import UNSET, Struct, UnsetType

from service.pipeline.checks import told
from service.pipeline.enqueue import told_status
from service.pipeline.publish import Published
from service.pipeline.shown import masked
from service.pipeline.submit import Accepted
from service.records import (
    AuthorRecord,
    Entry,
    Lease,
    Reason,
    Status,
    StoredComment,
    Verdict,
)

encode = msgspec.json.Encoder().encode


def iso(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03}Z"


@lru_cache(1024)
def _second(seconds: int) -> str:
    """A moment without its fraction; what is answered in one second shares it."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def iso_or_none(ms: int | None) -> str | None:
    """As `iso`; None stays None."""
    return None if ms is None else iso(ms)


def answer(
    content: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Response[bytes]:
    """A JSON response."""
    return Response(
        encode(content), status_code=status, media_type="application/json", headers=headers or {}
    )


def listing(
    items: list[Any], following: str | None, path: str, query: dict[str, str], **more: Any
) -> Response[bytes]:
    """A page of a list, with `Link: rel="next"` when there is more."""
    headers = {}
    if following:
        headers["Link"] = f'<{path}?{urlencode({**query, "cursor": following})}>; rel="next"'
    return answer({"items": items, "next": following, **more}, headers=headers)


class ReasonOut(Struct, kw_only=True):
    """Why."""

    code: str
    detail: str
    outcome: str
    score: float | UnsetType = UNSET
    spans: tuple[tuple[int, int], ...] | UnsetType = UNSET
    shadow: bool | UnsetType = UNSET


class VerdictOut(Struct, kw_only=True):
    """The machine's verdict."""

    outcome: str
    policy_version: int
    model: str
    reasons: list[ReasonOut]
    checks: dict[str, str]


class DecisionOut(Struct, kw_only=True):
    """One human decision."""

    action: str
    by: str
    at: str
    reason: str
    note: str
    version: int
    status: str


class AcceptedOut(Struct, kw_only=True):
    """What a submission is answered with."""

    id: str
    site: str
    status: str
    created_at: str
    receipt: str
    verdict: VerdictOut | UnsetType = UNSET
    scores: dict[str, float] | UnsetType | None = UNSET


class CommentOut(Struct, kw_only=True):
    """A comment as a website's server or a moderator sees it."""

    id: str
    site: str
    status: str
    version: int
    page: str
    page_title: str
    parent: str | None
    name: str
    url: str | None
    body: str
    locale: str | None
    created_at: str
    submitted_at: str
    edited_at: str | None
    test: bool
    metadata: dict[str, Any]
    verdict: VerdictOut
    scores: dict[str, float] | None
    decision: DecisionOut | None
    receipt: str | UnsetType = UNSET
    author: AuthorOut | UnsetType = UNSET
    claim: ClaimOut | UnsetType | None = UNSET
    priority: int | UnsetType = UNSET
    appeal: str | UnsetType = UNSET


class AuthorOut(Struct, kw_only=True):
    """An author's record, the address masked."""

    id: str
    name: str
    email: str
    pending: int
    approved: int
    rejected: int
    spam: int
    first_at: str | None


class ClaimOut(Struct, kw_only=True):
    """Who is looking at a comment."""

    id: str
    holder: str
    expires_at: str


class PublishedOut(Struct, kw_only=True):
    """A published comment."""

    id: str
    name: str
    url: str | None
    body: str
    created_at: str
    edited_at: str | None
    parent: str | None


def reason_out(reason: Reason) -> ReasonOut:
    """A reason as callers see it."""
    return ReasonOut(
        code=reason.code,
        detail=reason.detail,
        outcome=reason.outcome,
        score=UNSET if reason.score is None else reason.score,
        spans=reason.spans or UNSET,
        shadow=True if reason.shadow else UNSET,
    )


def verdict_out(verdict: Verdict) -> VerdictOut:
    """A verdict as callers see it."""
    return VerdictOut(
        outcome=verdict.outcome,
        policy_version=verdict.policy_version,
        model=verdict.model,
        reasons=[reason_out(reason) for reason in verdict.reasons],
        checks=told(verdict),
    )


def decision_out(entry: Entry) -> DecisionOut:
    """A decision as callers see it."""
    return DecisionOut(
        action=entry.action,
        by=entry.actor,
        at=iso(entry.at),
        reason=entry.reason,
        note=entry.note,
        version=entry.version,
        status=entry.after,
    )


def accepted_out(accepted: Accepted, receipt: str, *, full: bool) -> AcceptedOut:
    """The answer to a submission; verdict and scores only where the caller may see them."""
    status: Status = accepted.status
    if not full:
        status = told_status(status, accepted.verdict)
    return AcceptedOut(
        id=accepted.id,
        site=accepted.site,
        status=status,
        created_at=iso(accepted.created_at),
        receipt=receipt,
        verdict=verdict_out(accepted.verdict) if full else UNSET,
        scores=accepted.scores if full else UNSET,
    )


def comment_out(stored: StoredComment, receipt: str | UnsetType = UNSET) -> CommentOut:
    """A stored comment in full."""
    comment = stored.comment
    return CommentOut(
        id=comment.id,
        site=comment.site,
        status=stored.status,
        version=stored.version,
        page=comment.page,
        page_title=comment.page_title,
        parent=comment.parent,
        name=comment.name,
        url=comment.url or None,
        body=comment.body,
        locale=comment.locale or None,
        created_at=iso(comment.created_at),
        submitted_at=iso(comment.submitted_at),
        edited_at=iso_or_none(comment.edited_at),
        test=comment.test,
        metadata=comment.metadata,
        verdict=verdict_out(comment.verdict),
        scores=comment.scores,
        decision=decision_out(stored.decision) if stored.decision else None,
        receipt=receipt,
    )


def queued_out(stored: StoredComment, author: AuthorRecord, email: str) -> CommentOut:
    """A comment in a queue: with its author's record and who is looking at it."""
    out = comment_out(stored)
    out.author = author_out(stored.comment.author, stored.comment.name, author, email)
    out.claim = claim_out(stored.lease) if stored.lease else None
    out.priority = stored.comment.verdict.priority
    out.appeal = stored.comment.appeal or UNSET
    return out


def author_out(author_id: str, name: str, record: AuthorRecord, email: str) -> AuthorOut:
    """An author's record as moderators see it."""
    return AuthorOut(
        id=author_id,
        name=name,
        email=masked(email),
        pending=record.pending,
        approved=record.approved,
        rejected=record.rejected,
        spam=record.spam,
        first_at=iso_or_none(record.first_at),
    )


def claim_out(lease: Lease) -> ClaimOut:
    """A claim as moderators see it; a comment's claim is named by the comment."""
    return ClaimOut(id=lease.id, holder=lease.holder, expires_at=iso(lease.expires_at))


def published_out(published: Published) -> PublishedOut:
    """A published comment as everybody sees it."""
    return PublishedOut(
        id=published.id,
        name=published.name,
        url=published.url,
        body=published.body,
        created_at=iso(published.created_at),
        edited_at=iso_or_none(published.edited_at),
        parent=published.parent,
    )
