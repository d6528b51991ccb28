"""The policy editor: every part as a form, its effect seen before it is saved, every version."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any, Final

from litestar import Response, get, post
from msgspec import Struct

from service.console.face import routed
from service.console.policy_form import (
    PARTS,
    SHEETS,
    STEPS,
    Difference,
    box,
    differences,
    filled,
    read,
    title_of,
)
from service.console.room import Room, enter, posted
from service.errors import Malformed, PreconditionFailed
from service.html import Req
from service.pipeline.preview import Change, Report
from service.pipeline.queues import queued
from service.pipeline.reasons import LABELS, describe
from service.records import Outcome, Policy, Status

HERE: Final = "policy"
FORM_MAX: Final = 2 * 1024 * 1024
"""Bytes of a form: lists grow by half when they are sent."""
VERSIONS: Final = 10
"""Earlier versions shown with what changed."""
NAMED: Final = 25
"""Comments named in a preview."""
EXCERPT: Final = 160
OUTCOMES: Final[dict[Outcome, str]] = {
    "approve": "publish",
    "hold": "hold",
    "spam": "spam",
    "reject": "reject",
}
"""What an outcome means to people, the mildest first."""


class Flip(Struct, frozen=True):
    """A past comment that would go elsewhere."""

    change: Change
    name: str
    text: str
    status: Status
    why: list[str]


@get("/console/policy")
async def policy(request: Req) -> Response[Any]:
    """The policy in force, or an earlier one to start from."""
    room = await enter(request, HERE, "read")
    if not room.site:
        return room.page("no_site.html")
    query = request.query_params
    _, current = await room.services.store.sites.read(room.site)
    start = await _version(room, query.get("from", "")) or current
    return await _page(
        room, current, filled(start), done=query.get("done", ""), start=start.version
    )


@post("/console/policy", status_code=200, request_max_body_size=FORM_MAX)
async def change(request: Req) -> Response[Any]:
    """Shows what a policy would change, or saves it over the version it was made from."""
    room, form = await posted(request, HERE, "admin")
    site, store = room.needs_site(), room.services.store
    version = form.text("version")
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise Malformed("The form does not name the version it was made from.")
    _, current = await store.sites.read(site)
    said = await asyncio.to_thread(read, form)  # the longest lists take a tenth of a second
    values = {name: form.raw(name) for name in form.names()}
    if said.policy is None:
        return await _page(
            room, current, values, status=422, errors=said.errors, start=int(version)
        )
    if form.text("do") == "save":
        try:
            await store.sites.save_policy(site, said.policy, expected=int(version))
        except PreconditionFailed:
            return await _conflict(room, values, int(version))
        await room.services.rules.refresh(site)
        return room.back("saved")
    report = await room.services.preview.of(site, said.policy)
    return await _page(
        room,
        current,
        values,
        start=int(version),
        report=report,
        flips=await _flips(room, report),
        changing=differences(current, said.policy),
    )


async def _conflict(room: Room, values: dict[str, str], version: int) -> Response[Any]:
    """Somebody saved first: what they changed; the next save is over theirs, knowingly."""
    _, current = await room.services.store.sites.read(room.site)
    earlier = await room.services.store.sites.policy(room.site, version)
    theirs = differences(earlier, current) if earlier else []
    return await _page(
        room, current, values, status=412, start=current.version, theirs=theirs, read=version
    )


async def _version(room: Room, text: str) -> Policy | None:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return None
    return await room.services.store.sites.policy(room.site, int(text))


async def _history(room: Room, current: Policy) -> list[tuple[Policy, list[Difference]]]:
    """The newest versions before this one, each with what the next one changed."""
    first = max(1, current.version - VERSIONS)
    kept = await asyncio.gather(
        *(room.services.store.sites.policy(room.site, n) for n in range(first, current.version))
    )
    versions = [*(each for each in kept if each is not None), current]
    steps = [
        (after, await asyncio.to_thread(differences, before, after))
        for before, after in pairwise(versions)
    ]
    return steps[::-1]


async def _flips(room: Room, report: Report) -> list[Flip]:
    """The most telling changed comments, as people recognise them."""
    named = {change.id: change for change in report.changes[:NAMED]}
    rows = await queued(room.services.store, room.site, list(named))
    return [
        Flip(
            named[row.stored.comment.id],
            row.stored.comment.name,
            row.stored.comment.body[:EXCERPT],
            row.stored.status,
            [describe(code).moderator for code in named[row.stored.comment.id].reasons],
        )
        for row in rows
    ]


async def _page(
    room: Room, current: Policy, values: dict[str, str], *, status: int = 200, **said: Any
) -> Response[Any]:
    plain: dict[str, Any] = {
        "errors": {},
        "done": "",
        "report": None,
        "flips": [],
        "changing": [],
        "theirs": None,
        "read": 0,
    }
    signals = room.services.scorer.signals()
    rows = {
        name.rpartition(".")[0].partition(".")[2]
        for name, value in values.items()
        if name.startswith("signals.") and value and not name.endswith(".shadow")
    }
    return room.page(
        "policy.html",
        status=status,
        **(plain | said),
        values=values,
        current=current,
        parts=PARTS,
        sheets=SHEETS,
        steps=STEPS,
        box=box,
        labels=LABELS,
        signals=signals,
        signal_rows=sorted(rows),
        other_signals=[code for code in signals if code not in rows],
        outcomes=OUTCOMES,
        title_of=title_of,
        history=await _history(room, current),
        may_change=room.may("admin"),
    )


ROUTES: Final = routed(policy, change)
