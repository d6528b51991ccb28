"""A moderator's own account: password, one-time codes, the browsers that are signed in."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.response import Redirect
from msgspec import Struct

from service.accounts import LONGEST, SHORTEST, SignedIn
from service.console.door import begin, change_password
from service.console.face import routed
from service.console.room import Form, Room, enter, posted, wrong
from service.errors import Conflict, Invalid, Malformed, NotFound, Throttled, invalid
from service.html import Req
from service.store.sessions import Session

HERE: Final = "account"
BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("HeadlessChrome", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)
"""What a browser says of itself → what people call it; the first that fits."""


class Square(Struct, frozen=True):
    """A QR code: how many modules wide, and the dark ones as a path."""

    size: int
    path: str


@get("/console/account")
async def account(request: Req) -> Response[Any]:
    """How the visitor signs in, and where they are signed in."""
    room = await enter(request, HERE, "read")
    return await _page(room, done=request.query_params.get("done", ""))


@post("/console/account", status_code=200)
async def change(request: Req) -> Response[Any]:
    """Changes one thing about the visitor's account: the button pressed says which."""
    room, form = await posted(request, HERE, "read")
    act = ACTS.get(form.text("do"))
    if act is None:
        raise Malformed("There is no such button.")
    try:
        return await act(request, room, form)
    except Invalid as error:
        return await _page(room, status=422, errors=wrong(error))
    except (Conflict, Throttled) as error:
        return await _page(room, status=error.status, refused=error.detail)


async def _set_password(request: Req, room: Room, form: Form) -> Response[Any]:
    if form.raw("password") != form.raw("again"):
        raise invalid("/again", "not_the_same", "this is not the same as above")
    cookie = await change_password(
        request, room.visitor, form.raw("password"), form.raw("current"), form.text("email")
    )
    return _back(room, "password", cookie)


async def _offer_codes(request: Req, room: Room, form: Form) -> Response[Any]:
    await room.services.accounts.offer_codes(room.visitor.moderator)
    return _back(room, "offered")


async def _confirm_codes(request: Req, room: Room, form: Form) -> Response[Any]:
    accounts, now = room.services.accounts, room.services.now()
    await accounts.confirm_codes(room.visitor.moderator, form.text("code"), now=now)
    return _back(room, "codes")


async def _drop_codes(request: Req, room: Room, form: Form) -> Response[Any]:
    try:
        await room.services.accounts.drop_codes(
            room.visitor.moderator, current=form.raw("current_for_codes")
        )
    except Invalid as error:
        raise invalid("/current_for_codes", error.errors[0].code, error.errors[0].detail) from None
    return _back(room, "dropped")


async def _end_session(request: Req, room: Room, form: Form) -> Response[Any]:
    moderator = room.visitor.moderator
    if not await room.services.store.sessions.close_one(moderator.id, form.text("session")):
        raise NotFound("This session is over.")
    return _back(room, "ended")


async def _end_others(request: Req, room: Room, form: Form) -> Response[Any]:
    moderator = room.visitor.moderator
    await room.services.accounts.end_sessions(moderator)
    generation = await room.services.store.logins.generation(moderator.id)
    cookie = await begin(request, SignedIn(moderator, generation), room.visitor.session.by)
    return _back(room, "others", cookie)


ACTS: Final = {
    "password": _set_password,
    "offer": _offer_codes,
    "confirm": _confirm_codes,
    "drop": _drop_codes,
    "end": _end_session,
    "others": _end_others,
}


def _back(room: Room, done: str, *cookies: Cookie) -> Response[Any]:
    return Redirect(f"/console/{HERE}?done={done}", status_code=303, cookies=list(cookies))


async def _page(
    room: Room, *, status: int = 200, errors: Any = (), refused: str = "", done: str = ""
) -> Response[Any]:
    moderator, store = room.visitor.moderator, room.services.store
    ways = await room.services.accounts.ways(moderator)
    sessions = await store.sessions.of(moderator.id, room.visitor.session.generation)
    offer = await room.services.accounts.offered(moderator)
    return room.page(
        "account.html",
        status=status,
        moderator=moderator,
        ways=ways,
        offer=offer,
        square=square(offer.uri) if offer else None,
        sessions=[(each, called(each)) for each in sessions],
        linked=room.visitor.session.by == "link",
        lengths=(SHORTEST, LONGEST),
        errors=errors,
        refused=refused,
        done=done,
    )


def square(text: str) -> Square:
    """A text as a QR code."""
    import segno  # only who sets one-time codes up needs it

    rows = segno.make(text, error="m", micro=False).matrix
    dark = (
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, module in enumerate(row) if module
    )
    return Square(len(rows), "".join(dark))


def called(session: Session) -> str:
    """A browser as people call it: `Firefox on Linux`."""
    browser = next((name for mark, name in BROWSERS if mark in session.agent), "A browser")
    system = next((name for mark, name in SYSTEMS if mark in session.agent), "")
    return f"{browser} on {system}" if system else browser


ROUTES: Final = routed(account, change)
