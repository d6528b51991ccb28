"""Requirements when the server forgets, hangs, dies or comes back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import redis

from service.errors import Unavailable
from service.ids import Secrets
from service.records import RejectionRule, Site
from service.store import Store, embedded
from tests.store.builders import AUTHOR, NOW, all_of, build, decided, make_site, put, read
from tests.store.invariants import violations

Launch = Callable[[str, Path], embedded.EmbeddedServer]


@pytest.fixture
def own(server_kind: str, launch_server: Launch, tmp_path: Path) -> embedded.EmbeddedServer:
    """A server that may be killed."""
    return launch_server(server_kind, tmp_path / "data")


@pytest.fixture
async def own_store(own: embedded.EmbeddedServer) -> AsyncIterator[Store]:
    store = Store(own.url, Secrets(bytes(range(32))))
    await store.open()
    yield store
    await store.close()


async def test_scripts_are_sent_again_after_the_server_forgot_them(
    store: Store, operator: redis.Redis
) -> None:
    site, version = await make_site(store)
    operator.script_flush()
    comments = [build(site, at=NOW + i) for i in range(20)]
    answers = await all_of(*(put(store, comment, version) for comment in comments))
    assert answers == [None] * 20
    operator.script_flush()
    await decided(store, comments[0], "approve")
    assert await violations(store, site.id) == []


async def test_hundreds_of_calls_at_once_are_all_answered_in_order(store: Store) -> None:
    asked = [store.wire.execute("ECHO", str(i)) for i in range(3000)]
    assert await asyncio.gather(*asked) == [str(i).encode() for i in range(3000)]


async def test_one_wrong_command_fails_alone(store: Store) -> None:
    asked = [store.wire.execute("SET", "w:probe", "1"), store.wire.execute("INCR")]
    fine, wrong = await all_of(*asked)
    assert fine
    assert isinstance(wrong, redis.ResponseError)


async def test_a_call_whose_caller_left_harms_no_other(store: Store) -> None:
    gone = asyncio.ensure_future(store.wire.execute("ECHO", "gone"))
    kept = asyncio.ensure_future(store.wire.execute("ECHO", "kept"))
    gone.cancel()
    assert await kept == b"kept"


async def test_a_connection_the_server_closed_is_not_noticed(
    store: Store, operator: redis.Redis
) -> None:
    site, version = await make_site(store)
    for i in range(5):
        operator.execute_command("CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES")
        assert await put(store, build(site, at=NOW + i), version) is None
    assert await violations(store, site.id) == []


async def test_a_stopped_server_means_unavailable_within_the_deadline(
    own: embedded.EmbeddedServer, own_store: Store
) -> None:
    site, version = await make_site(own_store)
    comment = build(site)
    os.kill(own.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(6):
            with pytest.raises(Unavailable):
                await put(own_store, comment, version)
    finally:
        os.kill(own.pid, signal.SIGCONT)
    # What was sent before may be carried out now; the same comment sent again is there once.
    assert await put(own_store, comment, version) is None
    assert (await read(own_store, site.id, comment.id)).comment == comment
    assert await violations(own_store, site.id) == []


async def test_a_dead_server_means_unavailable_and_a_new_one_is_used_at_once(
    own: embedded.EmbeddedServer, own_store: Store, server_kind: str, launch_server: Launch,
    tmp_path: Path,
) -> None:  # fmt: skip
    site, version = await make_site(own_store)
    kept = build(site)
    await put(own_store, kept, version)
    os.kill(own.pid, signal.SIGKILL)
    lost = build(site, at=NOW + 1)
    while own.alive():
        pass
    with pytest.raises(Unavailable):
        await put(own_store, lost, version)
    with pytest.raises(Unavailable):
        await own_store.comments.surroundings(
            site.id, author=AUTHOR, page="/", fingerprint="f", parent=None,
            rejection=RejectionRule(), idempotency=None, now=NOW,
        )  # fmt: skip
    own.stop(5)
    launch_server(server_kind, tmp_path / "data")
    assert (await read(own_store, site.id, kept.id)).comment == kept
    # The same comment may be sent again whatever became of it, and is there once.
    assert await put(own_store, lost, version) is None
    assert await violations(own_store, site.id) == []


async def test_kill_9_of_the_server_keeps_every_acknowledged_comment(
    server_kind: str, launch_server: Launch, tmp_path: Path
) -> None:
    home, secrets = tmp_path / "data", Secrets(bytes(range(32)))
    acknowledged: list[str] = []
    decided_on: list[str] = []
    for generation in range(4):
        server = launch_server(server_kind, home)
        store = Store(server.url, secrets)
        await store.open()
        if generation == 0:
            site, version = await make_site(store)

        enough = len(acknowledged) + 150, asyncio.Event()
        load = (_load(store, site, version, acknowledged, decided_on, enough) for _ in range(16))
        loads = [asyncio.create_task(one) for one in load]
        await enough[1].wait()
        os.kill(server.pid, signal.SIGKILL)
        failures = await asyncio.gather(*loads, return_exceptions=True)
        assert {type(failure) for failure in failures} == {Unavailable}
        await store.close()
        server.stop(5)
    server = launch_server(server_kind, home)
    store = Store(server.url, secrets)
    await store.open()
    found = await store.comments.read_many(site.id, acknowledged)
    assert all(found)
    approved = await store.comments.read_many(site.id, decided_on)
    assert {stored and stored.status for stored in approved} == {"approved"}
    assert await violations(store, site.id) == []
    await store.close()


async def _load(
    store: Store,
    site: Site,
    version: int,
    acknowledged: list[str],
    decided_on: list[str],
    enough: tuple[int, asyncio.Event],
) -> None:
    """Posts for ever, and decides on every second comment."""
    while True:
        comment = build(site, at=NOW)
        await put(store, comment, version)
        acknowledged.append(comment.id)
        if len(acknowledged) % 2:
            await decided(store, comment, "approve")
            decided_on.append(comment.id)
        if len(acknowledged) >= enough[0]:
            enough[1].set()


async def test_old_events_are_trimmed_by_age_and_never_by_number(store: Store) -> None:
    site, version = await make_site(store)
    await all_of(*(put(store, build(site, at=NOW + i), version) for i in range(200)))
    seconds, _ = await store.wire.client.time()
    assert await store.events.trim(site.id, seconds * 1000) == 0
    assert len(await store.events.after(site.id, "0-0", limit=1000)) == 400
    await store.events.trim(site.id, (seconds + 8 * 86_400) * 1000)
    left = await store.events.after(site.id, "0-0", limit=1000)
    # Trimming is by whole nodes of the stream (100 entries): the rest goes with the next ones.
    assert len(left) < 200


async def test_following_gives_events_as_they_come(store: Store) -> None:
    site, version = await make_site(store)
    cursor = await store.events.newest(site.id)
    feed = store.events.follow(site.id, cursor)
    waiting = asyncio.ensure_future(anext(feed))
    await put(store, build(site), version)
    async with asyncio.timeout(10):
        seen = await waiting
        while len(seen) < 2:
            seen += await anext(feed)
    assert [event.type for event in seen] == ["comment.submitted", "comment.pending"]
    await feed.aclose()


async def test_the_store_says_how_durable_an_acknowledgement_is(
    store: Store, operator: redis.Redis
) -> None:
    assert (await store.health.state()).durability == 2
    operator.config_set("appendfsync", "everysec")
    try:
        assert (await store.health.state()).durability == 1
    finally:
        operator.config_set("appendfsync", "always")
