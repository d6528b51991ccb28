"""Receipts: what the author of a comment may see of it and ask for, by a signed link."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get, post
from msgspec import Meta, Struct

from service.api import answers
from service.api.document import Operation
from service.api.requests import Req, read_json, services
from service.errors import NotFound
from service.pipeline import appeals
from service.pipeline.receipts import by_receipt, told
from service.records import StoredComment
from service.throttle import client_ip


class ReceiptOut(Struct):
    """A comment as its author sees it."""

    id: str
    status: str
    reason: str
    page: str
    created_at: str
    appeal: appeals.Standing | None


class AppealIn(Struct, forbid_unknown_fields=True):
    """Why a refused comment should be looked at again."""

    text: Annotated[
        str,
        Meta(extra_json_schema={"minLength": appeals.SHORTEST, "maxLength": appeals.LONGEST}),
    ]


def receipt_out(stored: StoredComment) -> ReceiptOut:
    """What the author is told; under a shadow ban that the comment waits."""
    standing = told(stored)
    return ReceiptOut(
        id=stored.comment.id,
        status=standing.status,
        reason=standing.reason,
        page=stored.comment.page,
        created_at=answers.iso(stored.comment.created_at),
        appeal=appeals.standing(stored),
    )


@get(
    "/v1/receipts/{token:str}",
    opt={
        "operation": Operation(
            summary="The author's own view of a comment",
            answers={200: ReceiptOut},
            problems=(404, 429, 503),
            tag="Websites",
            description="`appeal` is `open` where the author may appeal, `waiting` until a "
            "moderator has looked again, then `granted` or `denied`.",
        )
    },
)
async def receipt(request: Req, token: str) -> Response[bytes]:
    """The author's own view of a comment."""
    return _answer(await _stored(request, token))


@post(
    "/v1/receipts/{token:str}/appeal",
    status_code=200,
    opt={
        "operation": Operation(
            summary="Ask for a second look at a refused comment",
            body=AppealIn,
            answers={200: ReceiptOut},
            problems=(400, 404, 409, 413, 415, 422, 429, 503),
            tag="Websites",
            description="Once per comment, and only while it is refused: anything else is 409 "
            "(`already_appealed`, `not_refused`). The same text again gets the same answer. "
            "The comment waits for a moderator, whose decision is final.",
        )
    },
)
async def appeal(request: Req, token: str) -> Response[bytes]:
    """Ask for a second look at a refused comment."""
    parts, stored = services(request), await _stored(request, token)
    asked = await read_json(request, AppealIn)
    done = await appeals.appeal(parts.store, stored, asked.text, now=parts.now())
    headers = {"Idempotent-Replayed": "true"} if done.replayed else {}
    return _answer(done.stored, headers)


async def _stored(request: Req, token: str) -> StoredComment:
    """The receipt's comment; who asks carries no key, so their address is counted."""
    parts = services(request)
    await parts.throttle.anonymous(client_ip(request.scope, parts.settings.proxy_networks))
    try:
        return await by_receipt(parts.store, parts.secrets, token)
    except NotFound:
        await parts.throttle.wrong_key()
        raise


def _answer(stored: StoredComment, headers: dict[str, str] | None = None) -> Response[bytes]:
    told_headers = {"Cache-Control": "no-store", **(headers or {})}
    return answers.answer(receipt_out(stored), headers=told_headers)


ROUTES = (receipt, appeal)
