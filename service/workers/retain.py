"""Retain: keeps what must be kept, drops what need not be."""

from __future__ import annotations

from service.services import Services


async def retain(services: Services) -> None:
    """Drops events older than a week, by age and never by count."""
    for site in await services.store.sites.all():
        await services.store.events.trim(site, services.now())
