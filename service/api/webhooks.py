"""Webhooks: where a site's events are sent."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from litestar import Response, delete, get, patch, post
from msgspec import UNSET, Meta, Struct, UnsetType

from service import webhooks
from service.api import answers
from service.api.document import Operation
from service.api.requests import Req, read_json, services
from service.api.sites import own_site
from service.errors import NotFound
from service.ids import random_id
from service.services import Services
from service.store.events import EVENTS
from service.store.webhooks import Endpoint

EventName = Annotated[str, Meta(extra_json_schema={"enum": list(EVENTS)})]
Names = Annotated[list[EventName], Meta(min_length=1, max_length=100)]
Url = Annotated[str, Meta(min_length=1, extra_json_schema={"format": "uri"})]


class WebhookIn(Struct, forbid_unknown_fields=True):
    """A new endpoint."""

    url: Url
    events: Names


class WebhookPatch(Struct, forbid_unknown_fields=True):
    """What to change; `"paused": false` also puts a disabled endpoint back to work."""

    url: Url | UnsetType = UNSET
    events: Names | UnsetType = UNSET
    paused: bool | UnsetType = UNSET


class WebhookOut(Struct, kw_only=True):
    """An endpoint; `secret` only in the answers that make one.

    `state` is active, failing (nothing was taken for an hour), paused, or disabled (`reason` says
    why). `missed_until`: events before it may have been dropped before they were sent.
    """

    id: str
    url: str
    events: list[str]
    state: str
    reason: str | None
    created_at: str
    failing_since: str | None
    disabled_at: str | None
    missed_until: str | None
    waiting: int
    dead: int
    secret: str | UnsetType = UNSET


class WebhooksOut(Struct):
    """A site's endpoints."""

    items: list[WebhookOut]
    next: str | None = None


def webhook_operation(summary: str, **more: Any) -> dict[str, Any]:
    """The declaration of a route about webhooks."""
    more.setdefault("problems", (401, 403, 404, 503))
    return {"operation": Operation(summary=summary, scope="webhooks", tag="Webhooks", **more)}


_WRITE_PROBLEMS: Final = (400, 401, 403, 404, 409, 415, 422, 503)


@post(
    "/v1/sites/{site:str}/webhooks",
    opt=webhook_operation(
        "Make a webhook",
        body=WebhookIn,
        answers={201: WebhookOut},
        problems=_WRITE_PROBLEMS,
        description="Its secret is shown this once. It gets the events that happen from now on.",
    ),
)
async def make_webhook(request: Req, site: str) -> Response[bytes]:
    """Make an endpoint; its secret is shown this once."""
    await own_site(request, site, "webhooks")
    parts = services(request)
    asked = await read_json(request, WebhookIn)
    endpoint = Endpoint(
        id=random_id(9),
        url=webhooks.checked_url(parts.outgoing, asked.url),
        events=webhooks.checked_events(asked.events),
        secret=webhooks.new_secret(),
        created_at=parts.now(),
    )
    await parts.store.webhooks.add(site, endpoint)
    out = await _out(parts, site, endpoint)
    out.secret = endpoint.secret
    location = f"/v1/sites/{site}/webhooks/{endpoint.id}"
    return answers.answer(out, status=201, headers={"Location": location})


@get(
    "/v1/sites/{site:str}/webhooks",
    opt=webhook_operation("List a site's webhooks", answers={200: WebhooksOut}),
)
async def list_webhooks(request: Req, site: str) -> Response[bytes]:
    """A site's endpoints, without their secrets."""
    await own_site(request, site, "webhooks")
    parts = services(request)
    found = await parts.store.webhooks.all(site)
    items = await asyncio.gather(*(_out(parts, site, endpoint) for endpoint in found))
    return answers.answer(WebhooksOut(list(items)))


