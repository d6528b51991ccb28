"""Flow: what arrived and was decided hour by hour, for the ops page."""

from __future__ import annotations

from typing import Final

from litestar import Response, get
from msgspec import Struct

from service.api import answers
from service.api.document import Operation, whole_param
from service.api.requests import Query, Req, services
from service.api.sites import own_site
from service.records import Status
from service.store.flow import Depth, Hour

HOURS: Final = 168
HOURS_MAX: Final = 191
"""The hours are kept for eight days."""


class HourOut(Struct, kw_only=True):
    """One hour of a site; the last one is not over yet."""

    at: str
    """When it began."""
    submitted: int
    held: int
    decided: int
    submitted_as: dict[Status, int]
    """Where the machine put what came, by status."""
    decided_as: dict[Status, int]
    """Where people put what they decided, by status."""
    decide_p50_s: float | None
    decide_p95_s: float | None
    """Seconds from submission to a human's decision, to about a tenth."""


class DepthOut(Struct, kw_only=True):
    """The pending queue at one moment."""

    at: str
    pending: int
    oldest_age_s: float | None


class FlowOut(Struct, kw_only=True):
    """The last hours, oldest first, and samples of the pending queue, one for each five minutes."""

    items: list[HourOut]
    next: str | None = None
    depth: list[DepthOut]


@get(
    "/v1/sites/{site:str}/flow",
    opt={
        "operation": Operation(
            summary="What arrived and was decided, hour by hour",
            scope="queues",
            query=(whole_param("hours", "How many hours back.", 1, HOURS_MAX, HOURS),),
            answers={200: FlowOut},
            problems=(401, 403, 404, 422, 503),
            tag="Moderators",
            description="The worker samples the queue; hours without a sample had no worker.",
        )
    },
)
async def flow(request: Req, site: str) -> Response[bytes]:
    """A site's last hours."""
    await own_site(request, site, "queues")
    parts = services(request)
    hours = Query(request, "hours").whole("hours", HOURS, 1, HOURS_MAX)
    found = await parts.store.flow.hours(site, parts.now(), hours)
    depth = [_depth_out(each) for hour in found for each in hour.depths]
    return answers.answer(FlowOut(items=[_hour_out(hour) for hour in found], depth=depth))


def _hour_out(hour: Hour) -> HourOut:
    return HourOut(
        at=answers.iso(hour.at),
        submitted=hour.submitted,
        held=hour.held,
        decided=hour.decided,
        submitted_as=hour.submitted_as,
        decided_as=hour.decided_as,
        decide_p50_s=_seconds(hour.p50_ms),
        decide_p95_s=_seconds(hour.p95_ms),
    )


def _depth_out(depth: Depth) -> DepthOut:
    age = None if depth.oldest_at is None else max(0, depth.at - depth.oldest_at)
    return DepthOut(at=answers.iso(depth.at), pending=depth.pending, oldest_age_s=_seconds(age))


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


ROUTES = (flow,)
