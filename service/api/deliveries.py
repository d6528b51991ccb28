"""Deliveries: the log of what was sent to a webhook, and sending it again."""

from __future__ import annotations

from litestar import Response, get, post
from msgspec import Struct

from service import webhooks
from service.api import answers
from service.api.document import CURSOR, choice_param, whole_param
from service.api.requests import Query, Req, cursor, services
from service.api.webhooks import own_webhook, webhook_operation
from service.errors import Conflict, NotFound
from service.store.deliveries import STATES, Logged


class DeliveryOut(Struct, kw_only=True):
    """One event on its way to one endpoint; `id` is the header webhook-id."""

    id: str
    event: str
    comment: str | None
    version: int | None
    state: str
    at: str
    attempts: int
    last_attempt_at: str | None
    last_status: int | None
    latency_ms: int | None
    error: str | None
    next_attempt_at: str | None


class DeliveriesOut(Struct):
    """A page of the log, newest first."""

    items: list[DeliveryOut]
    next: str | None = None


@get(
    "/v1/sites/{site:str}/webhooks/{webhook:str}/deliveries",
    opt=webhook_operation(
        "What was sent to a webhook, what waits and what was given up",
        answers={200: DeliveriesOut},
        problems=(401, 403, 404, 422, 503),
        query=(
            choice_param("state", "Only these.", "all", *STATES),
            CURSOR,
            whole_param("limit", "How many.", 1, 200, 50),
        ),
        description="Newest first. Kept are the newest 1,000 that were delivered, dead letters "
        "for 30 days, and all that wait.",
    ),
)
async def deliveries(request: Req, site: str, webhook: str) -> Response[bytes]:
    """A page of an endpoint's log, newest first."""
    await own_webhook(request, site, webhook)
    query = Query(request, "state", "cursor", "limit")
    state = query.choice("state", "all", "all", *STATES)
    limit = query.whole("limit", 50, 1, 200)
    wanted = tuple(each for each in STATES if state in ("all", each))
    found = await services(request).store.deliveries.page(
        site, webhook, wanted, limit=limit + 1, after=query.cursor()
    )
    last = found[limit - 1].position if len(found) > limit else None
    path = f"/v1/sites/{site}/webhooks/{webhook}/deliveries"
    given = {"state": state, "limit": str(limit)}
    return answers.listing([_logged_out(row) for row in found[:limit]], cursor(last), path, given)


@post(
    "/v1/sites/{site:str}/webhooks/{webhook:str}/deliveries/{delivery:str}/replay",
    status_code=202,
    opt=webhook_operation(
        "Send a delivery again",
        answers={202: DeliveryOut},
        problems=(401, 403, 404, 409, 503),
        description="At once, with its id and all its tries; also one that was delivered.",
    ),
)
async def replay(request: Req, site: str, webhook: str, delivery: str) -> Response[bytes]:
    """Send a delivery again, with the same id."""
    await own_webhook(request, site, webhook)
    done = await services(request).store.deliveries.again(site, webhook, delivery)
    if done == 0:
        raise NotFound("This webhook has no such delivery.")
    if done == -1:
        raise Conflict("An attempt is under way.")
    return await _due(request, site, webhook, delivery)


async def _due(request: Req, site: str, webhook: str, delivery: str) -> Response[bytes]:
    """A delivery that is due."""
    found = await services(request).store.deliveries.read(site, webhook, delivery)
    if found is None:
        raise NotFound("This webhook has no such delivery.")
    return answers.answer(_logged_out(found), status=202)


@post(
    "/v1/sites/{site:str}/webhooks/{webhook:str}/test",
    status_code=202,
    opt=webhook_operation(
        "Send a test event",
        answers={202: DeliveryOut},
        problems=(401, 403, 404, 409, 503),
        description="Sends a `webhook.test`, by the same way as every event.",
    ),
)
async def test_webhook(request: Req, site: str, webhook: str) -> Response[bytes]:
    """Send a test event."""
    endpoint = await own_webhook(request, site, webhook)
    if not endpoint.takes_events:
        raise Conflict("Nothing is sent to this webhook while it is paused or disabled.")
    parts = services(request)
    delivery_id, delivery = webhooks.test_delivery(parts.now())
    await parts.store.deliveries.again(site, webhook, delivery_id, delivery)
    return await _due(request, site, webhook, delivery_id)


def _logged_out(row: Logged) -> DeliveryOut:
    """A delivery as the log shows it; never the comment's text."""
    sent = row.delivery
    tried = sent.last_at > 0
    return DeliveryOut(
        id=row.id,
        event=sent.event,
        comment=sent.comment or None,
        version=sent.version or None,
        state=row.state,
        at=answers.iso(sent.at),
        attempts=sent.attempts,
        last_attempt_at=answers.iso(sent.last_at) if tried else None,
        last_status=sent.last_status or None,
        latency_ms=sent.took_ms if tried else None,
        error=sent.error or None,
        next_attempt_at=answers.iso_or_none(row.next_at),
    )


ROUTES = (deliveries, replay, test_webhook)
