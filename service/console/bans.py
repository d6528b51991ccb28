"""A site's bans: looked through, added, lifted."""

from __future__ import annotations

from typing import Any, Final, cast, get_args

from litestar import Response, get, post

from service.console.cards import actor
from service.console.face import routed
from service.console.room import Form, Room, enter, last_moment, posted, wrong
from service.errors import Invalid, NotFound, invalid
from service.html import Req
from service.pipeline.banning import Kind, canonical, guess
from service.pipeline.shown import masked
from service.records import Ban, Strict

HERE: Final = "bans"
SHOWN: Final = 50
"""Bans on one page."""
KINDS: Final[dict[str, str]] = {
    "": "Whatever it looks like",
    "address": "An e-mail address",
    "domain": "Every address of a mail domain",
    "ip": "An IP address",
    "cidr": "A network (203.0.113.0/24)",
    "author": "An author (their id)",
}
OUTCOMES: Final[dict[str, str]] = {
    "reject": "Reject",
    "spam": "Put with the spam",
    "hold": "Hold for a moderator",
}
REASON_MAX: Final = 200


@get("/console/bans")
async def bans(request: Req) -> Response[Any]:
    """The site's bans, newest first."""
    room = await enter(request, HERE, "queues")
    query = request.query_params
    start = query.get("start", "0")
    return await _page(
        room,
        done=query.get("done", ""),
        sought=query.get("q", ""),
        start=int(start) if start.isascii() and start.isdigit() and len(start) < 8 else 0,
    )


@post("/console/bans", status_code=200)
async def add(request: Req) -> Response[Any]:
    """Bans somebody."""
    room, form = await posted(request, HERE, "decide")
    try:
        made = _ban(room, form)
    except Invalid as error:
        return await _page(room, status=422, errors=wrong(error), given=form)
    await room.services.store.sites.ban(room.needs_site(), made)
    return room.back("banned")


def _ban(room: Room, form: Form) -> Ban:
    services, now = room.services, room.services.now()
    value = form.text("value")
    kind = cast(Kind, form.text("kind")) if form.text("kind") in get_args(Kind) else _kind(value)
    matched = canonical(kind, value, room.needs_site(), services.secrets)
    outcome, reason = form.text("outcome"), form.text("reason")
    if outcome not in OUTCOMES:
        raise invalid("/outcome", "out_of_range", "choose one")
    if len(reason) > REASON_MAX:
        raise invalid("/reason", "too_long", f"at most {REASON_MAX} characters")
    return Ban(
        id=f"{kind}:{matched}",
        kind=kind,
        value=matched,
        label=masked(value) if kind == "address" else matched,
        outcome=cast(Strict, outcome),
        shadow=form.on("shadow"),
        reason=reason,
        created_at=now,
        created_by=room.visitor.credential.actor,
        expires_at=last_moment(form.text("expires_at"), "expires_at", now),
    )


def _kind(value: str) -> Kind:
    try:
        return guess(value)
    except Invalid:
        raise invalid("/value", "required", "an address, a domain, an IP or a network") from None


@post("/console/bans/lift", status_code=200)
async def lift(request: Req) -> Response[Any]:
    """Lifts a ban."""
    room, form = await posted(request, HERE, "decide")
    if not await room.services.store.sites.unban(room.needs_site(), form.raw("ban")):
        raise NotFound("There is no such ban.")
    return room.back("lifted")


async def _page(
    room: Room, *, status: int = 200, sought: str = "", start: int = 0, **said: Any
) -> Response[Any]:
    if not room.site:
        return room.page("no_site.html")
    rules = await room.services.rules.refresh(room.site)
    names = {m.id: m.name for m in await room.services.store.api_keys.moderators()}
    word = sought.casefold()
    found = [b for b in rules.bans if word in f"{b.label} {b.value} {b.reason}".casefold()]
    found.sort(key=lambda ban: -ban.created_at)
    plain = {"errors": {}, "given": Form(), "done": "", "kinds": KINDS, "outcomes": OUTCOMES}
    return room.page(
        "bans.html",
        status=status,
        **(plain | said),
        bans=[(ban, actor(ban.created_by, names)) for ban in found[start : start + SHOWN]],
        count=len(found),
        start=start,
        size=SHOWN,
        sought=sought,
    )


ROUTES: Final = routed(bans, add, lift)
