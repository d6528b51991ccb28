"""Requirements of the appeal on the store: one per comment, and everything stays in agreement."""

from __future__ import annotations

import pytest

from service.errors import Conflict
from service.pipeline.appeals import Appealed, appeal, standing
from service.pipeline.review import Decision, Review
from service.store import Store
from service.store.queues import Filter
from tests.store.builders import NOW, all_of, build, decided, make_site, put, read
from tests.store.invariants import violations


async def test_of_many_different_appeals_one_is_written_and_all_agrees(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site, reasons=("links.too_many", "author.first", "spam", "ban"), priority=5)
    await put(store, comment, version)
    await decided(store, comment, "spam")
    stored = await read(store, site.id, comment.id)
    texts = [f"I meant no harm, number {number}." for number in range(20)]
    outcomes = await all_of(*(appeal(store, stored, text, now=NOW + 5000) for text in texts))
    (won,) = [outcome for outcome in outcomes if isinstance(outcome, Appealed)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert len(lost) == 19
    assert all(one.members == {"code": "already_appealed"} for one in lost)
    assert won.stored.comment.appeal in texts
    assert await store.queues.count(site.id, "pending", Filter(reason="appeal")) == 1
    assert await store.queues.count(site.id, "spam", Filter()) == 0
    assert await violations(store, site.id) == []


async def test_an_appeal_and_a_decision_at_once_leave_one_order_of_events(store: Store) -> None:
    """Whoever is second sees the first: the appeal of an approved comment is refused."""
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    await decided(store, comment, "reject")
    stored = await read(store, site.id, comment.id)
    await decided(store, comment, "approve")
    with pytest.raises(Conflict) as refused:
        await appeal(store, stored, "It was only a joke.", now=NOW)
    assert refused.value.members == {"code": "not_refused"}
    assert await violations(store, site.id) == []


async def test_the_wait_of_an_appeal_is_counted_from_the_appeal(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    await decided(store, comment, "reject", at=NOW + 1_000)
    stored = await read(store, site.id, comment.id)
    await appeal(store, stored, "It was only a joke.", now=NOW + 86_400_000)
    decision = Decision(id=comment.id, action="approve", version=3)
    await Review(store).decide(site.id, decision, actor="a", operation=None, now=NOW + 86_407_000)
    flow = await store.queues.flow(site.id, NOW)
    assert sorted(flow.latencies_ms) == [1_000, 7_000]
    assert standing(await read(store, site.id, comment.id)) == "granted"
    assert await violations(store, site.id) == []
