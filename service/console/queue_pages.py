"""The queue, one comment and one author as pages; scripts take parts of them as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from litestar import Response, get
from msgspec import Struct

from service.console.cards import DONE, Card, actor, winner
from service.console.door import visitor
from service.console.queue_cards import cards_of, names_of, page_of
from service.console.queue_view import SORTS, TITLES, view
from service.console.room import Room, enter
from service.errors import NotFound
from service.html import Req, parts
from service.pipeline.queues import Ask, list_queue, queued
from service.pipeline.reasons import LABELS, REASONS
from service.records import QUEUES, STATUS_OF_ACTION, Entry, Outcome
from service.store import codec

HELD: Final[dict[Outcome, str]] = {
    "approve": "Approved",
    "hold": "Held",
    "spam": "Taken for spam",
    "reject": "Rejected",
}
"""What the machine did, in words."""
OTHERS: Final = 5
"""Newest comments of each status on an author's page."""


@get("/console")
async def queue(request: Req) -> Response[Any]:
    """One page of one queue."""
    room = await enter(request, "", "queues")
    if not room.sites:
        return room.page("no_site.html")
    given = dict(request.query_params)
    seen = view({**given, "site": room.site}, room.sites)
    store = room.services.store
    await room.services.rules.get(seen.site)
    # Read before the comments, so that nothing that comes meanwhile is missed.
    cursor = await store.events.newest(seen.site)
    shown, waiting, happened = await asyncio.gather(
        page_of(room, seen), store.queues.waiting(seen.site), _happened(room, given)
    )
    return room.page(
        "queue.html",
        view=seen,
        titles=TITLES,
        sorts=SORTS,
        labels=LABELS,
        reasons=REASONS,
        waiting={row.status: row for row in waiting},
        shown=shown,
        happened=happened,
        cursor=cursor,
        decides=room.may("decide"),
        done=DONE,
    )


class Happened(Struct, frozen=True, kw_only=True):
    """What came of the decision that led here; read from the store, not from the address."""

    text: str
    lost: bool = False
    card: Card | None = None
    operation: str = ""
    """A decision on many comments."""


async def _happened(room: Room, given: dict[str, str]) -> Happened | None:
    if "operation" in given:
        return await _done_to_many(room, given["operation"], given)
    comment_id = given.get("done") or given.get("lost")
    if not comment_id:
        return None
    rows = await queued(room.services.store, room.site, [comment_id])
    if not rows:
        return None
    (seen,) = await cards_of(room, rows)
    if "lost" in given:
        text = winner(rows[0].stored, await names_of(room.services))
        return Happened(text=text, lost=True, card=seen)
    return Happened(text=DONE.get(given.get("action", ""), "Done"), card=seen)


async def _done_to_many(room: Room, operation: str, given: dict[str, str]) -> Happened | None:
    found = await room.services.store.operations.read(room.site, operation)
    if found is None:
        return None
    undone = given.get("action") == "undo"
    text = DONE["undo" if undone else found.action]
    count = len(found.items)
    return Happened(
        text=f"{text}: {count} comment{'' if count == 1 else 's'}",
        operation="" if undone else operation,
    )


# ------------------------------------------------------------------------ one comment


class Step(Struct, frozen=True, kw_only=True):
    """One step of a comment's history in words."""

    text: str
    by: str
    at: int
    why: str
    note: str
    earlier: str
    """On an edit: the text before."""


@get("/console/comments/{comment_id:str}")
async def comment(request: Req, comment_id: str) -> Response[Any]:
    """One comment with its history and notes."""
    services = parts(request)
    site = await services.gate.site_of(comment_id, (await visitor(request)).credential)
    room = await enter(request, "", "queues", site)
    rows = await queued(services.store, site, [comment_id])
    if not rows:
        raise NotFound("No such comment.")
    (seen,), names, entries, notes = await asyncio.gather(
        cards_of(room, rows),
        names_of(services),
        services.store.decisions.history(room.site, comment_id),
        services.store.notes.of(rows[0].stored.comment),
    )
    stored = rows[0].stored
    verdict = stored.comment.verdict
    submitted = Step(
        text="Submitted",
        by="the author",
        at=stored.comment.submitted_at,
        why=f"{HELD[verdict.outcome]} by the model and policy {verdict.policy_version}",
        note="",
        earlier="",
    )
    return room.page(
        "queue_comment.html",
        view=view({"site": room.site, "status": seen.status}, room.sites),
        card=seen,
        steps=[submitted, *_steps(entries, names)],
        notes=[(note, actor(note.actor, names)) for note in notes],
        labels=LABELS,
        decides=room.may("decide"),
        said=request.query_params.get("said", ""),
    )


def _steps(entries: Sequence[Entry], names: dict[str, str]) -> list[Step]:
    return [
        Step(
            text=_told(entry),
            by=actor(entry.actor, names),
            at=entry.at,
            why=LABELS[entry.reason][1] if entry.reason in LABELS else entry.reason,
            note=entry.note,
            earlier=_earlier(entry),
        )
        for entry in entries
    ]


def _earlier(entry: Entry) -> str:
    """The text before an edit, unless it was erased since."""
    if entry.action != "edit" or not entry.replaced:
        return ""
    return codec.decode_comment(entry.replaced).body


def _told(entry: Entry) -> str:
    if entry.action == "undo":
        return f"Put back to {entry.after}"
    words = {"edit": "Edited", "appeal": "Appealed", "rescore": "Scored again", **DONE}
    words["erase"] = "Erased" if entry.after == "erased" else "Text taken out: kept long enough"
    many = ", one of many" if entry.operation and entry.action in STATUS_OF_ACTION else ""
    return words.get(entry.action, entry.action) + many


# ------------------------------------------------------------------------- one author


@get("/console/authors/{author:str}")
async def author(request: Req, author: str) -> Response[Any]:
    """An author's record, bans and newest comments."""
    room = await enter(request, "", "queues")
    services, site = room.services, room.site
    ((record, email),) = await services.store.comments.authors(site, [author])
    if not site or record.first_at is None:
        raise NotFound("This site has no such author.")
    rules = await services.rules.refresh(site)
    domain = email.rpartition("@")[2]
    bans = rules.bans.matching(author_id=author, email_domain=domain, ip="", now=services.now())
    asks = [Ask(status=s, sort="newest", limit=OTHERS, author=author) for s in QUEUES]
    found = await asyncio.gather(*(list_queue(services.store, site, ask) for ask in asks))
    cards = await cards_of(room, [row for each in found for row in each.rows])
    return room.page(
        "queue_author.html",
        view=view({"site": site}, room.sites),
        author=author,
        name=max(cards, key=lambda c: c.at).name if cards else "",
        email=cards[0].email if cards else "",
        record=record,
        bans=bans,
        banned=any(ban.id == author for ban in bans),
        cards=cards,
        titles=TITLES,
        decides=room.may("decide"),
    )


HANDLERS: Final = (
    queue,
    comment,
    author,
)
