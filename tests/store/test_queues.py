"""Requirements of the queues: orders, cursors, filters and claims."""

from __future__ import annotations

import asyncio
import itertools
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.ids import Secrets
from service.store import Store
from service.store.keys import BAND, SiteKeys
from service.store.queues import Filter, Position, Sort
from tests.conftest import SECRET
from tests.store.builders import (
    NOW,
    all_of,
    build,
    decided,
    make_site,
    passed,
    put,
    read,
)
from tests.store.invariants import violations

EXAMPLES = int(os.environ.get("WINNOW_TEST_EXAMPLES", "40"))


async def walk(store: Store, site: str, sort: Sort, limit: int, narrowed: Filter) -> list[str]:
    """A whole queue, page by page."""
    found: list[str] = []
    after: Position | None = None
    while page := await store.queues.page(
        site, "pending", sort=sort, limit=limit, narrowed=narrowed, after=after
    ):
        assert len(page) <= limit
        assert after not in page, "the cursor does not move on"
        found += [place.id for place in page]
        after = page[-1]
    return found


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    # Few priorities and few moments, so that there are many ties.
    places=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=60),
    limit=st.integers(1, 12),
    sort=st.sampled_from(["priority", "oldest", "newest"]),
)
def test_pages_in_every_order_give_each_comment_once_and_in_order(
    redis_url: str,
    places: list[tuple[int, int]],
    limit: int,
    sort: Sort,
) -> None:
    async def scenario() -> None:
        store = Store(redis_url, Secrets(SECRET))
        await store.open()
        try:
            key = SiteKeys("order").queue("pending")
            await store.wire.client.delete(key)
            rows = [(p, NOW + at, f"ID{i:04}") for i, (p, at) in enumerate(places)]
            if rows:
                await store.wire.client.zadd(key, {i: p * BAND + at for p, at, i in rows})
            if sort == "priority":
                rows.sort()
            else:
                rows.sort(key=lambda row: row[1:], reverse=sort == "newest")
            assert await walk(store, "order", sort, limit, Filter()) == [i for *_, i in rows]
        finally:
            await store.close()

    asyncio.run(scenario())


async def test_a_page_goes_on_where_it_ended_though_comments_left_and_came(store: Store) -> None:
    site, version = await make_site(store)
    comments = [build(site, at=NOW + i) for i in range(6)]
    for comment in comments:
        await put(store, comment, version)
    first = await store.queues.page(site.id, "pending", sort="oldest", limit=3)
    await decided(store, comments[2], "approve")  # the very one the cursor names
    await put(store, late := build(site, at=NOW + 10), version)
    rest = await store.queues.page(site.id, "pending", sort="oldest", limit=9, after=first[-1])
    assert [place.id for place in rest] == [c.id for c in comments[3:]] + [late.id]


async def test_filters_narrow_by_page_author_and_reason_and_count_alike(store: Store) -> None:
    site, version = await make_site(store)
    pages = ("https://news.example/a", "https://news.example/b")
    authors, reasons = ("x" * 22, "y" * 22), ("links.many", "author.new")
    made = []
    for i, (page, author, reason) in enumerate(itertools.product(pages, authors, reasons)):
        comment = build(site, page=page, author=author, reasons=(reason,), at=NOW + i)
        made.append(comment)
        await put(store, comment, version)
    for narrowed, wanted in (
        (Filter(page=pages[0]), made[:4]),
        (Filter(author=authors[1]), [made[2], made[3], made[6], made[7]]),
        (Filter(reason=reasons[0]), made[::2]),
    ):
        found = await walk(store, site.id, "oldest", 3, narrowed)
        assert found == [comment.id for comment in wanted]
        assert await store.queues.count(site.id, "pending", narrowed) == 4
    both = Filter(page=pages[0], author=authors[0], reason=reasons[0])
    assert await store.queues.count(site.id, "pending", both) == 1


async def test_the_overview_tells_count_and_oldest_of_each_queue(store: Store) -> None:
    site, version = await make_site(store)
    await put(store, build(site, at=NOW + 5, priority=0), version)
    await put(store, build(site, at=NOW + 1, priority=9), version)
    await put(store, build(site, at=NOW), version, "spam")
    rows = {row.status: (row.count, row.oldest_at) for row in await store.queues.waiting(site.id)}
    assert rows == {
        "pending": (2, NOW + 1),
        "approved": (0, None),
        "rejected": (0, None),
        "spam": (1, NOW),
    }


