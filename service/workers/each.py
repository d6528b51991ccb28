"""Each: one piece of work for every site, so that a broken site does not starve the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from service import log, metrics
from service.errors import Unavailable


async def each(sites: Iterable[str], work: Callable[[str], Awaitable[None]]) -> None:
    """Works on one site after the other; a failure is told and the next one has its turn."""
    for site in sites:
        try:
            await work(site)
        except Unavailable:
            metrics.UNAVAILABLE.inc()
        except Exception as error:
            name = getattr(work, "__qualname__", "").partition(".")[0]
            metrics.ROUND_FAILURES.labels(name).inc()
            log.get("worker").error("site_failed", round=name, site=site, exc_info=error)
