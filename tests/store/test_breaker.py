"""Requirements of the circuit breaker: a store that hangs is not waited for by everyone."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from service.errors import Unavailable
from service.ids import Secrets
from service.store import Store
from service.store.lanes import DEADLINE_S
from tests.store import fleets

SECRETS = Secrets(bytes(range(32)))


@pytest.fixture
def node(server_kind: str, tmp_path: Path) -> Iterator[fleets.Node]:
    """A server on a TCP port, as on another machine."""
    binary = fleets.binary(server_kind)
    if binary is None:
        pytest.skip(f"no {server_kind} is installed on this machine")
    started = fleets.Node(binary, tmp_path / "node", ["appendonly yes", "appendfsync always"])
    fleets.until(lambda: started.ask("PING"), "the start")
    yield started
    started.end()


@pytest.fixture
async def store(node: fleets.Node) -> AsyncIterator[Store]:
    opened = Store(f"redis://{node.address}", SECRETS)
    await opened.open()
    yield opened
    await opened.close()


async def refusal_s(store: Store) -> float:
    """How long a call takes to be refused."""
    began = time.perf_counter()
    with pytest.raises(Unavailable) as refused:
        await store.health.probe(1)
    assert int(refused.value.headers["Retry-After"]) >= 1
    return time.perf_counter() - began


async def test_after_a_few_missed_deadlines_calls_are_refused_at_once_until_it_answers_again(
    store: Store, node: fleets.Node
) -> None:
    await store.health.probe(1)
    node.signal(signal.SIGSTOP)
    try:
        began = time.perf_counter()
        first = await asyncio.gather(
            *(store.wire.execute("GET", f"k{n}") for n in range(2000)), return_exceptions=True
        )
        assert all(isinstance(answer, Unavailable) for answer in first)
        assert time.perf_counter() - began < 3 * DEADLINE_S
        async with asyncio.timeout(30):
            refusals = sorted([await refusal_s(store) for _ in range(1000)])
        assert refusals[989] < 0.1, "p99 of what is refused"
    finally:
        node.signal(signal.SIGCONT)
    async with asyncio.timeout(10):
        while True:
            try:
                await store.health.probe(2)
                break
            except Unavailable:
                await asyncio.sleep(0.1)
    assert await store.wire.execute("GET", "nothing") is None


async def test_while_it_is_open_the_server_is_asked_once_a_second_and_not_by_callers(
    store: Store, node: fleets.Node
) -> None:
    node.signal(signal.SIGSTOP)
    try:
        calls = [store.wire.execute("GET", f"k{n}") for n in range(2000)]
        await asyncio.gather(*calls, return_exceptions=True)
        for _ in range(200):
            await refusal_s(store)
            await asyncio.sleep(0.01)
    finally:
        node.signal(signal.SIGCONT)
    await asyncio.sleep(0.5)
    asked = node.client().info("commandstats")
    # Four round trips were under way; of the 200 calls since, none reached it.
    assert asked.get("cmdstat_set", {}).get("calls", 0) <= 2


async def test_a_server_that_is_gone_is_asked_again_at_once(
    store: Store, node: fleets.Node
) -> None:
    """It refuses connections without delay, so nothing piles up and nothing is held back."""
    node.end()
    for _ in range(10):
        with pytest.raises(Unavailable):
            await store.health.probe(1)
    node.start()
    async with asyncio.timeout(20):
        while True:
            try:
                await store.health.probe(2)
                break
            except Unavailable:
                await asyncio.sleep(0.05)
