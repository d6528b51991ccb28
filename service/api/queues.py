"""The moderators' queues: how they stand, their comments, and claims on them."""

from __future__ import annotations

import asyncio
import statistics
from typing import Annotated, Final, cast

from litestar import Response, delete, get, post, put
from msgspec import Meta, Struct

from service.api import answers
from service.api.document import (
    CURSOR,
    SITE,
    Operation,
    Param,
    choice_param,
    text_param,
    whole_param,
)
from service.api.requests import (
    Query,
    Req,
    caller,
    cursor,
    one_site,
    read_body,
    read_json,
    services,
)
from service.errors import Conflict, NotFound, invalid
from service.pipeline import fields
from service.pipeline.queues import Ask, Row, Text, drain_s, list_queue, queued
from service.records import QUEUES, Lease, Status
from service.store.queues import Flow, Sort, Waiting

CLAIM_S: Final = 300


class QueueOut(Struct, kw_only=True):
    """How one queue of one site stands."""

    site: str
    status: str
    count: int
    oldest_at: str | None
    oldest_age_s: float | None
    decide_p50_s: float | None
    decide_p95_s: float | None
    drain_s: float | None
    """Seconds until the queue is empty at the pace of the last hours; None = it does not shrink."""


class QueuesOut(Struct):
    """Every queue the caller sees."""

    items: list[QueueOut]
    next: str | None = None


class QueuePageOut(Struct):
    """A page of a queue."""

    items: list[answers.CommentOut]
    next: str | None
    total: int | None


class ClaimIn(Struct, forbid_unknown_fields=True):
    """How many comments to look at, and for how long."""

    count: Annotated[int, Meta(ge=1, le=100)] = 20
    ttl_s: Annotated[int, Meta(ge=1, le=3600)] = CLAIM_S
    site: str | None = None


class RenewIn(Struct, forbid_unknown_fields=True):
    """For how long from now."""

    ttl_s: Annotated[int, Meta(ge=1, le=3600)] = CLAIM_S


class ClaimedOut(Struct):
    """The comments leased to the caller."""

    items: list[answers.CommentOut]
    next: str | None = None


@get(
    "/v1/queues",
    opt={
        "operation": Operation(
            summary="How every queue stands",
            scope="queues",
            query=(SITE,),
            answers={200: QueuesOut},
            problems=(401, 403, 404, 422, 503),
            tag="Moderators",
        )
    },
)
async def queues(request: Req) -> Response[bytes]:
    """Count, oldest age, time to decide and drain forecast per site and status."""
    parts = services(request)
    credential = await caller(request, "queues")
    named = Query(request, "site").text("site")
    if named:
        sites = [await one_site(request, credential, named)]
    else:
        sites = await parts.gate.sites(credential)
    now = parts.now()
    rows = await asyncio.gather(
        *(
            asyncio.gather(parts.store.queues.waiting(site), parts.store.queues.flow(site, now))
            for site in sites
        )
    )
    items = [
        queue_out(site, waiting, flow, now)
        for site, (standing, flow) in zip(sites, rows, strict=True)
        for waiting in standing
    ]
    return answers.answer(QueuesOut(items), headers={"Cache-Control": "no-store"})


def queue_out(site: str, waiting: Waiting, flow: Flow, now: int) -> QueueOut:
    """One row of the overview."""
    pending = waiting.status == "pending"
    latencies = sorted(flow.latencies_ms) if pending else []
    return QueueOut(
        site=site,
        status=waiting.status,
        count=waiting.count,
        oldest_at=answers.iso_or_none(waiting.oldest_at),
        oldest_age_s=(now - waiting.oldest_at) / 1000 if waiting.oldest_at else None,
        decide_p50_s=statistics.median(latencies) / 1000 if latencies else None,
        decide_p95_s=latencies[int(0.95 * (len(latencies) - 1))] / 1000 if latencies else None,
        drain_s=drain_s(waiting.count, flow, now) if pending else None,
    )


@get(
    "/v1/queues/{status:str}",
    opt={
        "operation": Operation(
            summary="A page of a queue",
            scope="queues",
            query=(
                SITE,
                choice_param("sort", "The order.", "priority", "oldest", "newest"),
                text_param("page", "Only comments on this page."),
                text_param("reason", "Only comments with this reason code."),
                text_param("author", "Only this author (id or address)."),
                text_param("label", "Only comments with at least `min` on this label."),
                Param("min", "See `label`.", {"type": "number", "minimum": 0, "maximum": 1}),
                text_param("text", "Only comments with these words, or words that begin so."),
                whole_param("limit", "Comments in one answer.", 1, 200, 50),
                CURSOR,
            ),
            answers={200: QueuePageOut},
            problems=(401, 403, 404, 422, 503),
            tag="Moderators",
            description="`text` finds words behind disguises, too. It and `label` look at up to "
            "2,000 comments for one answer: there may be fewer than `limit`, or none, and still a "
            "`next` to go on from.",
        )
    },
)
async def queue(request: Req, status: str) -> Response[bytes]:
    """A page of comments with scores, reasons, author's record and claim holder."""
    parts = services(request)
    credential = await caller(request, "queues")
    query = Query(
        request,
        *("site", "sort", "page", "reason", "author", "label", "min", "text", "limit", "cursor"),
    )
    if query.text("min") and not query.text("label"):
        raise invalid("/min", "out_of_range", "'min' needs a 'label' it is about")
    site = await one_site(request, credential, query.text("site"))
    ask = Ask(
        status=_status(status),
        sort=cast(Sort, query.choice("sort", "priority", "priority", "oldest", "newest")),
        page=filed_page(query.text("page")),
        reason=query.text("reason"),
        author=author_id(request, site, query.text("author")),
        label=query.choice("label", "", "", *parts.scorer.labels),
        minimum=query.share("min") or 0.0,
        text=searched(request, query.text("text")),
        limit=query.whole("limit", 50, 1, 200),
        after=query.cursor(),
    )
    found = await list_queue(parts.store, site, ask)
    return answers.listing(
        [answers.queued_out(*row) for row in found.rows],
        cursor(found.next),
        f"{parts.settings.public_url}/v1/queues/{status}",
        {k: str(v) for k, v in request.query_params.items() if k != "cursor"},
        total=found.total,
    )


