"""What moderators do in the queue: decide, undo, note, ban, look; for forms and for our script.

A form is answered with the page it came from, a script with what came of it.
"""

from __future__ import annotations

from typing import Any, Final, cast, get_args
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Response, post
from litestar.response import Redirect
from msgspec import Struct

from service import auth
from service.console.cards import DONE, winner
from service.console.door import Visitor, check_form, visitor
from service.console.face import told, wants_json
from service.console.queue_cards import members_of, names_of
from service.console.queue_view import CHOSEN, view
from service.console.room import Form
from service.errors import Conflict, Forbidden, Malformed, NotFound, StaleVersion
from service.html import Req, parts
from service.ids import named_id, new_id, random_id, short_hash
from service.pipeline.bulk import MOST, Item, Left, Outcome, Request
from service.pipeline.queues import Ask
from service.pipeline.review import Decision, Reviewed
from service.records import STATUS_OF_ACTION, Action, Ban, Status
from service.services import Services
from service.store.notes import Note

REASON_MAX: Final = 200
NOTE_MAX: Final = 2000
LOOK_MS: Final = 60_000
"""How long a look lasts that is not renewed."""


class Desk(Struct, frozen=True):
    """Who acts, with what they sent."""

    services: Services
    visitor: Visitor
    form: Form
    scripted: bool
    operation: str | None
    """What an Idempotency-Key names: of this moderator only."""

    @property
    def actor(self) -> str:
        """How history names them."""
        return self.visitor.credential.actor

    async def site_of(self, comment_id: str) -> str:
        """The site of a comment.

        Raises:
            NotFound: it is none of theirs.
        """
        return await self.services.gate.site_of(comment_id, self.visitor.credential)

    def site(self) -> str:
        """The site that the form names.

        Raises:
            Forbidden: it is none of theirs.
        """
        site = self.form.text("site")
        auth.reach(self.visitor.credential, site)
        return site

    def back(self, **said: str) -> Response[Any]:
        """Back to where the form was, with what happened."""
        given = dict(parse_qsl(self.form.text("back")))
        query = {name: given[name] for name in CHOSEN if name in given} | said
        return Redirect(f"/console?{urlencode(query)}", status_code=303)


async def _desk(request: Req) -> Desk:
    """Who acts, if the form is ours and their role allows it.

    Raises:
        NotSignedIn, Forbidden.
    """
    signed_in, form = await visitor(request), Form(await request.form())
    check_form(request, signed_in, form.raw("csrf"))
    if not signed_in.decides:
        raise Forbidden("Your role may look, but not decide.")
    key = request.headers.get("idempotency-key", "")[:255]
    named = f"{signed_in.credential.actor} {key}" if key else None
    return Desk(parts(request), signed_in, form, wants_json(request), named)


def _action(form: Form) -> Action:
    if form.text("action") not in get_args(Action):
        raise Malformed("There is no such decision.")
    return cast(Action, form.text("action"))


