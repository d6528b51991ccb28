"""Requirements of the fan-out inside one process: slow listeners harm nobody else."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.feed import BACKLOG, Feeds, Listener
from service.setting_kinds import network
from service.store import Store
from service.throttle import client_ip
from tests.store.builders import NOW, all_of, build, make_site, put


async def test_a_listener_too_slow_to_follow_is_ended_and_the_others_hear_on(store: Store) -> None:
    site, version = await make_site(store)
    feeds = Feeds(store.events)
    comments = BACKLOG // 2 + 5  # two events each

    async def follow(listener: Listener) -> int:
        heard = 0
        while heard < 2 * comments:
            assert await listener.get() is not None
            heard += 1
        return heard

    async with AsyncExitStack() as stack, asyncio.timeout(30):
        slow = await stack.enter_async_context(feeds.listen(site.id))
        quick = [await stack.enter_async_context(feeds.listen(site.id)) for _ in range(12)]
        following = [asyncio.create_task(follow(listener)) for listener in quick]
        await all_of(*(put(store, build(site, at=NOW + i), version) for i in range(comments)))
        assert await asyncio.gather(*following) == [2 * comments] * 12
        # Nothing of what it did not read: it resumes behind what it did, and misses no event.
        assert slow.get_nowait() is None
        assert slow.empty()


async def test_closing_the_feeds_ends_every_listener(store: Store) -> None:
    site, _ = await make_site(store)
    feeds = Feeds(store.events)
    async with feeds.listen(site.id) as one, feeds.listen(site.id) as two, asyncio.timeout(10):
        feeds.close()
        assert await one.get() is None
        assert await two.get() is None


async def test_a_listener_who_comes_while_another_leaves_is_not_ended(store: Store) -> None:
    site, version = await make_site(store)
    feeds = Feeds(store.events)
    async with asyncio.timeout(20):
        for i in range(5):
            async with feeds.listen(site.id):
                pass
            async with feeds.listen(site.id) as listener:
                await put(store, build(site, at=NOW + i), version)
                assert (await listener.get()) is not None


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("198.51.100.1", [], "198.51.100.1"),
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),  # not a proxy of ours
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4", "203.0.113.9"], "203.0.113.9"),  # the proxy added a header
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("::ffff:198.51.100.1", [], "198.51.100.1"),  # IPv4 over an IPv6 socket
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
    ],
)
def test_an_address_is_believed_from_our_proxies_only(
    peer: str, forwarded: list[str], seen: str
) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    scope = {"client": (peer, 1), "headers": headers}
    trusted = [network("10.0.0.0/8")]
    assert client_ip(scope, trusted) == seen
