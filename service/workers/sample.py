"""Sample: notes how long the pending queues are, for the ops page."""

from __future__ import annotations

from service.services import Services
from service.workers.each import each


async def sample(services: Services) -> None:
    """One sample of every site for each five minutes, however many workers there are."""

    async def one(site: str) -> None:
        await services.store.flow.sample(site, services.now())

    await each(await services.store.sites.all(), one)
