"""Receipts: what the author of a comment may see of it, by a signed link."""

from __future__ import annotations

from litestar import Response, get
from msgspec import Struct

from service.api import answers
from service.api.document import Operation
from service.api.requests import Req, client_ip, services
from service.errors import NotFound
from service.pipeline.decide import public_reason
from service.pipeline.enqueue import told_status
from service.records import StoredComment


class ReceiptOut(Struct):
    """A comment as its author sees it."""

    id: str
    status: str
    reason: str
    page: str
    created_at: str
    appeal: str | None


async def receipt_of(request: Req, token: str) -> StoredComment:
    """The comment behind a receipt.

    Raises:
        NotFound: the link is not one of ours, or the comment is gone.
    """
    parts = services(request)
    ip = client_ip(request.scope, parts.settings.proxy_networks)
    await parts.throttle.anonymous(ip)
    comment_id = parts.secrets.open_receipt(token)
    site = comment_id and await parts.gate.site_named_by(comment_id)
    stored = await parts.store.comments.read(site, comment_id) if site and comment_id else None
    if stored is None:
        raise NotFound("No such receipt.")
    return stored


def receipt_out(stored: StoredComment) -> ReceiptOut:
    """What the author is told; under a shadow ban that the comment waits."""
    status = told_status(stored.status, stored.comment.verdict)
    reason = ""
    if status in ("pending", "spam", "rejected"):
        decided = stored.decision.reason if stored.decision else ""
        reason = decided or public_reason(stored.comment.verdict, status)
    return ReceiptOut(
        id=stored.comment.id,
        status=status,
        reason=reason,
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
    stored = await receipt_of(request, token)
    return answers.answer(receipt_out(stored), headers={"Cache-Control": "no-store"})


ROUTES = (receipt,)
