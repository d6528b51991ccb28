"""Requirements of the hourly series: counts, times to decide, samples of the queue."""

from __future__ import annotations

import asyncio

import pytest

from service.store import Store
from service.store.comments import HOUR_MS
from service.store.flow import MARK_MS, quantile, waited
from service.store.keys import STATS_S, SiteKeys
from tests.store.builders import NOW, build, decided, make_site, put


@pytest.mark.parametrize("seconds", [0, 1, 5, 60, 600, 3600, 86_400, 30 * 86_400])
def test_a_wait_is_known_to_a_tenth_and_a_bit(seconds: int) -> None:
    size = int(waited(seconds * 1000).removeprefix("waited_"))
    told = quantile({size: 1}, 0.95)
    assert told is not None
    assert abs(told - seconds * 1000) <= 0.1 * (1000 * seconds + 1000)
    assert size < 100
    assert waited(-5) == "waited_0"


def test_a_quantile_is_of_the_waits_there_are() -> None:
    assert quantile({}, 0.95) is None
    assert quantile({1: 94, 40: 6}, 0.95) == quantile({40: 1}, 0.5)
    assert quantile({1: 96, 40: 4}, 0.95) == quantile({1: 1}, 0.5)


async def test_every_hour_tells_what_came_and_what_was_decided(store: Store) -> None:
    site, version = await make_site(store)
    for i, status in enumerate(("pending", "pending", "approved", "spam")):
        await put(store, build(site, at=NOW + i), version, status)  # type: ignore[arg-type]
    late = build(site, at=NOW + HOUR_MS)
    await put(store, late, version)
    await decided(store, late, "reject", at=NOW + HOUR_MS + 100_000)
    *_, before, hour, now = await store.flow.hours("blog", NOW + 2 * HOUR_MS, 5)
    assert (before.submitted, before.held, before.decided, before.p95_ms) == (4, 2, 0, None)
    assert before.submitted_as == {"pending": 2, "approved": 1, "rejected": 0, "spam": 1}
    assert (hour.submitted, hour.decided, hour.decided_as["rejected"]) == (1, 1, 1)
    assert hour.p95_ms
    assert 90_000 < hour.p95_ms < 110_000
    assert (now.submitted, now.at % HOUR_MS) == (0, 0)
    assert now.at == hour.at + HOUR_MS == before.at + 2 * HOUR_MS


async def test_an_undo_is_no_decision(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    await decided(store, comment, "spam")
    await decided(store, comment, "undo", after="pending")
    (hour,) = await store.flow.hours("blog", NOW + 2000, 1)
    assert (hour.decided, hour.decided_as["spam"]) == (1, 1)


async def test_the_queue_is_sampled_once_for_each_five_minutes(store: Store) -> None:
    site, version = await make_site(store)
    start = NOW - NOW % HOUR_MS
    await store.flow.sample("blog", start)
    await put(store, build(site, at=start + 1), version)
    await asyncio.gather(*(store.flow.sample("blog", start + 1000) for _ in range(5)))
    await store.flow.sample("blog", start + MARK_MS)
    (hour,) = await store.flow.hours("blog", start + MARK_MS, 1)
    assert [(d.at - start, d.pending, d.oldest_at) for d in hour.depths] == [
        (0, 0, None), (MARK_MS, 1, start + 1),
    ]  # fmt: skip
    ttl = await store.wire.client.ttl(SiteKeys("blog").stats(start // HOUR_MS))
    assert 0 < ttl <= STATS_S