async def own_webhook(request: Req, site: str, webhook: str) -> Endpoint:
    """An endpoint of the caller's site.

    Raises:
        Unauthenticated, Forbidden, NotFound.
    """
    await own_site(request, site, "webhooks")
    found = await services(request).store.webhooks.read(site, webhook)
    if found is None:
        raise NotFound("This site has no such webhook.")
    return found


@get(
    "/v1/sites/{site:str}/webhooks/{webhook:str}",
    opt=webhook_operation("Read a webhook", answers={200: WebhookOut}),
)
async def read_webhook(request: Req, site: str, webhook: str) -> Response[bytes]:
    """One endpoint."""
    endpoint = await own_webhook(request, site, webhook)
    return answers.answer(await _out(services(request), site, endpoint))


@patch(
    "/v1/sites/{site:str}/webhooks/{webhook:str}",
    opt=webhook_operation(
        "Change, pause or resume a webhook",
        body=WebhookPatch,
        answers={200: WebhookOut},
        problems=_WRITE_PROBLEMS,
    ),
)
async def change_webhook(request: Req, site: str, webhook: str) -> Response[bytes]:
    """Change an endpoint; while it is paused its events wait in the outbox for a week."""
    await own_webhook(request, site, webhook)
    parts = services(request)
    asked = await read_json(request, WebhookPatch)
    await parts.store.webhooks.change(
        site,
        webhook,
        url=None if asked.url is UNSET else webhooks.checked_url(parts.outgoing, asked.url),
        events=None if asked.events is UNSET else webhooks.checked_events(asked.events),
        paused=None if asked.paused is UNSET else asked.paused,
    )
    endpoint = await own_webhook(request, site, webhook)
    return answers.answer(await _out(parts, site, endpoint))


@delete(
    "/v1/sites/{site:str}/webhooks/{webhook:str}",
    status_code=204,
    opt=webhook_operation("Delete a webhook with all its deliveries", answers={204: None}),
)
async def delete_webhook(request: Req, site: str, webhook: str) -> None:
    """Delete an endpoint; what waits for it is not sent any more."""
    await own_site(request, site, "webhooks")
    if not await services(request).store.webhooks.remove(site, webhook):
        raise NotFound("This site has no such webhook.")


@post(
    "/v1/sites/{site:str}/webhooks/{webhook:str}/rotate",
    status_code=200,
    opt=webhook_operation(
        "Give a webhook a new secret",
        answers={200: WebhookOut},
        description="The new secret is shown this once. For 24 hours everything is signed with "
        "both, the old and the new one.",
    ),
)
async def rotate_webhook(request: Req, site: str, webhook: str) -> Response[bytes]:
    """Give an endpoint a new secret; the old one signs, too, for a day."""
    endpoint = await own_webhook(request, site, webhook)
    parts = services(request)
    secret = webhooks.new_secret()
    old_until = parts.now() + webhooks.ROTATION_MS
    await parts.store.webhooks.rotate(site, webhook, secret, old_until=old_until)
    out = await _out(parts, site, endpoint)
    out.secret = secret
    return answers.answer(out)


async def _out(parts: Services, site: str, endpoint: Endpoint) -> WebhookOut:
    """An endpoint as its owner sees it."""
    waiting, dead = await asyncio.gather(
        parts.store.deliveries.count(site, endpoint.id, "waiting"),
        parts.store.deliveries.count(site, endpoint.id, "dead"),
    )
    return WebhookOut(
        id=endpoint.id,
        url=endpoint.url,
        events=list(endpoint.events),
        state=webhooks.state_of(endpoint, parts.now()),
        reason=endpoint.disabled or None,
        created_at=answers.iso(endpoint.created_at),
        failing_since=answers.iso_or_none(endpoint.failing_since),
        disabled_at=answers.iso_or_none(endpoint.disabled_at if endpoint.disabled else None),
        missed_until=answers.iso_or_none(endpoint.missed_until),
        waiting=waiting,
        dead=dead,
    )


ROUTES = (
    make_webhook,
    list_webhooks,
    read_webhook,
    change_webhook,
    delete_webhook,
    rotate_webhook,
)