# ---------------------------------------------------------------------------- claims


async def test_claims_take_the_most_urgent_first_and_nobody_elses(store: Store) -> None:
    site, version = await make_site(store)
    comments = [build(site, at=NOW - i, priority=9 - i) for i in range(5)]
    for comment in comments:
        await put(store, comment, version)
    ann = await store.queues.claim(site.id, count=2, ttl_ms=60_000, holder="ann")
    bob = await store.queues.claim(site.id, count=9, ttl_ms=60_000, holder="bob")
    urgent = [comment.id for comment in reversed(comments)]
    assert [lease.id for lease in ann + bob] == urgent
    assert await store.queues.claim(site.id, count=9, ttl_ms=60_000, holder="eve") == []
    stored = await read(store, site.id, urgent[0])
    assert stored.lease is not None
    assert stored.lease.holder == "ann"


async def test_racing_claims_never_give_one_comment_to_two(store: Store) -> None:
    site, version = await make_site(store)
    await all_of(*(put(store, build(site, at=NOW + i), version) for i in range(60)))
    claims = [
        store.queues.claim(site.id, count=7, ttl_ms=60_000, holder=f"m{i}") for i in range(20)
    ]
    ids = [lease.id for leases in await all_of(*claims) for lease in leases]
    assert len(ids) == len(set(ids)) == 60


async def test_a_claim_is_found_behind_many_claimed_ones(store: Store) -> None:
    site, version = await make_site(store)
    await all_of(*(put(store, build(site, at=NOW + i), version) for i in range(250)))
    for _ in range(2):
        assert len(await store.queues.claim(site.id, count=100, ttl_ms=60_000, holder="a")) == 100
    assert len(await store.queues.claim(site.id, count=100, ttl_ms=60_000, holder="b")) == 50


async def test_a_claim_that_ran_out_is_offered_again_and_cannot_be_renewed(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    (lease,) = await store.queues.claim(site.id, count=1, ttl_ms=1, holder="ann")
    await passed(store, lease.expires_at)
    renewed = await store.queues.renew(site.id, comment.id, holder="ann", ttl_ms=60_000)
    assert renewed == -1
    (again,) = await store.queues.claim(site.id, count=1, ttl_ms=60_000, holder="bob")
    assert (again.id, again.holder) == (comment.id, "bob")


async def test_only_the_holder_renews_and_releases(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    (lease,) = await store.queues.claim(site.id, count=1, ttl_ms=1000, holder="ann")
    assert await store.queues.renew(site.id, comment.id, holder="bob", ttl_ms=9000) == -2
    assert await store.queues.release(site.id, comment.id, holder="bob") == -2
    later = await store.queues.renew(site.id, comment.id, holder="ann", ttl_ms=90_000)
    assert later > lease.expires_at
    assert await store.queues.release(site.id, comment.id, holder="ann") == 1
    assert await store.queues.release(site.id, comment.id, holder="ann") == 0
    assert await violations(store, site.id) == []


async def test_reaping_drops_claims_that_ran_out_and_no_others(store: Store) -> None:
    site, version = await make_site(store)
    for i in range(3):
        await put(store, build(site, at=NOW + i), version)
    gone = await store.queues.claim(site.id, count=2, ttl_ms=1, holder="ann")
    await passed(store, gone[0].expires_at)
    (kept,) = await store.queues.claim(site.id, count=1, ttl_ms=60_000, holder="bob")
    # Claiming sweeps too, so one of the three is held by now: all that ran out are gone.
    assert await store.queues.reap(site.id) == 0
    assert (await read(store, site.id, kept.id)).lease == kept
    assert await violations(store, site.id) == []


async def test_reaping_counts_what_it_dropped(store: Store) -> None:
    site, version = await make_site(store)
    for i in range(3):
        await put(store, build(site, at=NOW + i), version)
    leases = await store.queues.claim(site.id, count=3, ttl_ms=1, holder="ann")
    await passed(store, leases[0].expires_at)
    assert await store.queues.reap(site.id) == 3
    assert await store.queues.reap(site.id) == 0


@pytest.mark.parametrize("limit", [1, 500])
async def test_an_empty_queue_is_an_empty_page(store: Store, limit: int) -> None:
    assert await store.queues.page("nowhere", "pending", sort="newest", limit=limit) == []
