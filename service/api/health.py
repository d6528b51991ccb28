"""Whether this process lives, whether it is ready, and its metrics."""

from __future__ import annotations

import asyncio
import os
import time
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
from service.services import Services
from service.store.connect import RedisError
from service.store.health import DURABILITY

PROBE_S = 1.0
"""How old a write probe may be (api.md)."""


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


class Probe:
    """The newest write probe of this process, shared by all who ask."""

    def __init__(self) -> None:
        self._at = float("-inf")
        self._failure = ""
        self._lock = asyncio.Lock()

    async def failure(self, parts: Services) -> str:
        """Why the store cannot be written, '' when it can; at most a second old."""
        async with self._lock:
            if time.monotonic() - self._at > PROBE_S:
                try:
                    await parts.store.health.probe(parts.now())
                    self._failure = ""
                except (Unavailable, RedisError) as error:
                    self._failure = str(error)
                self._at = time.monotonic()
        return self._failure


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
    parts = services(request)
    probe: Probe = request.app.state.probe
    failure = await probe.failure(parts)
    durability = 0
    try:
        durability = 0 if failure else (await parts.store.health.state()).durability
    except Unavailable as error:  # it went within the second the probe is believed
        failure = str(error)
    checks = [
        CheckOut("store", not failure, failure or "written and on disk"),
        CheckOut("draining", not parts.draining, "stopping" if parts.draining else "no"),
        CheckOut(
            "model",
            parts.scorer.model is not None,
            parts.scorer.version or "none: every comment is held for a human",
        ),
        CheckOut("durability", durability == 2, DURABILITY[durability]),
    ]
    # Without a model or full durability Winnow still does its work, and says so.
    ready = not failure and not parts.draining
    out = ReadyOut(ready, checks, durability)
    return answers.answer(out, 200 if ready else 503, {"Cache-Control": "no-store"})


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
    except (Unavailable, RedisError):
        gauge["up"].set(0)
        return registry
    gauge["up"].set(1)
    gauge["memory"].set(state.used_memory)
    gauge["durability"].set(state.durability)
    now = parts.now()
    for site, queues in waiting:
        for queue in queues:
            gauge["count"].labels(site, queue.status).set(queue.count)
            if queue.status == "pending":
                age_s = (now - queue.oldest_at) / 1000 if queue.oldest_at else 0
                gauge["oldest"].labels(site).set(age_s)
    return registry


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
    }


ROUTES = (livez, readyz, metrics_page)
