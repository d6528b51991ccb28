"""Liken: prepares pending comments for being compared, so that campaigns are found at once."""

from __future__ import annotations

import asyncio

from service.services import Services
from service.store.queues import Filter
from service.workers.each import each


async def liken(services: Services) -> None:
    """One sweep over all sites."""

    async def one(site: str) -> None:
        ready, pending = await asyncio.gather(
            services.store.likeness.count(site),
            services.store.queues.count(site, "pending", Filter()),
        )
        if ready < pending:
            await services.campaigns.prepare(site)

    await each(await services.store.sites.all(), one)