def _version(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Malformed("The form does not name the version it was made from.")
    return int(text)


# ------------------------------------------------------------------------ one comment


@post("/console/comments/{comment_id:str}", status_code=200)
async def decide(request: Req, comment_id: str) -> Response[Any]:
    """Applies one decision or its undo to the version the moderator saw."""
    desk = await _desk(request)
    site = await desk.site_of(comment_id)
    version = _version(desk.form.text("version") or request.query_params.get("version", ""))
    try:
        reviewed = await _review(desk, site, comment_id, version)
    except StaleVersion:
        return await _lost(desk, site, comment_id)
    action = desk.form.text("action")
    if desk.scripted:
        return told(
            outcome="done",
            text=DONE[action],
            status=reviewed.status,
            version=reviewed.version,
            undoable=action != "undo",
        )
    return desk.back(done=comment_id, action=action)


async def _review(desk: Desk, site: str, comment_id: str, version: int) -> Reviewed:
    review, now = desk.services.review, desk.services.now()
    if desk.form.text("action") == "undo":
        return await review.undo(
            site, comment_id, version, actor=desk.actor, operation=desk.operation, now=now
        )
    decision = Decision(
        id=comment_id,
        action=_action(desk.form),
        version=version,
        reason=desk.form.text("reason")[:REASON_MAX],
        note=desk.form.text("note")[:NOTE_MAX],
    )
    return await review.decide(site, decision, actor=desk.actor, operation=desk.operation, now=now)


async def _lost(desk: Desk, site: str, comment_id: str) -> Response[Any]:
    """Somebody was faster: what they decided."""
    if not desk.scripted:
        return desk.back(lost=comment_id)
    stored = await desk.services.store.comments.read(site, comment_id)
    if stored is None:
        raise NotFound("This comment is gone.")
    return told(
        outcome="lost",
        text=winner(stored, await names_of(desk.services)),
        status=stored.status,
        version=stored.version,
        undoable=stored.decision is not None,
    )


@post("/console/comments/{comment_id:str}/notes", status_code=200)
async def note(request: Req, comment_id: str) -> Response[Any]:
    """Leaves a note for the other moderators."""
    desk = await _desk(request)
    site, text = await desk.site_of(comment_id), desk.form.text("text")[:NOTE_MAX]
    stored = await desk.services.store.comments.read(site, comment_id)
    if stored is None:
        raise NotFound("This comment is gone.")
    if stored.status == "erased":
        raise Conflict("The comment is erased.")
    if not text:
        raise Malformed("A note says something.")
    name = short_hash(f"{desk.operation} {text}") if desk.operation else random_id(16)
    made = Note(id=name, at=desk.services.now(), actor=desk.actor, text=text)
    await desk.services.store.notes.add(stored.comment, made)
    if desk.scripted:
        return told(outcome="done", text="Noted")
    return Redirect(f"/console/comments/{comment_id}?said=Noted", status_code=303)


@post("/console/comments/{comment_id:str}/look", status_code=200)
async def look(request: Req, comment_id: str) -> Response[Any]:
    """Tells the others that a comment is looked at; `left` names one that is no longer."""
    desk = await _desk(request)
    site, queues = await desk.site_of(comment_id), desk.services.store.queues
    holder, left = desk.visitor.credential.id, desk.form.text("left")
    if left:
        await queues.release(await desk.site_of(left), left, holder=holder)
    if left != comment_id:
        await queues.look(site, comment_id, holder=holder, ttl_ms=LOOK_MS)
    return told(outcome="done")


# --------------------------------------------------------------------- many comments


@post("/console/decisions", status_code=200)
async def decide_many(request: Req) -> Response[Any]:
    """One decision on the comments chosen, on a campaign, or on all that match."""
    desk = await _desk(request)
    site, action = desk.site(), _action(desk.form)
    now, number = desk.services.now(), (await desk.services.rules.get(site)).site.number
    outcome = await desk.services.bulk.decide(
        site,
        Request(
            action=action,
            chosen=await _chosen(desk, site, request.query_params.get("campaign", "")),
            text=(await request.body()).decode() + request.url.query,
            reason=desk.form.text("reason")[:REASON_MAX],
        ),
        operation_id=named_id(desk.operation, number) if desk.operation else new_id(now, number),
        actor=desk.actor,
        now=now,
    )
    return await _many(desk, outcome, DONE[action], STATUS_OF_ACTION[action])


async def _chosen(desk: Desk, site: str, campaign: str) -> Ask | tuple[Item, ...]:
    given = {**dict(parse_qsl(desk.form.text("back"))), "site": site, "after": ""}
    everything = desk.form.on("all")
    if campaign or (everything and given.get("like")):
        return await _members(desk, site, campaign or given["like"])
    if everything:
        return msgspec.structs.replace(view(given, [site]).ask(desk.services, MOST), sort="oldest")
    items = [text.partition(".") for text in desk.form.all("chosen")]
    if not items:
        raise Malformed("No comment is selected.")
    return tuple((name, _version(version)) for name, _, version in items)


async def _members(desk: Desk, site: str, newest: str) -> tuple[Item, ...]:
    members = await members_of(desk.services, site, newest)
    if not members:
        raise Conflict("This campaign has changed. Reload the page.")
    return members


@post("/console/operations/{operation_id:str}/undo", status_code=200)
async def undo_many(request: Req, operation_id: str) -> Response[Any]:
    """Takes back what one decision did to many comments."""
    desk = await _desk(request)
    site = await desk.site_of(operation_id)
    now = desk.services.now()
    outcome = await desk.services.bulk.undo(site, operation_id, actor=desk.actor, now=now)
    return await _many(desk, outcome, DONE["undo"])


async def _many(
    desk: Desk, outcome: Outcome, text: str, status: Status | None = None
) -> Response[Any]:
    if not desk.scripted:
        action = "" if status else "undo"
        return desk.back(operation=outcome.operation, **({"action": action} if action else {}))
    names = await names_of(desk.services)
    return told(
        outcome="done",
        operation=outcome.operation,
        text=f"{text}: {outcome.done:,} comment{'' if outcome.done == 1 else 's'}",
        status=status,
        done=outcome.done,
        left=outcome.left,
        more=outcome.more,
        lost=[await _left(desk, each, names) for each in outcome.named],
    )


async def _left(desk: Desk, left: Left, names: dict[str, str]) -> dict[str, Any]:
    """A comment somebody changed first, as it stands now."""
    stored = left.status and await desk.services.store.comments.read(
        await desk.site_of(left.id), left.id
    )
    if not stored:
        return {"id": left.id, "text": "This comment is gone."}
    return {
        "id": left.id,
        "text": winner(stored, names),
        "status": stored.status,
        "version": stored.version,
        "undoable": stored.decision is not None,
    }


# ------------------------------------------------------------------------- one author


@post("/console/authors/{author:str}/ban", status_code=200)
async def ban(request: Req, author: str) -> Response[Any]:
    """Bans an author from a site, or lifts that ban."""
    desk = await _desk(request)
    site = desk.site()
    ((record, _),) = await desk.services.store.comments.authors(site, [author])
    if record.first_at is None:
        raise NotFound("This site has no such author.")
    if desk.form.text("action") == "unban":
        await desk.services.store.sites.unban(site, author)
        text = "Ban lifted"
    else:
        made = Ban(
            id=author,
            kind="author",
            value=author,
            label=author,
            reason=desk.form.text("reason")[:REASON_MAX],
            shadow=desk.form.on("shadow"),
            created_at=desk.services.now(),
            created_by=desk.actor,
        )
        await desk.services.store.sites.ban(site, made)
        text = "Author banned"
    if desk.scripted:
        return told(outcome="done", text=text)
    return Redirect(f"/console/authors/{author}?site={site}", status_code=303)


HANDLERS: Final = (
    decide,
    note,
    look,
    decide_many,
    undo_many,
    ban,
)
