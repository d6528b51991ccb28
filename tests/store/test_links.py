"""Links: connections that are held from batch to batch, to servers that behave and that do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as TooSlow

from service.store.connect import connect
from service.store.links import Links


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    made = connect(redis_url)
    yield made
    await made.aclose()


def connections(operator: redis.Redis) -> int:
    """That the server has, but for the one that asks."""
    return len(operator.client_list()) - 1


async def test_answers_come_in_order_and_an_error_is_the_answer_of_its_command(client):
    links = Links(client)
    answers = await links.ask([("SET", "a", "x"), ("INCR", "a"), ("GET", "a"), ("MGET", "a", "b")])
    assert answers[0] is True
    assert isinstance(answers[1], ResponseError)
    assert answers[2:] == [b"x", [b"x", None]]
    await links.disconnect()


async def test_much_is_sent_and_read_in_pieces(client):
    """More than any buffer between: 8 MB there and 24 MB back."""
    links, text = Links(client), b"x" * (8 << 20)
    _, *found = await links.ask([("SET", "a", text), *[("GET", "a")] * 3])
    assert [each == text for each in found] == [True] * 3
    assert len(await links.ask([("ECHO", n) for n in range(20_000)])) == 20_000
    await links.disconnect()


async def test_one_connection_carries_batch_after_batch_and_those_at_once_have_one_each(
    client, operator
):
    links = Links(client)
    for _ in range(50):
        await links.ask([("PING",)])
    assert connections(operator) == 1
    await asyncio.gather(*(links.ask([("PING",)]) for _ in range(4)))
    assert connections(operator) == 4
    await links.disconnect()
    await asyncio.sleep(0.05)
    assert connections(operator) == 0


async def test_a_connection_that_was_closed_while_it_was_idle_costs_nobody_an_answer(
    client, operator
):
    links = Links(client)
    for _ in range(3):
        assert await links.ask([("PING",)]) == [True]
        operator.client_kill_filter(_type="normal", skipme=True)
        await asyncio.sleep(0.05)
    await links.disconnect()


async def test_a_batch_that_nobody_waits_for_any_more_leaves_no_answer_to_the_next(client):
    links = Links(client)
    asking = asyncio.create_task(links.ask([("XREAD", "BLOCK", 1000, "STREAMS", "nothing", "$")]))
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()
    assert await links.ask([("ECHO", "mine")]) == [b"mine"]
    await links.disconnect()


class Stranger:
    """A server that answers every batch with the same bytes, whatever was asked."""

    def __init__(self, said: bytes, path: Path) -> None:
        self.said, self.path, self.met = said, path, 0

    async def __aenter__(self) -> Stranger:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        self.client = Redis(
            unix_socket_path=str(self.path), protocol=2, socket_timeout=0.3, driver_info=None
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.met += 1
        while await reader.read(65536):
            writer.write(self.said)
        writer.close()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", TooSlow),
        (b"+PO", TooSlow),
        (b"\0garbage\r\n", Unreachable),
        (b"-LOADING dataset in memory\r\n", Unreachable),
        (b"-NOAUTH Authentication required.\r\n", Unreachable),
    ],
    ids=["nothing", "half", "garbage", "loading", "refused"],
)
async def test_who_does_not_answer_is_told_of_and_met_anew(tmp_path, said, error):
    async with Stranger(said, tmp_path / "s") as stranger:
        links = Links(stranger.client)
        for _ in range(2):
            with pytest.raises(error):
                await links.ask([("PING",)])
        assert stranger.met == 2
        stranger.said = b"+PONG\r\n"
        assert await links.ask([("PING",)]) == [True]
        await links.disconnect()


async def test_more_answers_than_questions_are_nobodys(tmp_path):
    """What was said too much must not be taken for the answer to the next question."""
    async with Stranger(b"+PONG\r\n+surplus\r\n", tmp_path / "s") as stranger:
        links = Links(stranger.client)
        for met in (1, 2, 3):
            assert await links.ask([("PING",)]) == [True]
            assert stranger.met == met
        await links.disconnect()
