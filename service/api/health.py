"""Whether this process lives, whether it is ready, and its metrics."""

from __future__ import annotations

import os
from typing import Any

from litestar import Response, get
from msgspec import Struct
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    generate_latest,
    multiprocess,
)
from prometheus_client import REGISTRY as PROCESS_REGISTRY

from service import __version__, vitals
from service.api import answers, gauges
from service.api.document import Operation
from service.api.requests import Req, services
from service.errors import Unavailable
from service.readiness import readiness
from service.services import Services
from service.store.connect import RedisError
from service.store.figures import read as read_figures


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
    content = await metrics_text(services(request))
    return Response(content, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def metrics_text(parts: Services) -> bytes:
    """What `/metrics` answers: counts of all processes of this machine, and gauges of now."""
    registry = CollectorRegistry()
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        vitals.forget_dead(folder)
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        content = generate_latest(registry)
    else:
        content = generate_latest(PROCESS_REGISTRY)
    return content + generate_latest(await _store_registry(parts))


async def _store_registry(parts: Services) -> Any:
    registry = CollectorRegistry()
    gauge = _gauges(registry)
    await _set(gauge, parts)
    return registry


async def _set(gauge: dict[str, gauges.Reading], parts: Services) -> None:
    gauge["build"].labels(__version__, parts.scorer.version).set(1)
    if parts.scorer.later is None:  # a worker's is loaded when it is needed, and not missed before
        gauge["model"].labels(parts.scorer.version).set(parts.scorer.model is not None)
    now, figures = parts.now(), None
    try:
        state = await parts.store.health.state()
        figures = await read_figures(parts.store.wire, now)
        standing = await parts.store.census.take()
    except (Unavailable, RedisError):
        gauge["up"].set(0)
        gauges.set_machine(gauge, parts, figures.pid if figures else 0)
        return
    gauge["up"].set(1)
    gauges.set_store(gauge, figures)
    gauges.set_machine(gauge, parts, figures.pid)
    gauges.set_sites(gauge, standing, now)
    gauge["memory"].set(state.used_memory)
    gauge["durability"].set(state.durability)
    gauge["dead"].set(sum(each.dead for each in standing.values()))
    undelivered = [each.undelivered_at for each in standing.values() if each.undelivered_at]
    gauge["undelivered"].set(max(0, now - min(undelivered, default=now)) / 1000)


def _gauges(registry: CollectorRegistry) -> dict[str, gauges.Reading]:
    def gauge(name: str, help_text: str, *labels: str) -> gauges.Reading:
        return gauges.gauge(registry, f"winnow_{name}", help_text, labels)

    return gauges.gauges(registry) | {
        "build": gauge("build_info", "Version of Winnow and its model.", "version", "model"),
        "model": gauge("model_loaded", "1 when a model is loaded.", "version"),
        "up": gauge("store_up", "1 when the store answers."),
        "memory": gauge("store_memory_bytes", "Memory the store uses."),
        "durability": gauge(
            "durability_level", "2 = acknowledged means on disk, 1 = may lose, 0 = not kept."
        ),
        "dead": gauge("webhook_dead_letters", "Deliveries given up in the last 30 days."),
        "undelivered": gauge(
            "webhook_oldest_age_seconds",
            "Age of the oldest event that waits for a webhook, 0 when none does.",
        ),
    }


ROUTES = (livez, readyz, metrics_page)
