"""Reap: drops claims that ran out, so that their comments are offered again."""

from __future__ import annotations

from service import metrics
from service.services import Services


async def reap(services: Services) -> None:
    """One sweep over all sites."""
    for site in await services.store.sites.all():
        metrics.LEASES_EXPIRED.inc(await services.store.queues.reap(site))
