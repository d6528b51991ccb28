"""Erase: goes on with erasures that have begun, then has the append-only file written anew."""

from __future__ import annotations

from service import log, metrics
from service.services import Services
from service.store.rewriting import PAUSE_S, RewriteRefused
from service.workers.each import each


async def erase(services: Services, *, pause_s: int = PAUSE_S) -> None:
    """One sweep over all sites.

    Args:
        services: the parts.
        pause_s: seconds between two rewrites of the append-only file at least.
    """

    async def one(site: str) -> None:
        for author in await services.store.erasures.running(site):
            await services.eraser.go_on(site, author)

    await each(await services.store.sites.all(), one)
    await _rewrite(services, pause_s)


async def _rewrite(services: Services, pause_s: int) -> None:
    store = services.store
    if not await store.rewrites.wanted():
        return
    for site in await store.sites.all():
        if await store.erasures.running(site):
            return  # it failed above: what is left would be written into the new file
    try:
        if await store.rewrites.rewrite(pause_s=pause_s):
            metrics.REWRITES.labels("done").inc()
            log.get("erase").info("append_only_file_rewritten")
    except RewriteRefused as refused:
        metrics.REWRITES.labels("refused").inc()
        log.get("erase").error("append_only_file_not_rewritten", problem=str(refused))
