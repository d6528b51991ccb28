"""The wire under stress: bounded waiting, one answer each, nothing done twice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from urllib.parse import quote

import pytest

from service.errors import Unavailable
from service.store.connect import DEADLINE_S, MAX_WAITING, Wire, connect
from service.store.scripts import Scripts


async def test_with_a_hung_server_every_caller_is_told_within_a_few_deadlines(store, server):
    """4,000 calls to a stopped server all end in `Unavailable`; none waits for ever."""
    await store.health.probe(1)
    os.kill(server.pid, signal.SIGSTOP)
    started = time.monotonic()
    try:
        calls = [store.wire.execute("GET", f"k{n}") for n in range(4000)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert time.monotonic() - started < 3 * DEADLINE_S


async def test_more_calls_than_may_wait_are_refused_at_once(store):
    calls = [store.wire.execute("PING") for _ in range(MAX_WAITING + 5)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert len(refused) == 5
    assert len(answers) - len(refused) == MAX_WAITING


async def test_waiting_calls_use_every_round_trip_that_may_be_under_way(store):
    """A burst of 3,000 calls is answered; later batches do not wait for the first to return."""
    answers = await asyncio.gather(*(store.wire.execute("ECHO", n) for n in range(3000)))
    assert [int(answer) for answer in answers] == list(range(3000))


class Dropping:
    """A proxy before the server that loses the reply it is told to lose."""

    def __init__(self, path: str) -> None:
        self.path, self.drop = path, False

    async def serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        server, forth = await asyncio.open_unix_connection(self.path)

        async def replies() -> None:
            while data := await server.read(65536):
                if self.drop:
                    self.drop = False
                    break
                back.write(data)
            back.close()

        task = asyncio.create_task(replies())
        while data := await client.read(65536):
            forth.write(data)
        forth.close()
        await task


@pytest.fixture
async def dropping(server, redis_url, tmp_path):
    """A wire through such a proxy."""
    proxy = Dropping(server.socket)
    listener = await asyncio.start_unix_server(proxy.serve, tmp_path / "proxy")
    through = server.url.replace(quote(server.socket), quote(f"{tmp_path}/proxy"))
    wire = Wire(connect(through), Scripts())
    await wire.execute("SET", "n", 0)
    yield proxy, wire
    await wire.close()
    listener.close()


async def test_a_lost_reply_is_asked_for_again_where_that_is_safe(dropping):
    proxy, wire = dropping
    proxy.drop = True
    assert await wire.execute("SET", "n", 7)
    assert not proxy.drop


async def test_a_lost_reply_to_what_must_happen_once_is_told_and_nothing_repeated(dropping):
    proxy, wire = dropping
    proxy.drop = True
    with pytest.raises(Unavailable):
        await wire.execute("INCR", "n", again=False)
    assert int(await wire.execute("GET", "n")) == 1