def _status(text: str) -> Status:
    for status in QUEUES:
        if status == text:
            return status
    raise NotFound(f"There is no queue {text!r}; there are {', '.join(QUEUES)}.")


def filed_page(text: str, pointer: str = "/page") -> str:
    """A page as comments are filed under it."""
    try:
        return fields.page(text) if text else ""
    except fields.Wrong as wrong:
        raise invalid(pointer, wrong.code, wrong.detail) from None


def author_id(request: Req, site: str, text: str) -> str:
    """An author's id; an address is turned into one."""
    return services(request).secrets.author_id(site, text) if "@" in text else text


def searched(request: Req, text: str, pointer: str = "/text") -> Text | None:
    """The words to look for; None where nothing is asked."""
    if not text:
        return None
    found = Text.of(text, services(request).scorer.fold)
    if found is None:
        raise invalid(pointer, "empty", "there is no word in this")
    return found


@post(
    "/v1/queues/pending/claims",
    status_code=201,
    opt={
        "operation": Operation(
            summary="Claim the next pending comments",
            scope="decide",
            body=ClaimIn,
            query=(SITE,),
            answers={201: ClaimedOut},
            problems=(400, 401, 403, 404, 415, 422, 503),
            tag="Moderators",
            description="A claim hides comments from other claims and shows who is looking; "
            "it neither gives nor denies the right to decide.",
        )
    },
)
async def claim(request: Req) -> Response[bytes]:
    """Lease the next pending comments to the caller, over all their sites."""
    parts = services(request)
    credential = await caller(request, "decide")
    asked = await read_json(request, ClaimIn) if await read_body(request) else ClaimIn()
    named = asked.site or Query(request, "site").text("site")
    if named:
        sites = [await one_site(request, credential, named)]
    else:
        sites = await parts.gate.sites(credential)
    rows: list[Row] = []
    for site in sites:
        left = asked.count - len(rows)
        if left <= 0:
            break
        leases = await parts.store.queues.claim(
            site, count=left, ttl_ms=asked.ttl_s * 1000, holder=credential.id
        )
        rows.extend(await queued(parts.store, site, [lease.id for lease in leases]))
    return answers.answer(ClaimedOut([answers.queued_out(*row) for row in rows]), status=201)


@put(
    "/v1/claims/{comment_id:str}",
    opt={
        "operation": Operation(
            summary="Renew a claim",
            scope="decide",
            body=RenewIn,
            answers={200: answers.ClaimOut},
            problems=(400, 401, 403, 404, 409, 415, 422, 503),
            tag="Moderators",
        )
    },
)
async def renew(request: Req, comment_id: str) -> Response[bytes]:
    """Prolong the caller's claim on a comment (a claim is named by its comment)."""
    parts = services(request)
    credential = await caller(request, "decide")
    asked = await read_json(request, RenewIn) if await read_body(request) else RenewIn()
    site = await parts.gate.site_of(comment_id, credential)
    expiry = await parts.store.queues.renew(
        site, comment_id, holder=credential.id, ttl_ms=asked.ttl_s * 1000
    )
    _held(expiry)
    return answers.answer(answers.claim_out(Lease(comment_id, credential.id, "", expiry)))


@delete(
    "/v1/claims/{comment_id:str}",
    status_code=204,
    opt={
        "operation": Operation(
            summary="Release a claim",
            scope="decide",
            answers={204: None},
            problems=(401, 403, 404, 409, 503),
            tag="Moderators",
        )
    },
)
async def release(request: Req, comment_id: str) -> None:
    """Give a claim back."""
    parts = services(request)
    credential = await caller(request, "decide")
    site = await parts.gate.site_of(comment_id, credential)
    outcome = await parts.store.queues.release(site, comment_id, holder=credential.id)
    _held(outcome if outcome else -1)


def _held(outcome: int) -> None:
    if outcome == -1:
        raise NotFound("There is no such claim: it ran out, or the comment was decided.")
    if outcome == -2:
        raise Conflict("This claim is somebody else's.")


ROUTES = (queues, queue, claim, renew, release)
