"""Whether this process lives, whether it is ready, and its metrics."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from litestar import Response, get
from msgspec import Struct
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Gauge,
    generate_latest,
    multiprocess,
)
from prometheus_client import REGISTRY as PROCESS_REGISTRY

from service import __version__
from service.api import answers
from service.api.document import Operation
from service.api.requests import Req, services
from service.errors import Unavailable
from service.readiness import readiness
from service.services import Services
from service.store.connect import RedisError
from service.store.webhooks import Endpoint


class LiveOut(Struct):
    """The process answers."""

    status: str
    version: str


class CheckOut(Struct):
    """One readiness check."""

    name: str
    ok: bool
    detail: str


class ReadyOut(Struct):
    """Whether requests should be sent here."""

    ready: bool
    checks: list[CheckOut]
    durability_level: int


@get(
    "/livez",
    opt={
        "operation": Operation(
            summary="Whether the process answers", answers={200: LiveOut}, tag="Ops"
        )
    },
)
async def livez() -> Response[bytes]:
    """The event loop turns; depends on nothing else."""
    return answers.answer(LiveOut("alive", __version__))


@get(
    "/readyz",
    opt={
        "operation": Operation(
            summary="Whether requests should be sent here",
            answers={200: ReadyOut, 503: ReadyOut},
            tag="Ops",
        )
    },
)
async def readyz(request: Req) -> Response[bytes]:
    """Each check by name; 503 when one that matters fails."""
    found = await readiness(services(request), request.app.state.probe)
    out = ReadyOut(
        found.ready,
        [CheckOut(check.name, check.ok, check.detail) for check in found.checks],
        found.durability,
    )
    return answers.answer(out, 200 if found.ready else 503, {"Cache-Control": "no-store"})


@get(
    "/metrics",
    opt={
        "operation": Operation(summary="Prometheus metrics", answers={200: "text/plain"}, tag="Ops")
    },
)
async def metrics_page(request: Req) -> Response[bytes]:
    """Metrics of all processes of this machine, and of the store."""
    parts = services(request)
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        content = generate_latest(registry)
    else:
        content = generate_latest(PROCESS_REGISTRY)
    content += generate_latest(await _store_registry(parts))
    return Response(content, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _store_registry(parts: Services) -> Any:
    registry = CollectorRegistry()
    gauge = _gauges(registry)
    gauge["build"].labels(__version__, parts.scorer.version).set(1)
    gauge["model"].set(parts.scorer.model is not None)
    try:
        state = await parts.store.health.state()
        sites = await parts.store.sites.all()
        waiting = [(site, await parts.store.queues.waiting(site)) for site in sites[:100]]
        hooks = await _webhooks(parts)
    except (Unavailable, RedisError):
        gauge["up"].set(0)
        return registry
    gauge["up"].set(1)
    gauge["memory"].set(state.used_memory)
    gauge["durability"].set(state.durability)
    now = parts.now()
    dead, undelivered_at = hooks
    gauge["dead"].set(dead)
    gauge["undelivered"].set((now - undelivered_at) / 1000 if undelivered_at else 0)
    for site, queues in waiting:
        for queue in queues:
            gauge["count"].labels(site, queue.status).set(queue.count)
            if queue.status == "pending":
                age_s = (now - queue.oldest_at) / 1000 if queue.oldest_at else 0
                gauge["oldest"].labels(site).set(age_s)
    return registry


async def _webhooks(parts: Services) -> tuple[int, int | None]:
    """Dead letters, and when the oldest event happened that waits for an endpoint; of 100 sites."""
    webhooks, deliveries = parts.store.webhooks, parts.store.deliveries

    async def one(site: str, endpoint: Endpoint) -> tuple[int, int | None, int | None]:
        dead = await deliveries.count(site, endpoint.id, "dead")
        if not endpoint.takes_events:
            return dead, None, None
        queued_at = await deliveries.oldest(site, endpoint.id)
        return dead, queued_at, await webhooks.unsent_since(site, endpoint)

    sites = (await webhooks.sites())[:100]
    found = await asyncio.gather(*(webhooks.all(site) for site in sites))
    told = await asyncio.gather(
        *(one(site, e) for site, all_ in zip(sites, found, strict=True) for e in all_)
    )
    times = [at for _, *ats in told for at in ats if at is not None]
    return sum(dead for dead, *_ in told), min(times, default=None)


def _gauges(registry: CollectorRegistry) -> dict[str, Gauge]:
    def gauge(name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"winnow_{name}", help_text, labels, registry=registry)

    return {
        "build": gauge("build_info", "Version of Winnow and its model.", "version", "model"),
        "model": gauge("model_loaded", "1 when a model is loaded."),
        "up": gauge("store_up", "1 when the store answers."),
        "memory": gauge("store_memory_bytes", "Memory the store uses."),
        "durability": gauge(
            "durability_level", "2 = acknowledged means on disk, 1 = may lose, 0 = not kept."
        ),
        "count": gauge("queue_comments", "Comments by status.", "site", "status"),
        "oldest": gauge("queue_oldest_age_seconds", "Age of the oldest pending comment.", "site"),
        "dead": gauge("webhook_dead_letters", "Deliveries given up in the last 30 days."),
        "undelivered": gauge(
            "webhook_oldest_age_seconds",
            "Age of the oldest event that waits for a webhook, 0 when none does.",
        ),
    }


ROUTES = (livez, readyz, metrics_page)
