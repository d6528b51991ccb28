"""The ops page: how the queue moves, whether everything works, and how full it is."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from typing import Any, Final

from litestar import Response, get
from msgspec import Struct

from service import __version__
from service.console import charts
from service.console.charts import HOUR_MS, Chart, Frame, Series, count, count_step, span, span_step
from service.console.face import routed
from service.console.room import Room, enter
from service.html import Req
from service.pipeline.queues import drain_s
from service.readiness import Check, readiness
from service.store.flow import MARK_MS, Depth, Hour
from service.store.health import State
from service.store.queues import Flow, Waiting
from service.webhooks import state_of

HERE: Final = "ops"
RANGES: Final[dict[str, int]] = {"24 h": 24, "3 days": 72, "7 days": 168}
SITES_MAX: Final = 100
BARS: Final = 72
"""Hours that can still be told apart as bars; more are drawn as lines."""
MEMORY_HIGH: Final = 0.85
"""From this share of the store's memory on, somebody should act."""
DISK_LOW: Final = 0.1
"""Below this share of free disk, too."""
NAMES: Final[dict[str, str]] = {
    "store": "Store",
    "draining": "Taking requests",
    "model": "Model",
    "durability": "Durability",
}


class Now(Struct, frozen=True, kw_only=True):
    """How a site's pending queue stands."""

    site: str
    pending: int
    oldest_s: float | None
    p95_s: float | None
    drain_s: float | None
    """None: it does not shrink."""
    arrived: int
    decided: int
    """In this hour and the last one."""


class Space(Struct, frozen=True):
    """How full something is."""

    name: str
    used: int
    total: int
    """0 = no limit."""
    scarce: bool
    """Whether somebody should act."""


@get("/console/ops")
async def ops(request: Req) -> Response[Any]:
    """One site's figures, and the state of this machine."""
    room = await enter(request, HERE, "queues")
    if not room.site:
        return room.page("no_site.html")
    services, now = room.services, room.services.now()
    asked = request.query_params.get("hours", "")
    hours = next((number for number in RANGES.values() if str(number) == asked), 24)
    flow, found, sites, state = await asyncio.gather(
        services.store.flow.hours(room.site, now, hours),
        readiness(services, request.app.state.probe),
        asyncio.gather(*(_now(room, site, now) for site in room.sites[:SITES_MAX])),
        services.store.health.state(),
    )
    here = next((row for row in sites if row.site == room.site), None)
    here = here or await _now(room, room.site, now)
    written = "The last write succeeded" if state.aof_ok else "The last write failed"
    checks = [
        *(_told(check) for check in found.checks),
        Check("Append-only file", state.aof_ok, written),
        *await _webhooks(room),
    ]
    space = _space(room, state)
    return room.page(
        "ops.html",
        here_now=here,
        standing=sites,
        charts=drawn(flow),
        checks=checks,
        space=space,
        state=state,
        troubles=[c.name for c in checks if not c.ok] + [s.name for s in space if s.scarce],
        ranges=RANGES,
        hours=hours,
        version=__version__,
        span=span,
    )


async def _now(room: Room, site: str, now: int) -> Now:
    queues = room.services.store.queues
    waiting, flow = await asyncio.gather(queues.waiting(site), queues.flow(site, now))
    return standing(site, next(w for w in waiting if w.status == "pending"), flow, now)


def standing(site: str, pending: Waiting, flow: Flow, now: int) -> Now:
    """How a queue stands, from what the store tells of it."""
    waits = sorted(flow.latencies_ms)
    return Now(
        site=site,
        pending=pending.count,
        oldest_s=(now - pending.oldest_at) / 1000 if pending.oldest_at else None,
        p95_s=waits[int(0.95 * (len(waits) - 1))] / 1000 if waits else None,
        drain_s=drain_s(pending.count, flow, now),
        arrived=flow.submitted,
        decided=flow.decided,
    )


def _told(check: Check) -> Check:
    detail = check.detail
    if check.name == "draining":
        detail = "stopping" if not check.ok else "yes"
    return Check(NAMES.get(check.name, check.name), check.ok, detail[:1].upper() + detail[1:])


