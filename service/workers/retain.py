"""Retain: keeps what must be kept, drops what need not be."""

from __future__ import annotations

from service.services import Services
from service.workers.each import each


async def retain(services: Services) -> None:
    """Drops events older than a week that no webhook waits for, and old dead letters."""

    async def one(site: str) -> None:
        store, now = services.store, services.now()
        kept_from = await store.webhooks.kept_from(site, now)
        await store.events.trim(site, now, kept_from=kept_from)
        for endpoint_id in await store.webhooks.ids(site):
            await store.deliveries.forget(site, endpoint_id, now)
        await store.webhooks.register(site)

    sites = {*await services.store.sites.all(), *await services.store.webhooks.sites()}
    await each(sorted(sites), one)
