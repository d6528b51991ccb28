"""A site's webhooks, and the log of what was sent to each."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from litestar import Response, get, post
from msgspec import Struct

from service import webhooks
from service.console.face import routed
from service.console.room import Form, Room, enter, posted, wrong
from service.errors import Conflict, Invalid, Malformed, NotFound, invalid
from service.html import Req, page_end
from service.ids import random_id
from service.store.deliveries import STATES
from service.store.events import EVENTS
from service.store.webhooks import Endpoint

HERE: Final = "webhooks"
SHOWN: Final = 50
"""Deliveries on one page."""


class Standing(Struct, frozen=True):
    """An endpoint with how it stands."""

    endpoint: Endpoint
    state: str
    waiting: int
    dead: int


@get("/console/webhooks")
async def endpoints(request: Req) -> Response[Any]:
    """The site's endpoints."""
    room = await enter(request, HERE, "webhooks")
    return await _list(room, done=request.query_params.get("done", ""))


@post("/console/webhooks", status_code=200)
async def add(request: Req) -> Response[Any]:
    """Makes an endpoint; its secret is shown this once."""
    room, form = await posted(request, HERE, "webhooks")
    try:
        url = webhooks.checked_url(room.services.outgoing, form.text("url"))
        events = webhooks.checked_events(form.all("events"))
        if not events:
            raise invalid("/events", "required", "choose at least one")
    except Invalid as error:
        return await _list(room, status=422, errors=wrong(error), given=form)
    made = Endpoint(
        id=random_id(9),
        url=url,
        events=events,
        secret=webhooks.new_secret(),
        created_at=room.services.now(),
    )
    try:
        await room.services.store.webhooks.add(room.needs_site(), made)
    except Conflict as error:
        return await _list(room, status=409, errors={"url": error.detail}, given=form)
    return await _log(room, made, secret=made.secret)


@get("/console/webhooks/{webhook:str}")
async def log(request: Req, webhook: str) -> Response[Any]:
    """One endpoint and what was sent to it, newest first."""
    room = await enter(request, HERE, "webhooks")
    query = request.query_params
    return await _log(
        room,
        await _own(room, webhook),
        only=query.get("state", ""),
        after=query.get("after", ""),
        done=query.get("done", ""),
    )


@post("/console/webhooks/{webhook:str}", status_code=200)
async def act(request: Req, webhook: str) -> Response[Any]:
    """Does something with an endpoint: the button pressed says what."""
    room, form = await posted(request, HERE, "webhooks")
    endpoint = await _own(room, webhook)
    store, site, do = room.services.store, room.site, form.text("do")
    match do:
        case "pause" | "resume":
            await store.webhooks.change(site, webhook, paused=do == "pause")
        case "rotate":
            secret = webhooks.new_secret()
            old_until = room.services.now() + webhooks.ROTATION_MS
            await store.webhooks.rotate(site, webhook, secret, old_until=old_until)
            return await _log(room, endpoint, secret=secret)
        case "test":
            await _test(room, endpoint)
        case "replay":
            await _replay(room, endpoint, form.text("delivery"))
        case "remove":
            await store.webhooks.remove(site, webhook)
            return room.back("removed")
        case _:
            raise Malformed("There is no such button.")
    return room.back(do, f"/{webhook}")


async def _test(room: Room, endpoint: Endpoint) -> None:
    if not endpoint.takes_events:
        raise Conflict("Nothing is sent to this webhook while it is paused or disabled.")
    delivery_id, delivery = webhooks.test_delivery(room.services.now())
    await room.services.store.deliveries.again(room.site, endpoint.id, delivery_id, delivery)


async def _replay(room: Room, endpoint: Endpoint, delivery: str) -> None:
    done = await room.services.store.deliveries.again(room.site, endpoint.id, delivery)
    if done == 0:
        raise NotFound("This webhook has no such delivery.")
    if done == -1:
        raise Conflict("An attempt is under way.")


async def _own(room: Room, webhook: str) -> Endpoint:
    found = await room.services.store.webhooks.read(room.needs_site(), webhook)
    if found is None:
        raise NotFound("This site has no such webhook.")
    return found


async def _standing(room: Room, endpoint: Endpoint) -> Standing:
    deliveries = room.services.store.deliveries
    waiting, dead = await asyncio.gather(
        deliveries.count(room.site, endpoint.id, "waiting"),
        deliveries.count(room.site, endpoint.id, "dead"),
    )
    state = webhooks.state_of(endpoint, room.services.now())
    return Standing(endpoint, state, waiting, dead)


async def _list(room: Room, *, status: int = 200, **said: Any) -> Response[Any]:
    if not room.site:
        return room.page("no_site.html")
    found = await room.services.store.webhooks.all(room.site)
    standing = await asyncio.gather(*(_standing(room, endpoint) for endpoint in found))
    plain = {"errors": {}, "given": Form(), "done": ""}
    return room.page(
        "webhooks.html", status=status, **(plain | said), standing=standing, events=EVENTS
    )


async def _log(
    room: Room, endpoint: Endpoint, *, only: str = "", after: str = "", **said: Any
) -> Response[Any]:
    wanted = tuple(state for state in STATES if only in ("", state))
    found = await room.services.store.deliveries.page(
        room.site, endpoint.id, wanted, limit=SHOWN + 1, after=page_end(after)
    )
    last = found[SHOWN - 1].position if len(found) > SHOWN else None
    plain = {"secret": "", "done": ""}
    return room.page(
        "webhook.html",
        **(plain | said),
        hook=await _standing(room, endpoint),
        deliveries=found[:SHOWN],
        following=f"{last.score}.{last.id}" if last else "",
        only=only,
        states=STATES,
    )


ROUTES: Final = routed(endpoints, add, log, act)
