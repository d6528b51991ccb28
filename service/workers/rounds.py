"""The worker's rounds: which work is done how often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from service import log, metrics
from service.errors import Unavailable
from service.services import Services
from service.workers.reap import reap
from service.workers.remove import remove
from service.workers.rescore import rescore
from service.workers.retain import retain

ROUNDS: Final[tuple[tuple[float, Callable[[Services], Awaitable[None]]], ...]] = (
    (10.0, reap),
    (30.0, rescore),
    (60.0, remove),
    (3600.0, retain),
)
"""Seconds between two rounds, and the work; each worker does all, and all may overlap."""


async def work(services: Services, stopping: asyncio.Event) -> None:
    """Makes every round until told to stop; the one under way is finished."""
    async with asyncio.TaskGroup() as group:
        for period_s, task in ROUNDS:
            group.create_task(_round(services, stopping, period_s, task))


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
