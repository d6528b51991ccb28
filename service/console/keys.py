"""A site's keys: made, shown once, rotated, revoked."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal, cast

from litestar import Response, get, post

from service.console.face import routed
from service.console.room import Form, Room, enter, last_moment, posted, wrong
from service.errors import Invalid, NotFound, invalid
from service.html import Req
from service.ids import random_id
from service.records import ApiKey

HERE: Final = "keys"
KINDS: Final[dict[str, str]] = {
    "publishable": "Publishable (pk_…): for web pages; sends comments and reads approved threads",
    "secret": "Secret (sk_…): for the website’s server; may do everything on this site",
    "compat": "Compat: twelve characters, for clients made for Akismet or Perspective",
}
LABEL_MAX: Final = 80
OVERLAP_MS: Final = 86_400_000
"""How long a rotated key goes on working."""


@get("/console/keys")
async def keys(request: Req) -> Response[Any]:
    """The site's live keys."""
    room = await enter(request, HERE, "admin")
    return await _page(room, done=request.query_params.get("done", ""))


@post("/console/keys", status_code=200)
async def make(request: Req) -> Response[Any]:
    """Makes a key, which is shown this once."""
    room, form = await posted(request, HERE, "admin")
    room.needs_site()
    now = room.services.now()
    try:
        if form.text("kind") not in KINDS:
            raise invalid("/kind", "out_of_range", "choose one")
        if len(form.text("label")) > LABEL_MAX:
            raise invalid("/label", "too_long", f"at most {LABEL_MAX} characters")
        record = ApiKey(
            id=random_id(9),
            kind=cast(Literal["publishable", "secret", "compat"], form.text("kind")),
            site=room.site,
            label=form.text("label"),
            created_at=now,
            expires_at=last_moment(form.text("expires_at"), "expires_at", now),
        )
    except Invalid as error:
        return await _page(room, status=422, errors=wrong(error), given=form)
    return await _page(room, key=await room.services.store.api_keys.add(record))


@post("/console/keys/{key_id:str}/rotate", status_code=200)
async def rotate(request: Req, key_id: str) -> Response[Any]:
    """Makes a key's successor, which is shown this once."""
    room, _ = await posted(request, HERE, "admin")
    done = await room.services.store.api_keys.rotate(
        room.needs_site(),
        key_id,
        new_id=random_id(9),
        now=room.services.now(),
        overlap_ms=OVERLAP_MS,
    )
    if done is None:
        raise NotFound("This site has no such key.")
    return await _page(room, key=done[1])


@post("/console/keys/{key_id:str}/revoke", status_code=200)
async def revoke(request: Req, key_id: str) -> Response[Any]:
    """Ends a key."""
    room, _ = await posted(request, HERE, "admin")
    if not await room.services.store.api_keys.revoke(room.needs_site(), key_id):
        raise NotFound("This site has no such key.")
    return room.back("revoked")


async def _page(room: Room, *, status: int = 200, **said: Any) -> Response[Any]:
    if not room.site:
        return room.page("no_site.html")
    stored = room.services.store.api_keys
    live, used = await asyncio.gather(stored.of_site(room.site), stored.used(room.site))
    times = {each.id: used.get(each.id) for each in live}
    plain = {"kinds": KINDS, "errors": {}, "given": Form(), "key": "", "done": ""}
    return room.page("keys.html", status=status, **(plain | said), keys=live[::-1], used=times)


ROUTES: Final = routed(keys, make, rotate, revoke)
