"""Reap: drops claims that ran out, so that their comments are offered again."""

from __future__ import annotations

from service import metrics
from service.services import Services
from service.workers.each import each


async def reap(services: Services) -> None:
    """One sweep over all sites."""

    async def one(site: str) -> None:
        metrics.LEASES_EXPIRED.inc(await services.store.queues.reap(site))

    await each(await services.store.sites.all(), one)
