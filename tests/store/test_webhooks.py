"""Requirements of endpoints, their queues and the outbox they read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import redis

from service.errors import Conflict, NotFound
from service.ids import Secrets
from service.records import Comment, Site
from service.store import Store
from service.store.deliveries import DEAD_KEPT_MS, Delivery
from service.store.keys import WEBHOOK_SITES, SiteKeys
from service.store.webhooks import ENDPOINTS_MAX, HELD_MS, Endpoint
from tests.store.builders import build, make_site, put
from tests.store.invariants import violations

WEEK_MS = 7 * 86_400_000
PLAIN: dict[str, Any] = {"status": 0, "took_ms": 1, "error": "", "wait_ms": 0, "disable": ""}


def endpoint(name: str = "one", **fields: Any) -> Endpoint:
    plain = {"url": "https://a.example/", "events": ("comment.approved",), "secret": f"s of {name}"}
    return Endpoint(id=name, **(plain | fields))


class Blog:
    """A site with endpoints."""

    def __init__(self, store: Store, site: Site, version: int) -> None:
        self.store, self.site, self.version = store, site, version
        self.keys = SiteKeys(site.id)
        self._held: list[Any] = []

    async def approved(self, count: int = 1) -> list[Comment]:
        made = [build(self.site) for _ in range(count)]
        for comment in made:
            await put(self.store, comment, self.version, "approved")
        return made

    async def ids(self, name: str = "one", state: Any = "waiting") -> list[str]:
        found = await self.store.deliveries.page("blog", name, (state,), limit=500, after=None)
        return [row.id for row in found]

    async def leased(self) -> Any:
        """The next delivery of `one`; of two that were leased the other is kept for later."""
        self._held += await self.store.deliveries.due("blog", "one")
        return self._held.pop(0)

    async def settle(self, leased: Any, state: Any, **more: Any) -> bool:
        return await self.store.deliveries.settle(
            "blog", "one", leased, state=state, **(PLAIN | more)
        )


@pytest.fixture
async def blog(store: Store) -> AsyncIterator[Blog]:
    made = Blog(store, *await make_site(store))
    yield made
    # Where a test trims the outbox, comments miss their events.
    wrong = await violations(store, "blog")
    assert [each for each in wrong if "events" not in each or "webhook" in each] == []


async def test_an_endpoint_is_read_back_and_its_secret_only_with_the_installations(
    blog: Blog, redis_url: str
) -> None:
    given = endpoint(created_at=5)
    await blog.store.webhooks.add("blog", given)
    found = await blog.store.webhooks.read("blog", "one")
    assert found is not None
    assert msgspec.structs.replace(found, cursor="0-0") == given
    foreign = Store(redis_url, Secrets(b"another secret of 32 bytes long.."))
    stolen = await foreign.webhooks.read("blog", "one")
    await foreign.close()
    assert stolen is not None
    assert (stolen.url, stolen.secret) == (given.url, "")
    assert stolen.secrets(0) == []


async def test_no_endpoint_is_made_on_a_site_that_is_gone_or_changed_once_it_is_removed(
    blog: Blog,
) -> None:
    hooks = blog.store.webhooks
    with pytest.raises(NotFound):
        await hooks.add("nowhere", endpoint())
    await hooks.add("blog", endpoint())
    assert await hooks.remove("blog", "one")
    assert not await hooks.remove("blog", "one")
    with pytest.raises(NotFound):
        await hooks.change("blog", "one", paused=True)
    with pytest.raises(NotFound):
        await hooks.rotate("blog", "one", "s", old_until=1)
    assert await blog.store.deliveries.due("blog", "one") == []
    assert await blog.store.deliveries.again("blog", "one", "x", _test()) == 0
    client = blog.store.wire.client
    assert [key async for key in client.scan_iter(blog.keys.prefix() + "e:*")] == []


def _test() -> Delivery:
    return Delivery(event="webhook.test", comment="", version=0, status="", before="", at=1)


async def test_a_site_has_no_more_than_the_most(blog: Blog) -> None:
    made = [blog.store.webhooks.add("blog", endpoint(f"e{i}")) for i in range(ENDPOINTS_MAX + 5)]
    done = await asyncio.gather(*made, return_exceptions=True)
    assert sum(isinstance(each, Conflict) for each in done) == 5
    assert len(await blog.store.webhooks.all("blog")) == ENDPOINTS_MAX


async def test_a_rotation_that_is_sent_twice_keeps_the_old_secret(blog: Blog) -> None:
    hooks = blog.store.webhooks
    await hooks.add("blog", endpoint())
    await hooks.rotate("blog", "one", "new", old_until=9)
    sealed = await blog.store.wire.client.hget(blog.keys.webhook("one"), "secret")
    await hooks._change("blog", "one", {"secret": sealed.decode()})  # the reply was lost
    found = await hooks.read("blog", "one")
    assert found is not None
    assert found.secrets(8) == ["new", "s of one"]
    assert found.secrets(9) == ["new"]


async def test_events_become_deliveries_with_the_cursor_and_only_once(blog: Blog) -> None:
    await blog.store.webhooks.add("blog", endpoint())
    await blog.store.webhooks.add("blog", endpoint("two", events=("comment.submitted",)))
    comments = await blog.approved(5)
    calls = [blog.store.deliveries.due("blog", name) for name in ("one", "two") * 10]
    leased = [each for found in await asyncio.gather(*calls) for each in found]
    assert len(leased) == len({each.id for each in leased}) == 4  # two at once for each
    for name in ("one", "two"):
        ids = await blog.ids(name)
        assert len(ids) == 5
        found = await blog.store.webhooks.read("blog", name)
        newest = await blog.store.events.newest("blog")
        assert found is not None
        assert found.cursor == newest
    assert {each.delivery.comment for each in leased} <= {comment.id for comment in comments}


async def test_an_attempt_has_a_lease_and_ends_in_one_of_three_ways(blog: Blog) -> None:
    await blog.store.webhooks.add("blog", endpoint())
    await blog.approved(3)
    first, second = await blog.store.deliveries.due("blog", "one")
    assert await blog.settle(first, "delivered", status=204)
    assert await blog.settle(second, "dead", status=410, disable="gone")
    assert not await blog.settle(first, "delivered", status=204)
    assert await blog.ids(state="delivered") == [first.id]
    assert await blog.ids(state="dead") == [second.id]
    found = await blog.store.webhooks.read("blog", "one")
    assert found is not None
    assert found.disabled == "gone"
    assert await blog.store.deliveries.due("blog", "one") == []  # disabled
    await blog.store.webhooks.change("blog", "one", paused=False)
    third = await blog.leased()
    assert await blog.settle(third, "retry", wait_ms=60_000, status=500)
    (logged,) = await blog.store.deliveries.page("blog", "one", ("waiting",), limit=9, after=None)
    assert logged.next_at is not None
    assert 50_000 < logged.next_at - time.time() * 1000 <= 60_000
    assert await blog.store.deliveries.due("blog", "one") == []


async def test_a_success_ends_failing_and_the_first_failure_begins_it(blog: Blog) -> None:
    await blog.store.webhooks.add("blog", endpoint())
    await blog.approved(3)

    async def since() -> int | None:
        found = await blog.store.webhooks.read("blog", "one")
        assert found is not None
        return found.failing_since

    await blog.settle(await blog.leased(), "retry", wait_ms=60_000)
    began = await since()
    assert began is not None
    await asyncio.sleep(0.005)
    await blog.settle(await blog.leased(), "dead")
    assert await since() == began
    await blog.settle(await blog.leased(), "delivered")
    assert await since() is None


async def test_of_what_was_delivered_the_newest_are_kept(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.deliveries.DELIVERED_KEPT", 3)
    await blog.store.webhooks.add("blog", endpoint())
    await blog.approved(6)
    ids = []
    for _ in range(6):
        leased = await blog.leased()
        await blog.settle(leased, "delivered")
        ids.append(leased.id)
    assert set(await blog.ids(state="delivered")) == set(ids[3:])
    assert await blog.store.wire.client.hlen(blog.keys.deliveries("one")) == 3


async def test_dead_letters_are_dropped_after_thirty_days(blog: Blog) -> None:
    await blog.store.webhooks.add("blog", endpoint())
    await blog.approved()
    await blog.settle(await blog.leased(), "dead")
    now = round(time.time() * 1000)
    assert await blog.store.deliveries.forget("blog", "one", now + DEAD_KEPT_MS - 60_000) == 0
    assert await blog.store.deliveries.forget("blog", "one", now + DEAD_KEPT_MS + 60_000) == 1
    assert await blog.ids(state="dead") == []


async def test_the_outbox_keeps_what_an_endpoint_waits_for(blog: Blog) -> None:
    """A week for all, a month for one that is behind, and then it is said what is missed."""
    hooks, events = blog.store.webhooks, blog.store.events
    await hooks.add("blog", endpoint("behind"))
    await hooks.add("blog", endpoint("paused"))
    await hooks.change("blog", "paused", paused=True)
    await blog.approved()
    first = int((await events.oldest("blog")).partition("-")[0])

    async def missed(now: int) -> dict[str, int | None]:
        kept_from = await hooks.kept_from("blog", now)
        await events.trim("blog", now, kept_from=kept_from)
        return {each.id: each.missed_until for each in await hooks.all("blog")}

    assert await missed(first + WEEK_MS - 1) == {"behind": None, "paused": None}
    later = first + 2 * WEEK_MS
    assert await hooks.kept_from("blog", later) <= first
    # For the paused one nothing is dropped either, as long as another holds it.
    assert await missed(later) == {"behind": None, "paused": None}
    assert len(await events.after("blog", "0-0")) == 2
    await hooks.change("blog", "behind", paused=True)
    floor = later - WEEK_MS
    assert await missed(later) == {"behind": floor, "paused": floor}


async def test_the_outbox_does_not_wait_for_an_endpoint_for_ever(blog: Blog) -> None:
    await blog.store.webhooks.add("blog", endpoint())
    await blog.approved()
    first = int((await blog.store.events.oldest("blog")).partition("-")[0])
    late = first + HELD_MS + 1
    assert await blog.store.webhooks.kept_from("blog", late) == late - WEEK_MS
    found = await blog.store.webhooks.read("blog", "one")
    assert found is not None
    assert found.missed_until == late - WEEK_MS


async def test_an_endpoint_that_has_everything_holds_nothing(blog: Blog) -> None:
    await blog.store.webhooks.add("blog", endpoint())
    await blog.approved()
    await blog.store.deliveries.due("blog", "one")
    now = round(time.time() * 1000) + 9 * WEEK_MS
    assert await blog.store.webhooks.kept_from("blog", now) == now - WEEK_MS
    found = await blog.store.webhooks.read("blog", "one")
    assert found is not None
    assert found.missed_until is None


async def test_the_registry_of_sites_is_rebuilt_from_the_sites(blog: Blog) -> None:
    hooks, client = blog.store.webhooks, blog.store.wire.client
    await hooks.add("blog", endpoint())
    assert await hooks.sites() == ["blog"]
    await client.delete(WEBHOOK_SITES)
    await hooks.register("blog")
    assert await hooks.sites() == ["blog"]
    await hooks.remove("blog", "one")
    await hooks.register("blog")
    assert await hooks.sites() == []


async def test_a_full_store_still_lets_deliveries_be_dealt_with(
    blog: Blog, operator: redis.Redis
) -> None:
    await blog.store.webhooks.add("blog", endpoint())
    await blog.approved()
    operator.config_set("maxmemory", 1)
    leased = await blog.leased()
    assert await blog.settle(leased, "delivered")
    operator.config_set("maxmemory", 0)
