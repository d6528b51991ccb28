"""Requirements of `store/usage`: counts by month and host, bounded in number and time."""

from __future__ import annotations

from service.store import Store, usage
from service.store.keys import USAGE_S, SiteKeys
from service.store.usage import Counts, month_of

NOW = 1_790_000_000_000
MONTH = "2026-09"


async def test_what_is_counted_is_read_by_month_and_host(store: Store) -> None:
    for _ in range(3):
        await store.usage.count("blog", "a.example", "asked", "spam", now=NOW)
    await store.usage.count("blog", "b.example", "asked", "ham", now=NOW)
    await store.usage.count("blog", "b.example", "missed_spam", now=NOW)
    await store.usage.count("blog", "b.example", "asked", "ham", now=NOW + 31 * 86_400_000)
    await store.usage.count("shop", "c.example", "asked", "ham", now=NOW)
    assert await store.usage.of_month("blog", MONTH) == {
        "a.example": Counts(asked=3, spam=3),
        "b.example": Counts(asked=1, ham=1, missed_spam=1),
    }
    assert await store.usage.of_month("blog", "2026-10") == {"b.example": Counts(asked=1, ham=1)}
    assert await store.usage.of_month("blog", "2020-01") == {}


async def test_a_month_is_forgotten_after_thirteen(store: Store) -> None:
    await store.usage.count("blog", "a.example", "asked", now=NOW)
    left = await store.wire.client.ttl(SiteKeys("blog").usage(MONTH))
    assert USAGE_S - 5 <= left <= USAGE_S
    assert month_of(NOW) == MONTH


async def test_hosts_beyond_the_cap_are_counted_together(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(usage, "FIELDS_MAX", 4)
    for i in range(6):
        await store.usage.count("blog", f"{i}.example", "asked", "ham", now=NOW)
    await store.usage.count("blog", "0.example", "asked", "ham", now=NOW)
    assert await store.usage.of_month("blog", MONTH) == {
        "0.example": Counts(asked=2, ham=2),
        "1.example": Counts(asked=1, ham=1),
        usage.OTHERS: Counts(asked=4, ham=4),
    }


async def test_what_a_later_release_counts_is_passed_by(store: Store) -> None:
    await store.wire.client.hset(SiteKeys("blog").usage(MONTH), "ghosts a.example", 3)
    assert await store.usage.of_month("blog", MONTH) == {"a.example": Counts()}
