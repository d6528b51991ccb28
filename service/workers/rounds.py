"""The worker's rounds: which work is done how often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from service import log, metrics
from service.errors import Unavailable
from service.services import Services
from service.workers.deliver import SWEEP_S, Deliverer
from service.workers.liken import liken
from service.workers.reap import reap
from service.workers.remove import remove
from service.workers.rescore import rescore
from service.workers.retain import retain
from service.workers.reverdict import reverdict
from service.workers.sample import sample

ROUNDS: Final[tuple[tuple[float, Callable[[Services], Awaitable[None]]], ...]] = (
    (2.0, reverdict),
    (10.0, reap),
    (10.0, liken),
    (30.0, rescore),
    (60.0, remove),
    (60.0, sample),
    (3600.0, retain),
)
"""Seconds between two rounds, and the work; each worker does all, and all may overlap."""


async def work(services: Services, stopping: asyncio.Event) -> None:
    """Makes every round until told to stop; the one under way is finished."""
    deliverer = Deliverer(services)

    async def deliver(_: Services) -> None:
        await deliverer.sweep()

    async with asyncio.TaskGroup() as group:
        for period_s, task in (*ROUNDS, (SWEEP_S, deliver)):
            group.create_task(_round(services, stopping, period_s, task))
    await deliverer.finish(services.settings.drain_s)


async def _round(
    services: Services,
    stopping: asyncio.Event,
    period_s: float,
    task: Callable[[Services], Awaitable[None]],
) -> None:
    while not stopping.is_set():
        try:
            await task(services)
        except Unavailable:
            metrics.UNAVAILABLE.inc()
        except Exception as error:
            name = getattr(task, "__name__", "")
            log.get("worker").error("round_failed", round=name, exc_info=error)
        try:
            await asyncio.wait_for(stopping.wait(), period_s)
        except TimeoutError:
            continue
