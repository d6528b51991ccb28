"""Receipts: what the author of a comment may see of it, by a signed link."""

from __future__ import annotations

from litestar import Response, get
from msgspec import Struct

from service.api import answers
from service.api.document import Operation
from service.api.requests import Req, services
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
    appeal: str | None


def receipt_out(stored: StoredComment) -> ReceiptOut:
    """What the author is told; under a shadow ban that the comment waits."""
    standing = told(stored)
    return ReceiptOut(
        id=stored.comment.id,
        status=standing.status,
        reason=standing.reason,
        page=stored.comment.page,
        created_at=answers.iso(stored.comment.created_at),
        appeal=None,
    )


@get(
    "/v1/receipts/{token:str}",
    opt={
        "operation": Operation(
            summary="The author's own view of a comment",
            answers={200: ReceiptOut},
            problems=(404, 429, 503),
            tag="Websites",
        )
    },
)
async def receipt(request: Req, token: str) -> Response[bytes]:
    """The author's own view of a comment."""
    parts = services(request)
    ip = client_ip(request.scope, parts.settings.proxy_networks)
    await parts.throttle.anonymous(ip)
    stored = await by_receipt(parts.store, parts.secrets, token)
    return answers.answer(receipt_out(stored), headers={"Cache-Control": "no-store"})


ROUTES = (receipt,)
