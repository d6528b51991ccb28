"""Who moderates: for admins, who make, change, shut out and remove moderators."""

from __future__ import annotations

from typing import Any, Final, cast, get_args

import msgspec
from litestar import Response, get, post

from service import auth
from service.console.face import routed
from service.console.room import Form, Room, enter, posted, wrong
from service.errors import Conflict, Invalid, Malformed, NotFound, invalid
from service.html import Req
from service.ids import random_id
from service.pipeline import fields
from service.records import Moderator, Role

HERE: Final = "moderators"
ROLES: Final[dict[str, str]] = {
    "moderator": "Moderator: decides and bans",
    "viewer": "Viewer: looks, and changes nothing",
    "admin": "Admin: policy, keys, webhooks, moderators",
}


@get("/console/moderators")
async def moderators(request: Req) -> Response[Any]:
    """Everybody this admin rules."""
    room = await enter(request, HERE, "admin")
    return await _page(room, done=request.query_params.get("done", ""))


@post("/console/moderators", status_code=200)
async def make(request: Req) -> Response[Any]:
    """Makes a moderator; their one-time link is shown this once."""
    room, form = await posted(request, HERE, "admin")
    try:
        made = Moderator(
            id=random_id(9),
            name=_name(form.text("name")),
            email=_email(form.text("email")),
            role=_role(form),
            sites=tuple(form.all("sites")),
            created_at=room.services.now(),
        )
        auth.check_role(room.visitor.credential, made.role, made.sites, room.sites)
    except Invalid as error:
        return await _page(room, status=422, errors=wrong(error), given=form)
    await room.services.store.api_keys.add_moderator(made)
    return await _page(room, linked=made, link=await _link(room, made))


@post("/console/moderators/{moderator_id:str}", status_code=200)
async def change(request: Req, moderator_id: str) -> Response[Any]:
    """Changes somebody: the button pressed says how."""
    room, form = await posted(request, HERE, "admin")
    found = await room.services.store.api_keys.moderator(moderator_id)
    if found is None or not auth.rules_over(room.visitor.credential, found):
        raise NotFound("There is no such moderator.")
    if form.text("do") == "link":
        if found.disabled:
            raise Conflict("This moderator is shut out.")
        return await _page(room, linked=found, link=await _link(room, found))
    try:
        return room.back(await _changed(room, form, found))
    except Invalid as error:
        return await _page(room, status=422, refused=(found.id, error.errors[0].detail))
    except Conflict as error:
        return await _page(room, status=409, refused=(found.id, error.detail))


async def _changed(room: Room, form: Form, found: Moderator) -> str:
    accounts, act = room.services.accounts, form.text("do")
    if act == "sign-out":
        await accounts.end_sessions(found)
        return act
    if found.id == room.visitor.moderator.id:
        raise Conflict("Another admin has to do this: you could not undo it yourself.")
    match act:
        case "remove":
            await accounts.remove(found)
        case "shut-out" | "let-in":
            after = msgspec.structs.replace(found, disabled=act == "shut-out")
            await accounts.change(found, after)
        case "role":
            role, sites = _role(form), tuple(form.all("sites"))
            auth.check_role(room.visitor.credential, role, sites, room.sites)
            await accounts.change(found, msgspec.structs.replace(found, role=role, sites=sites))
        case _:
            raise Malformed("There is no such button.")
    return act


async def _link(room: Room, moderator: Moderator) -> str:
    token = await room.services.store.api_keys.new_sign_in(moderator.id)
    return f"{room.services.settings.public_url}/console/sign-in?token={token}"


async def _page(room: Room, *, status: int = 200, **said: Any) -> Response[Any]:
    everybody = await room.services.store.api_keys.moderators()
    plain = {"errors": {}, "given": Form(), "linked": None, "link": "", "refused": ("", "")}
    shown = {
        "people": [m for m in everybody if auth.rules_over(room.visitor.credential, m)],
        "roles": ROLES,
        "everywhere": room.visitor.credential.sites is None,
        "done": "",
    }
    return room.page("moderators.html", status=status, **(shown | plain | said))


def _name(text: str) -> str:
    if not 1 <= len(text) <= fields.NAME_MAX:
        raise invalid("/name", "required", f"1 to {fields.NAME_MAX} characters")
    return text


def _email(text: str) -> str:
    try:
        return fields.email(text)
    except fields.Wrong as error:
        raise invalid("/email", error.code, error.detail) from None


def _role(form: Form) -> Role:
    role = form.text("role")
    if role not in get_args(Role):
        raise invalid("/role", "out_of_range", "choose one")
    return cast(Role, role)


ROUTES: Final = routed(moderators, make, change)
