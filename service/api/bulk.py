"""One decision on all comments that match, and its undo as a whole."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar import Response, post
from msgspec import Meta, Struct

from service import auth
from service.api import answers
from service.api.document import Operation
from service.api.queues import author_id, filed_page, searched
from service.api.requests import (
    BULK_MAX,
    Req,
    caller,
    one_site,
    operation,
    read_json,
    services,
)
from service.errors import NotFound, invalid
from service.ids import named_id, new_id
from service.pipeline.bulk import MOST, Item, Left, Outcome, Request
from service.pipeline.queues import Ask
from service.records import STATUS_OF_ACTION, Action


class FilterIn(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What comments must be, as in `GET /v1/queues/{status}`; nothing = all of the queue."""

    reason: Annotated[str, Meta(max_length=200)] = ""
    page: Annotated[str, Meta(max_length=2048)] = ""
    author: Annotated[str, Meta(max_length=254)] = ""
    label: Annotated[str, Meta(max_length=40)] = ""
    min: Annotated[float, Meta(ge=0, le=1)] = 0.0
    text: Annotated[str, Meta(max_length=200)] = ""


class ChosenIn(Struct, forbid_unknown_fields=True):
    """A comment as it was at `version`."""

    id: Annotated[str, Meta(max_length=40)]
    version: Annotated[int, Meta(ge=1, lt=2**31)]


class MatchingIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """A decision on all comments of a queue that match, or on those named."""

    action: Action
    site: str = ""
    status: Literal["pending", "approved", "rejected", "spam"] = "pending"
    filter: FilterIn = FilterIn()
    items: Annotated[list[ChosenIn], Meta(min_length=1, max_length=MOST)] | None = None
    """Instead of `status` and `filter`: these comments, such as those of a campaign."""
    reason: Annotated[str, Meta(max_length=200)] = ""
    note: Annotated[str, Meta(max_length=2000)] = ""
    limit: Annotated[int, Meta(ge=1, le=MOST)] = MOST


class LeftOut(Struct, kw_only=True):
    """A comment that was not touched, as it stands now; null where it is gone."""

    id: str
    status: str | None
    version: int | None
    decision: answers.DecisionOut | None


class OperationOut(Struct, kw_only=True):
    """What came of an operation on many comments, or of its undo."""

    operation: str
    matched: int
    done: int
    """How many are decided, or taken back: the same however often it is asked."""
    left: int
    """How many somebody else changed first."""
    items: list[LeftOut]
    """The first 100 of those left."""
    more: bool
    """Whether more match than were looked at: ask again for the rest."""


@post(
    "/v1/decisions/matching",
    status_code=200,
    request_max_body_size=BULK_MAX,
    opt={
        "operation": Operation(
            summary="Decide on all comments that match",
            scope="decide",
            body=MatchingIn,
            answers={200: OperationOut},
            problems=(400, 401, 403, 404, 413, 415, 422, 503),
            headers=("Idempotency-Key",),
            tag="Moderators",
            description="Up to 10,000 comments that match now, each by the version it has now. "
            "With an Idempotency-Key it can be asked again after any failure: it goes on where it "
            "was and counts the whole.",
        )
    },
)
async def decide_matching(request: Req) -> Response[bytes]:
    """Decide on all comments that match."""
    parts = services(request)
    credential = await caller(request, "decide")
    asked = await read_json(request, MatchingIn)
    key = operation(request, credential)
    site = await one_site(request, credential, asked.site)
    number, now = (await parts.rules.get(site)).site.number, parts.now()
    outcome = await parts.bulk.decide(
        site,
        Request(
            action=asked.action,
            chosen=_chosen(request, site, asked),
            text=(await request.body()).decode(),
            reason=asked.reason,
            note=asked.note,
        ),
        operation_id=named_id(key, number) if key else new_id(now, number),
        actor=credential.actor,
        now=now,
    )
    return answers.answer(operation_out(outcome))


def _chosen(request: Req, site: str, asked: MatchingIn) -> Ask | tuple[Item, ...]:
    if asked.items is not None:
        return tuple((each.id, each.version) for each in asked.items)
    if STATUS_OF_ACTION[asked.action] == asked.status:
        raise invalid("/action", "out_of_range", f"these comments are {asked.status} already")
    named = asked.filter
    if named.label and named.label not in services(request).scorer.labels:
        raise invalid("/filter/label", "unknown_label", "there is no such label")
    if named.min and not named.label:
        raise invalid("/filter/min", "out_of_range", "'min' needs a 'label' it is about")
    return Ask(
        status=asked.status,
        sort="oldest",
        limit=asked.limit,
        page=filed_page(named.page, "/filter/page"),
        reason=named.reason,
        author=author_id(request, site, named.author),
        label=named.label,
        minimum=named.min,
        text=searched(request, named.text, "/filter/text"),
    )


@post(
    "/v1/operations/{operation_id:str}/undo",
    status_code=200,
    opt={
        "operation": Operation(
            summary="Undo an operation on many comments",
            scope="decide",
            answers={200: OperationOut},
            problems=(401, 403, 404, 503),
            tag="Moderators",
            description="Each comment goes back to where it was, as a new version; those that "
            "somebody changed since stay, and are named. Possible for seven days.",
        )
    },
)
async def undo_operation(request: Req, operation_id: str) -> Response[bytes]:
    """Take back what one operation decided."""
    parts = services(request)
    credential = await caller(request, "decide")
    site = await parts.gate.site_named_by(operation_id)
    if site is None or not auth.sees(credential, site):
        raise NotFound("There is no such operation.")
    outcome = await parts.bulk.undo(site, operation_id, actor=credential.actor, now=parts.now())
    return answers.answer(operation_out(outcome))


def operation_out(outcome: Outcome) -> OperationOut:
    """What came of an operation, as moderators see it."""
    return OperationOut(
        operation=outcome.operation,
        matched=outcome.matched,
        done=outcome.done,
        left=outcome.left,
        items=[_left_out(each) for each in outcome.named],
        more=outcome.more,
    )


def _left_out(left: Left) -> LeftOut:
    return LeftOut(
        id=left.id,
        status=left.status,
        version=left.version,
        decision=answers.decision_out(left.decision) if left.decision else None,
    )


ROUTES = (decide_matching, undo_operation)