async def _webhooks(room: Room) -> list[Check]:
    """How the site's webhooks stand, if it has any."""
    store, now = room.services.store, room.services.now()
    endpoints = await store.webhooks.all(room.site)
    dead = sum(
        await asyncio.gather(*(store.deliveries.count(room.site, e.id, "dead") for e in endpoints))
    )
    states = Counter(state_of(endpoint, now) for endpoint in endpoints)
    told = [f"{number} {state}" for state, number in states.items()]
    if dead:
        told.append(f"{count(dead)} deliveries given up in 30 days")
    fine = not states["failing"] and not states["disabled"]
    return [Check("Webhooks", fine, ", ".join(told))] if endpoints else []


def _space(room: Room, state: State) -> list[Space]:
    used, most = state.used_memory, state.max_memory
    memory = Space("Store memory", used, most, most > 0 and used > MEMORY_HIGH * most)
    if room.services.settings.redis_url:
        return [memory]  # its disk is another machine's
    disk = shutil.disk_usage(room.services.settings.data_dir)
    scarce = disk.free < DISK_LOW * disk.total
    return [memory, Space("Disk", disk.total - disk.free, disk.total, scarce)]


# ---------------------------------------------------------------------------- charts


def drawn(flow: list[Hour]) -> list[Chart]:
    """The four charts of a site's last hours."""
    start, end = flow[0].at, flow[-1].at + HOUR_MS
    depths = [depth for hour in flow for depth in hour.depths]
    waiting = _with_gaps([(d.at, float(d.pending)) for d in depths])
    oldest = _with_gaps([(d.at, _age_s(d)) for d in depths])
    halves = [(h.at + HOUR_MS // 2, _seconds(h.p50_ms)) for h in flow]
    most = [(h.at + HOUR_MS // 2, _seconds(h.p95_ms)) for h in flow]
    flows = [
        Series(name, tone, [(hour.at, float(getattr(hour, field))) for hour in flow])
        for name, tone, field in (
            ("arrived", "one", "submitted"),
            ("held", "two", "held"),
            ("decided", "three", "decided"),
        )
    ]
    arrived, decided = sum(h.submitted for h in flow), sum(h.decided for h in flow)

    def frame(name: str, title: str, about: str, *, spans: bool = False) -> Frame:
        said, step = (span, span_step) if spans else (count, count_step)
        return Frame(id=name, title=title, about=about, start=start, end=end, said=said, step=step)

    return [
        charts.curves(
            frame("depth", "Comments waiting", _range("Comments waiting", waiting, count)),
            [Series("waiting", "one", waiting, filled=True)],
        ),
        charts.curves(
            frame("age", "Age of the oldest", _range("The oldest", oldest, span), spans=True),
            [Series("oldest", "two", oldest, filled=True)],
        ),
        (charts.hourly if len(flow) <= BARS else charts.curves)(
            frame(
                "flow",
                "Arrivals and decisions per hour",
                f"{count(arrived)} comments arrived and {count(decided)} were decided by people.",
            ),
            flows,
        ),
        charts.curves(
            frame("wait", "Time to decide", _range("95 % decided within", most, span), spans=True),
            [Series("half within", "three", halves), Series("95 % within", "two", most)],
        ),
    ]


def _age_s(depth: Depth) -> float:
    return 0.0 if depth.oldest_at is None else max(0, depth.at - depth.oldest_at) / 1000


def _with_gaps(points: list[tuple[int, float]]) -> list[tuple[int, float | None]]:
    """The samples, with a break where the worker took none for a while."""
    told: list[tuple[int, float | None]] = []
    for at, value in points:
        if told and at - told[-1][0] > 3 * MARK_MS:
            told.append((told[-1][0] + MARK_MS, None))
        told.append((at, value))
    return told


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _range(what: str, points: Any, said: charts.Said) -> str:
    """A curve in words."""
    values = [value for _, value in points if value is not None]
    if not values:
        return f"{what}: nothing was noted in these hours."
    return (
        f"{what}: {said(values[-1])} at last, between {said(min(values))} and {said(max(values))}."
    )


ROUTES: Final = routed(ops)
