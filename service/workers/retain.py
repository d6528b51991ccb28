"""Retain: keeps what must be kept, drops what need not be."""

from __future__ import annotations

from service.services import Services
from service.workers.each import each


async def retain(services: Services) -> None:
    """Drops events older than a week, by age and never by count."""

    async def one(site: str) -> None:
        await services.store.events.trim(site, services.now())

    await each(await services.store.sites.all(), one)
