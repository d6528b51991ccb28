"""The moderators' pages: signing in, the queue, one decision at a time."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast, get_args
from urllib.parse import parse_qsl, urlencode

from litestar import Response, Router, get, post
from litestar.response import Redirect
from msgspec import Struct

from service import auth
from service.console.cards import DONE, Card, card, winner
from service.console.door import (
    NotSignedIn,
    Visitor,
    check_form,
    check_origin,
    cookie_name,
    session_cookie,
    visitor,
)
from service.errors import Conflict, Forbidden, Malformed, NotFound, StaleVersion, WinnowError
from service.html import Face, Req, failure, page_end, parts
from service.pipeline.queues import Ask, list_queue, queued
from service.pipeline.review import Decision, Reviewed
from service.records import QUEUES, Action, Status
from service.services import Services
from service.throttle import client_ip

FACE: Final = Face("service.console", "/console")
PAGE_SIZE: Final = 25
TITLES: Final[dict[Status, str]] = {
    "pending": "Pending",
    "approved": "Approved",
    "rejected": "Rejected",
    "spam": "Spam",
}
CHOSEN: Final = ("site", "status", "reason", "author", "page", "after")
"""What an address of the queue may say."""
LINK: Final = "winnow moderator link NAME"
"""The command that prints a fresh sign-in link."""


class View(Struct, frozen=True):
    """Which part of which queue is looked at."""

    site: str
    status: Status
    chosen: dict[str, str]

    def to(self, **changed: str) -> str:
        """The address of this view with something changed; '' takes a choice away."""
        query = {name: value for name, value in (self.chosen | changed).items() if value}
        return f"/console?{urlencode(query)}" if query else "/console"

    @property
    def narrowed(self) -> dict[str, str]:
        """What the queue is filtered by."""
        names = ("reason", "author", "page")
        return {name: self.chosen[name] for name in names if name in self.chosen}


# --------------------------------------------------------------------------- sign in


@get("/console/sign-in")
async def sign_in_page(request: Req) -> Response[str]:
    """A page with one button, so that a link preview does not use the link up."""
    token = request.query_params.get("token", "")
    return FACE.page("sign_in.html", {"token": token, "command": LINK})


@post("/console/sign-in", status_code=200)
async def sign_in(request: Req) -> Response[Any]:
    """Uses a one-time link up and opens a session."""
    check_origin(request)
    services = parts(request)
    await services.throttle.anonymous(client_ip(request.scope, services.settings.proxy_networks))
    token = str((await request.form()).get("token", ""))
    moderator = await services.store.api_keys.use_sign_in(token) if token else None
    if moderator is None:
        return FACE.page("sign_in.html", {"token": "", "command": LINK}, status=403)
    session = await services.store.sessions.open(moderator.id, services.now())
    return Redirect(
        "/console",
        status_code=303,
        cookies=[session_cookie(services, session)],
        headers={"Cache-Control": "no-store"},
    )


@post("/console/sign-out", status_code=200)
async def sign_out(request: Req) -> Response[Any]:
    """Ends the session."""
    services, signed_in = parts(request), await visitor(request)
    check_form(request, signed_in, str((await request.form()).get("csrf", "")))
    await services.store.sessions.close(request.cookies[cookie_name(services)])
    return FACE.page(
        "signed_out.html", {"command": LINK, "left": True}, cookies=[session_cookie(services, "")]
    )


# ----------------------------------------------------------------------------- queue


@get("/console")
async def queue(request: Req) -> Response[str]:
    """One page of one queue."""
    services, signed_in = parts(request), await visitor(request)
    sites = await services.gate.sites(signed_in.credential)
    if not sites:
        return FACE.page("no_site.html", {"visitor": signed_in})
    view = _view(dict(request.query_params), sites)
    auth.reach(signed_in.credential, view.site)
    await services.rules.get(view.site)
    names = await _names(services)
    found, waiting, told = await asyncio.gather(
        list_queue(services.store, view.site, _ask(view)),
        services.store.queues.waiting(view.site),
        _told(services, signed_in, dict(request.query_params), names),
    )
    context = {
        "visitor": signed_in,
        "sites": sites,
        "view": view,
        "titles": TITLES,
        "waiting": {row.status: row for row in waiting},
        "cards": [card(row, names) for row in found.rows],
        "following": f"{found.next.score}.{found.next.id}" if found.next else "",
        "told": told,
        "back": urlencode(view.chosen),
        "now": services.now(),
    }
    return FACE.page("queue.html", context)


def _view(given: dict[str, str], sites: list[str]) -> View:
    chosen = {name: given[name] for name in CHOSEN if given.get(name)}
    status = next((s for s in QUEUES if s == chosen.get("status", "pending")), None)
    if status is None:
        raise NotFound("There is no such queue.")
    return View(chosen.get("site", sites[0]), status, chosen)


def _ask(view: View) -> Ask:
    pending = view.status == "pending"
    return Ask(
        status=view.status,
        sort="priority" if pending else "newest",
        limit=PAGE_SIZE,
        page=view.chosen.get("page", ""),
        reason=view.chosen.get("reason", ""),
        author=view.chosen.get("author", ""),
        after=page_end(view.chosen.get("after", "")),
    )


async def _names(services: Services) -> dict[str, str]:
    return {m.id: m.name for m in await services.store.api_keys.moderators()}


class Told(Struct, frozen=True):
    """What happened to the comment that was just decided."""

    card: Card
    text: str
    lost: bool


async def _told(
    services: Services, signed_in: Visitor, given: dict[str, str], names: dict[str, str]
) -> Told | None:
    """What to say about the decision that led here; read from the store, not from the address."""
    comment_id = given.get("done") or given.get("lost")
    if not comment_id:
        return None
    try:
        site = await services.gate.site_of(comment_id, signed_in.credential)
    except NotFound:
        return None
    rows = await queued(services.store, site, [comment_id])
    if not rows:
        return None
    if "lost" in given:
        return Told(card(rows[0], names), winner(rows[0].stored, names), True)
    action = given.get("action", "")
    return Told(card(rows[0], names), DONE.get(action, "Done"), False)


# -------------------------------------------------------------------------- decision


@post("/console/comments/{comment_id:str}", status_code=200)
async def decide(request: Req, comment_id: str) -> Response[Any]:
    """Approve, reject, mark as spam or undo, from the version the moderator saw."""
    services, signed_in = parts(request), await visitor(request)
    form = {name: str(value) for name, value in (await request.form()).items()}
    check_form(request, signed_in, form.get("csrf", ""))
    if not signed_in.decides:
        raise Forbidden("Your role may look, but not decide.")
    action = form.get("action", "")
    site = await services.gate.site_of(comment_id, signed_in.credential)
    try:
        reviewed = await _review(services, signed_in, site, comment_id, form)
    except StaleVersion:
        return await _lost(request, form, site, comment_id)
    if _wants_json(request):
        return _json(
            outcome="done",
            text=DONE[action],
            status=reviewed.status,
            version=reviewed.version,
            undoable=action != "undo",
        )
    return _back(form, done=comment_id, action=action)


async def _review(
    services: Services, signed_in: Visitor, site: str, comment_id: str, form: dict[str, str]
) -> Reviewed:
    action, version = form.get("action", ""), form.get("version", "")
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise Malformed("The form does not name the version it was made from.")
    actor, now = signed_in.credential.actor, services.now()
    if action == "undo":
        return await services.review.undo(
            site, comment_id, int(version), actor=actor, operation=None, now=now
        )
    if action not in get_args(Action):
        raise Malformed("There is no such decision.")
    decision = Decision(id=comment_id, action=cast(Action, action), version=int(version))
    return await services.review.decide(site, decision, actor=actor, operation=None, now=now)


async def _lost(request: Req, form: dict[str, str], site: str, comment_id: str) -> Response[Any]:
    """Somebody was faster: what they decided."""
    if not _wants_json(request):
        return _back(form, lost=comment_id)
    services = parts(request)
    stored = await services.store.comments.read(site, comment_id)
    if stored is None:
        raise NotFound("This comment is gone.")
    return _json(
        outcome="lost",
        text=winner(stored, await _names(services)),
        status=stored.status,
        version=stored.version,
        undoable=stored.decision is not None,
    )


def _wants_json(request: Req) -> bool:
    return request.headers.get("accept", "").startswith("application/json")


def _json(status_code: int = 200, **members: Any) -> Response[Any]:
    return Response(
        members,
        status_code=status_code,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _back(form: dict[str, str], **told: str) -> Response[Any]:
    """Back to where the form was, with what happened."""
    given = dict(parse_qsl(form.get("back", "")))
    query = {name: given[name] for name in CHOSEN if name in given} | told
    return Redirect(f"/console?{urlencode(query)}", status_code=303)


# -------------------------------------------------------------------------- failures


def _not_signed_in(request: Req, error: Exception) -> Response[Any]:
    if _wants_json(request):
        return _json(401, outcome="failed", text="You are signed out. Reload the page.")
    return FACE.page("signed_out.html", {"command": LINK, "left": False}, status=401)


def _failed(request: Req, error: Exception) -> Response[Any]:
    told: WinnowError = failure(error)
    detail = "There is nothing to undo." if _nothing_to_undo(told) else told.detail
    if _wants_json(request):
        return _json(told.status, outcome="failed", text=detail)
    return FACE.notice(told.title, detail, status=told.status, home="/console")


def _nothing_to_undo(error: WinnowError) -> bool:
    return isinstance(error, Conflict) and error.members.get("code") == "nothing_to_undo"


ROUTES: Final = (
    Router(
        "/",
        route_handlers=[sign_in_page, sign_in, sign_out, queue, decide, FACE.static()],
        exception_handlers={NotSignedIn: _not_signed_in, Exception: _failed},
    ),
)
