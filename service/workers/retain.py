"""Retain: keeps what must be kept, drops what need not be."""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec import structs

from service import log, metrics
from service.pipeline.tombstone import DAY_MS, cutoff
from service.records import QUEUES, Retention, Status
from service.services import Services
from service.store import erasure_file
from service.store.keys import ERASURE_S
from service.store.retention import Walk
from service.workers.each import each

SLICE: Final = 200
"""Comments read at once."""
SLICES: Final = 20
"""Slices of one site in one round: the walk goes on where it stopped."""
REST_MS: Final = 3_600_000
"""Between two walks over a site."""


async def retain(services: Services) -> None:
    """Drops events older than a week that no webhook waits for, dead letters, old audit entries."""

    async def one(site: str) -> None:
        store, now = services.store, services.now()
        kept_from = await store.webhooks.kept_from(site, now)
        await store.events.trim(site, now, kept_from=kept_from)
        for endpoint_id in await store.webhooks.ids(site):
            await store.deliveries.forget(site, endpoint_id, now)
        await store.webhooks.register(site)
        await _old_records(services, site)

    sites = {*await services.store.sites.all(), *await services.store.webhooks.sites()}
    await each(sorted(sites), one)
    await _old_lines(services)


async def _old_records(services: Services, site: str) -> None:
    store = services.store
    now = await store.retained.now()
    await store.erasures.forget(site, now - ERASURE_S * 1000)
    configuration = await store.sites.configuration(site)
    days = configuration.site.retention.audit_days if configuration else None
    if days is not None:
        await store.retained.trim_audit(site, now - days * DAY_MS)


async def _old_lines(services: Services) -> None:
    """Shortens the file of erasures; one that cannot be written only stays long."""
    before = await services.store.retained.now() - ERASURE_S * 1000
    try:
        await asyncio.to_thread(erasure_file.forget, services.settings.data_dir, before)
    except OSError as error:
        metrics.ERASURES_UNNOTED.inc()
        log.get("retain").error("erasure_file_not_shortened", problem=str(error))


async def take_out(services: Services) -> None:
    """Takes texts and addresses out of comments that every site has kept long enough."""

    async def one(site: str) -> None:
        configuration = await services.store.sites.configuration(site)
        if configuration is not None:
            await _walk(services, site, configuration.site.retention)

    await each(await services.store.sites.all(), one)


async def _walk(services: Services, site: str, rule: Retention) -> None:
    """Some slices of the walk over a site's queues, from where it stands."""
    store, done = services.store, 0
    now, walk = await store.retained.now(), await store.retained.walk(site)
    if walk.after is None and walk.status == QUEUES[0] and now - walk.walked_at < REST_MS:
        return
    for _ in range(SLICES):
        ids, following = await _slice(services, site, walk, cutoff(rule, walk.status, now))
        done += await services.eraser.take_out(site, ids, rule, now)
        ended = following.status == QUEUES[0] and walk.status != QUEUES[0]
        walk = structs.replace(following, walked_at=now) if ended else following
        if ended:
            break
    await store.retained.keep_walk(site, walk)
    if done:
        log.get("retain").info("taken_out", site=site, comments=done)


async def _slice(
    services: Services, site: str, walk: Walk, before: int | None
) -> tuple[list[str], Walk]:
    """The next comments of a walk that were written before then, and where it goes on."""
    places = (
        []
        if before is None
        else await services.store.queues.page(
            site, walk.status, sort="oldest", limit=SLICE, after=walk.after
        )
    )
    old = [place for place in places if before is not None and place.score < before]
    if len(old) == SLICE:
        return [place.id for place in old], structs.replace(walk, after=old[-1])
    following = structs.replace(walk, status=_next(walk.status), after=None)
    return [place.id for place in old], following


def _next(status: Status) -> Status:
    return QUEUES[(QUEUES.index(status) + 1) % len(QUEUES)]
