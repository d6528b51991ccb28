"""Moderators' decisions: one, many, undone; and a comment's history."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from litestar import Response, get, post
from msgspec import UNSET, Meta, Struct, UnsetType

from service.api import answers, problems
from service.api.comments import stored_comment
from service.api.document import Operation
from service.api.notes import NoteOut, note_out
from service.api.requests import (
    BULK_MAX,
    Req,
    caller,
    operation,
    read_json,
    request_id,
    services,
)
from service.errors import StaleVersion, WinnowError
from service.pipeline.review import Decision, Reviewed
from service.records import Action, Comment, Credential, Entry
from service.store import codec

Version = Annotated[int, Meta(ge=1, lt=2**31)]
Reason = Annotated[str, Meta(max_length=200)]
Note = Annotated[str, Meta(max_length=2000)]


class DecisionIn(Struct, forbid_unknown_fields=True):
    """What to do with a comment, as it was at `version`."""

    action: Action
    version: Version
    reason: Reason | None = None
    note: Note | None = None


class BulkItemIn(Struct, forbid_unknown_fields=True):
    """One decision of many."""

    id: str
    action: Action
    version: Version
    reason: Reason | None = None
    note: Note | None = None


class BulkIn(Struct, forbid_unknown_fields=True):
    """Up to 500 decisions."""

    items: Annotated[list[BulkItemIn], Meta(min_length=1, max_length=500)]


class UndoIn(Struct, forbid_unknown_fields=True):
    """The version to undo from."""

    version: Version


class ReviewedOut(Struct, kw_only=True):
    """How a comment stands now."""

    id: str
    status: str
    version: int
    decision: answers.DecisionOut


class BulkItemOut(Struct, kw_only=True):
    """The result of one decision: the answer it would have got alone."""

    id: str
    code: int
    status: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    decision: answers.DecisionOut | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET


class BulkOut(Struct):
    """One result each, in the order sent."""

    items: list[BulkItemOut]
    next: str | None = None


class StepOut(Struct, kw_only=True):
    """One version of a comment."""

    version: int
    at: str
    by: str
    action: str
    before: str | None
    status: str
    reason: str
    note: str
    operation: str
    """The operation on many comments that it was a part of; empty for none."""
    model: str
    policy_version: int
    verdict: answers.VerdictOut
    body: str


class HistoryOut(Struct):
    """Every version, oldest first, and what moderators noted, oldest first."""

    items: list[StepOut]
    notes: list[NoteOut]
    next: str | None = None


_PROBLEMS = (400, 401, 403, 404, 409, 415, 422, 429, 503)


@post(
    "/v1/comments/{comment_id:str}/decisions",
    status_code=200,
    opt={
        "operation": Operation(
            summary="Decide on a comment",
            scope="decide",
            body=DecisionIn,
            answers={200: ReviewedOut},
            problems=_PROBLEMS,
            headers=("Idempotency-Key",),
            tag="Moderators",
            description="Who names the current version decides; anybody later gets 409 with the "
            "winner's decision. The same Idempotency-Key gets the same answer.",
        )
    },
)
async def decide(request: Req, comment_id: str) -> Response[bytes]:
    """Approve, reject or mark as spam."""
    credential = await caller(request, "decide")
    asked = await read_json(request, DecisionIn)
    decision = Decision(
        id=comment_id,
        action=asked.action,
        version=asked.version,
        reason=asked.reason or "",
        note=asked.note or "",
    )
    reviewed = await _decide(request, credential, decision, operation(request, credential))
    return _answer(reviewed)


@post(
    "/v1/decisions",
    status_code=200,
    request_max_body_size=BULK_MAX,
    opt={
        "operation": Operation(
            summary="Decide on up to 500 comments",
            scope="decide",
            body=BulkIn,
            answers={200: BulkOut},
            problems=(400, 401, 403, 413, 415, 422, 429, 503),
            headers=("Idempotency-Key",),
            tag="Moderators",
            description="Each decision stands by itself; one result each, same order.",
        )
    },
)
async def bulk(request: Req) -> Response[bytes]:
    """Decide on up to 500 comments."""
    credential = await caller(request, "decide")
    parts = services(request)
    asked = await read_json(request, BulkIn)
    key = operation(request, credential)
    replayed = bool(key) and await parts.store.comments.bind(f"bulk {key}", await request.body())
    items = await asyncio.gather(
        *(
            _item(request, credential, item, key and f"{key}#{i}")
            for i, item in enumerate(asked.items)
        )
    )
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    return answers.answer(BulkOut(list(items)), headers=headers)


@post(
    "/v1/comments/{comment_id:str}/undo",
    status_code=200,
    opt={
        "operation": Operation(
            summary="Undo the last decision on a comment",
            scope="decide",
            body=UndoIn,
            answers={200: ReviewedOut},
            problems=_PROBLEMS,
            headers=("Idempotency-Key",),
            tag="Moderators",
        )
    },
)
async def undo(request: Req, comment_id: str) -> Response[bytes]:
    """Back to the state before the last decision, as a new version."""
    parts = services(request)
    credential = await caller(request, "decide")
    asked = await read_json(request, UndoIn)
    site = await parts.gate.site_of(comment_id, credential)
    try:
        reviewed = await parts.review.undo(
            site,
            comment_id,
            asked.version,
            actor=credential.actor,
            operation=operation(request, credential),
            now=parts.now(),
        )
    except StaleVersion as error:
        raise shown(error) from None
    return _answer(reviewed)


@get(
    "/v1/comments/{comment_id:str}/history",
    opt={
        "operation": Operation(
            summary="Every version of a comment",
            scope="queues",
            answers={200: HistoryOut},
            problems=(401, 403, 404, 503),
            tag="Moderators",
        )
    },
)
async def history(request: Req, comment_id: str) -> Response[bytes]:
    """Every version: who, when, what, why, model and policy version."""
    parts = services(request)
    stored = await stored_comment(request, comment_id, "queues")
    entries, notes = await asyncio.gather(
        parts.store.decisions.history(stored.comment.site, comment_id),
        parts.store.notes.of(stored.comment),
    )
    comment, steps = stored.comment, []
    for entry in reversed(entries):
        steps.append(_step(entry.version, entry.at, entry.actor, entry=entry, comment=comment))
        if entry.replaced:
            comment = codec.decode_comment(entry.replaced)
    first = entries[0].before if entries else stored.status
    submitted = _step(1, comment.submitted_at, "website", entry=None, comment=comment)
    submitted.status = first or stored.status
    return answers.answer(HistoryOut([submitted, *reversed(steps)], [note_out(n) for n in notes]))


def _step(version: int, at: int, by: str, *, entry: Entry | None, comment: Comment) -> StepOut:
    """One version; without an entry the submission itself."""
    return StepOut(
        version=version,
        at=answers.iso(at),
        by=by,
        action=entry.action if entry else "submit",
        before=entry.before if entry else None,
        status=entry.after if entry else "",
        reason=entry.reason if entry else "",
        note=entry.note if entry else "",
        operation=entry.operation if entry else "",
        model=comment.verdict.model,
        policy_version=comment.verdict.policy_version,
        verdict=answers.verdict_out(comment.verdict),
        body=comment.body,
    )


async def _decide(
    request: Req, credential: Credential, decision: Decision, key: str | None
) -> Reviewed:
    parts = services(request)
    site = await parts.gate.site_of(decision.id, credential)
    try:
        return await parts.review.decide(
            site, decision, actor=credential.actor, operation=key, now=parts.now()
        )
    except StaleVersion as error:
        raise shown(error) from None


async def _item(
    request: Req, credential: Credential, item: BulkItemIn, key: str | None
) -> BulkItemOut:
    decision = Decision(
        id=item.id,
        action=item.action,
        version=item.version,
        reason=item.reason or "",
        note=item.note or "",
    )
    try:
        reviewed = await _decide(request, credential, decision, key)
    except Exception as error:
        failure = problems.public(error)
        document = problems.document(failure, "/v1/decisions", request_id(request))
        return BulkItemOut(id=item.id, code=failure.status, error=document)
    return BulkItemOut(
        id=item.id,
        code=200,
        status=reviewed.status,
        version=reviewed.version,
        decision=answers.decision_out(reviewed.entry),
    )


def shown(error: StaleVersion) -> WinnowError:
    """A lost race as callers see it: with the winner's decision."""
    winner = error.members.get("decision")
    error.members["decision"] = answers.decision_out(winner) if winner else None
    return error


def _answer(reviewed: Reviewed) -> Response[bytes]:
    headers = {"ETag": f'"{reviewed.version}"'}
    if reviewed.replayed:
        headers["Idempotent-Replayed"] = "true"
    return answers.answer(
        ReviewedOut(
            id=reviewed.id,
            status=reviewed.status,
            version=reviewed.version,
            decision=answers.decision_out(reviewed.entry),
        ),
        headers=headers,
    )


ROUTES = (decide, bulk, undo, history)
