"""The worker's rounds: which work is done how often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from service import log, metrics
from service.errors import Unavailable
from service.services import Services
from service.workers.deliver import SWEEP_S, Deliverer
from service.workers.erase import erase
from service.workers.follow import follow
from service.workers.liken import liken
from service.workers.reap import reap
from service.workers.recognise import recognise
from service.workers.remove import remove
from service.workers.rescore import Rescorer
from service.workers.retain import retain, take_out
from service.workers.reverdict import reverdict
from service.workers.sample import sample
from service.workers.verify import LOOK_S, Verifier

ROUNDS: Final[tuple[tuple[float, Callable[[Services], Awaitable[None]]], ...]] = (
    (1.0, recognise),
    (1.0, follow),
    (2.0, reverdict),
    (5.0, erase),
    (10.0, reap),
    (10.0, liken),
    (60.0, remove),
    (60.0, sample),
    (60.0, take_out),
    (3600.0, retain),
)
"""Seconds between two rounds, and the work; each worker does all, and all may overlap."""
RESCORE_S: Final = 30.0
"""As above, for the round that remembers where its last one ended."""


async def work(services: Services, stopping: asyncio.Event) -> None:
    """Makes every round until told to stop; the one under way is finished."""
    deliverer = Deliverer(services)

    async def deliver(_: Services) -> None:
        await deliverer.sweep()

    stateful = (
        (SWEEP_S, deliver),
        (RESCORE_S, Rescorer().sweep),
        (LOOK_S, Verifier(stopping).verify),
    )
    async with asyncio.TaskGroup() as group:
        for period_s, task in (*ROUNDS, *stateful):
            group.create_task(_round(services, stopping, period_s, task))
    await deliverer.finish(services.settings.drain_s)


async def _round(
    services: Services,
    stopping: asyncio.Event,
    period_s: float,
    task: Callable[[Services], Awaitable[None]],
) -> None:
    while not stopping.is_set():
        name = getattr(task, "__name__", "")
        try:
            with metrics.ROUNDS.labels(name).time():
                await task(services)
        except Unavailable:
            metrics.UNAVAILABLE.inc()
        except Exception as error:
            metrics.ROUND_FAILURES.labels(name).inc()
            log.get("worker").error("round_failed", round=name, exc_info=error)
        try:
            await asyncio.wait_for(stopping.wait(), period_s)
        except TimeoutError:
            continue
