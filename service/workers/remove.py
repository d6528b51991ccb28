"""Remove: finishes deletions of sites that were interrupted."""

from __future__ import annotations

from service import log
from service.services import Services
from service.workers.each import each


async def remove(services: Services) -> None:
    """One sweep over the sites whose deletion has begun."""

    async def one(site: str) -> None:
        await services.store.sites.remove(site)
        log.get("remove").info("removed", site=site)

    await each(await services.store.sites.deleting(), one)
