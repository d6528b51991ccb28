"""The hourly check counts what it finds, runs once an hour, and gives way when a worker stops."""

from __future__ import annotations

import asyncio

import redis

from service import metrics
from service.services import Services
from service.store.keys import CHECKING, SiteKeys
from service.workers.verify import Verifier, verify
from tests.store.builders import build, make_site, put


def counted() -> float:
    [family] = metrics.VIOLATIONS.collect()
    return next(s.value for s in family.samples if s.name.endswith("_total"))


async def test_what_does_not_agree_is_counted(services: Services) -> None:
    site, version = await make_site(services.store)
    comment = build(site)
    await put(services.store, comment, version)
    before = counted()
    await verify(services, pause_s=0)
    assert counted() == before
    [family] = metrics.CHECKED_AT.collect()
    assert abs(family.samples[0].value - services.now() / 1000) < 60
    await services.store.wire.execute("ZADD", SiteKeys("blog").queue("spam"), 1, comment.id)
    await verify(services, pause_s=0)
    assert counted() == before + 1


async def test_it_runs_once_an_hour_over_all_workers(
    services: Services, operator: redis.Redis
) -> None:
    await make_site(services.store)
    await services.store.wire.execute("ZADD", SiteKeys("blog").queue("spam"), 1, "nobody")
    before, stopping = counted(), asyncio.Event()
    await Verifier(stopping).verify(services)
    await Verifier(stopping).verify(services)
    assert counted() == before + 1
    assert 3500 < operator.ttl(CHECKING) <= 3600


async def test_a_worker_that_stops_gives_up_and_lets_the_next_one_check(
    services: Services, operator: redis.Redis
) -> None:
    site, version = await make_site(services.store)
    for i in range(300):
        await put(services.store, build(site, at=1_760_000_000_000 + i), version)
    stopping = asyncio.Event()
    stopping.set()
    await asyncio.wait_for(Verifier(stopping).verify(services), 10)
    assert operator.exists(CHECKING) == 0
