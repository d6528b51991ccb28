"""Comments for a website's server: many at once, one read back, one edited."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Response, get, patch, post
from msgspec import UNSET, Meta, Struct, UnsetType

from service import auth
from service.api import answers, problems
from service.api.document import Operation
from service.api.intake import Caller, check, idempotency_key, rules_for
from service.api.requests import (
    BULK_MAX,
    Req,
    caller,
    if_match,
    is_known,
    read_json,
    request_id,
    services,
)
from service.errors import NotFound, OriginNotAllowed, PreconditionFailed, invalid
from service.pipeline import validate
from service.records import StoredComment
from service.store.idempotency import Idempotency
from service.throttle import client_ip


class BatchIn(Struct, forbid_unknown_fields=True):
    """Up to 500 submissions."""

    items: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=500)]


class BatchItem(Struct, kw_only=True):
    """The result of one of them: the answer it would have got alone."""

    code: int
    id: str | UnsetType = UNSET
    site: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    receipt: str | UnsetType = UNSET
    verdict: answers.VerdictOut | UnsetType = UNSET
    scores: dict[str, float] | UnsetType | None = UNSET
    error: dict[str, Any] | UnsetType = UNSET


class BatchOut(Struct):
    """One result each, in the order sent."""

    items: list[BatchItem]
    next: str | None = None


class EditIn(Struct, forbid_unknown_fields=True):
    """A comment's new text."""

    body: str


@post(
    "/v1/comments/batch",
    status_code=200,
    request_max_body_size=BULK_MAX,
    opt={
        "operation": Operation(
            summary="Submit up to 500 comments",
            scope="submit",
            body=BatchIn,
            answers={200: BatchOut},
            problems=(400, 401, 403, 413, 415, 422, 429, 503),
            headers=("Idempotency-Key",),
            tag="Websites",
            description="Each comment is judged and stored by itself; one result each, same order.",
        )
    },
)
async def batch(request: Req) -> Response[bytes]:
    """Submit up to 500 comments."""
    parts = services(request)
    credential = await caller(request, "submit")
    if credential.kind == "publishable":
        raise OriginNotAllowed("Batches need a secret key.")
    await parts.throttle.submission(credential, "")
    sent = await read_json(request, BatchIn)
    who = Caller(
        dict(request.scope["headers"]),
        credential,
        client_ip(request.scope, parts.settings.proxy_networks),
        parts.settings.public_url,
    )
    given = idempotency_key(who)
    key = given and f"{credential.actor} {given}"
    replayed = bool(key) and await parts.store.comments.bind(f"batch {key}", await request.body())
    items = await asyncio.gather(
        *(_one(request, who, bytes(raw), key and f"{key}#{i}") for i, raw in enumerate(sent.items))
    )
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    return answers.answer(BatchOut(list(items)), headers=headers)


async def _one(request: Req, who: Caller, raw: bytes, key: str) -> BatchItem:
    parts = services(request)
    now = parts.now()
    try:
        submission = validate.decode_json(raw)
        rules = await rules_for(parts, who, submission.site)
        accepted = await parts.intake.submit(
            check(submission, who, rules, now),
            rules.site.id,
            idempotency=Idempotency.of(key, raw) if key else None,
            now=now,
        )
    except Exception as error:
        failure = problems.public(error)
        document = problems.document(failure, "/v1/comments/batch", request_id(request))
        return BatchItem(code=failure.status, error=document)
    receipt = f"{parts.settings.public_url}/r/{parts.secrets.receipt(accepted.id)}"
    out = answers.accepted_out(accepted, receipt, full=True)
    return BatchItem(code=201, **msgspec.structs.asdict(out))


async def stored_comment(request: Req, comment_id: str, scope: auth.Scope) -> StoredComment:
    """A comment the caller may see.

    Raises:
        NotFound: no such comment, or not the caller's.
    """
    parts = services(request)
    credential = await caller(request, scope)
    site = await parts.gate.site_of(comment_id, credential)
    stored = await parts.store.comments.read(site, comment_id)
    if stored is None:
        raise NotFound("No such comment.")
    return stored


@get(
    "/v1/comments/{comment_id:str}",
    opt={
        "operation": Operation(
            summary="Read a comment's status, verdict, scores and decision",
            scope="read",
            answers={200: answers.CommentOut, 304: None},
            problems=(401, 403, 404, 503),
            headers=("If-None-Match",),
            tag="Websites",
        )
    },
)
async def read(request: Req, comment_id: str) -> Response[bytes]:
    """Read one comment; its ETag is its version."""
    stored = await stored_comment(request, comment_id, "read")
    tag = f'"{stored.version}"'
    if is_known(request, tag):
        return Response(b"", status_code=304, headers={"ETag": tag})
    parts = services(request)
    receipt = f"{parts.settings.public_url}/r/{parts.secrets.receipt(comment_id)}"
    return answers.answer(
        answers.comment_out(stored, receipt), headers={"ETag": tag, "Cache-Control": "no-store"}
    )


@patch(
    "/v1/comments/{comment_id:str}",
    opt={
        "operation": Operation(
            summary="Replace a comment's text; it is scored and decided again",
            scope="submit",
            body=EditIn,
            answers={200: answers.CommentOut},
            problems=(400, 401, 403, 404, 409, 412, 413, 415, 422, 503),
            headers=("If-Match",),
            tag="Websites",
        )
    },
)
async def edit(request: Req, comment_id: str) -> Response[bytes]:
    """Replace a comment's text."""
    stored = await stored_comment(request, comment_id, "submit")
    parts = services(request)
    credential = await caller(request, "read")
    expected = if_match(request)
    if expected is not None and expected != stored.version:
        raise PreconditionFailed(f"The comment is at version {stored.version}.")
    asked = await read_json(request, EditIn)
    rules = await parts.rules.get(stored.comment.site)
    text = validate.check_edit(asked.body, rules.policy.limits.body_max)
    if text == stored.comment.body:
        raise invalid("/body", "unchanged", "this is the comment's text already")
    await parts.intake.edit(stored, text, actor=credential.actor, now=parts.now())
    return await read.fn(request, comment_id)  # type: ignore[no-any-return]


ROUTES = (batch, read, edit)
