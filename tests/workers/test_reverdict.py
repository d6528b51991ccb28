"""Requirements of the worker that tells websites when the verdict on a comment changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from service.ids import Secrets, as_uuid
from service.pipeline.answer import of_standing
from service.pipeline.review import Decision
from service.pipeline.score import Scorer
from service.records import Action, Draft, Policy, Site
from service.services import Services
from service.settings import Settings
from service.store.callbacks import Callback
from service.store.keys import SiteKeys
from service.workers import reverdict as module
from service.workers.reverdict import RETRIES_S, SETTLED_MS, reverdict
from tests.conftest import SECRET, Winnow, until
from tests.conftest import Site as MadeSite

KEY = "abcdefghijkl"


class Receiver:
    """A website: remembers what it is sent, answers as it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.status = 200
        self.during: Callable[[], Any] | None = None

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rows = head.split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (row.partition(":") for row in rows if row)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.got.append((line.split()[1], headers, json.loads(body)))
        if self.during is not None:
            await self.during()
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 2\r\n\r\n{}" % self.status)
        await writer.drain()
        writer.close()

    @property
    def results(self) -> list[str]:
        return [said["comments"][0]["result"] for _, _, said in self.got]


@asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[str]:
    server = await asyncio.start_server(receiver, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()


class World:
    """A site with one comment that a website was told of, and a clock."""

    def __init__(self, parts: Services, receiver: Receiver, url: str) -> None:
        self.parts, self.receiver, self.url = parts, receiver, url
        self.time = parts.now() - 10_000_000
        parts.now = lambda: self.time  # type: ignore[method-assign]

    async def submit(self) -> None:
        """Enters a comment and tells its website how it stands, as the door does."""
        draft = Draft(page="/a", name="A reader", email="r@example.org", body="Hello there.")
        accepted = await self.parts.intake.submit(draft, "blog", idempotency=None, now=self.time)
        self.id = accepted.id
        stored = await self.parts.store.comments.read("blog", self.id)
        assert stored is not None
        answer = of_standing(stored)
        comments = {"comments": [{"guid": as_uuid(self.id), "result": "true"}]}
        said = {"key": KEY, "endpoint": "comment-check"} | comments
        if_spam = msgspec.json.encode(said)
        callback = Callback(
            url=self.url,
            spam=answer.spam,
            waits=answer.waits,
            if_spam=if_spam,
            if_not=if_spam.replace(b'"true"', b'"false"'),
        )
        await self.parts.store.callbacks.keep(stored.comment, callback)
        await self.parts.store.callbacks.watch("blog", "0-0")

    async def decide(self, action: Action) -> None:
        stored = await self.parts.store.comments.read("blog", self.id)
        assert stored is not None
        decision = Decision(id=self.id, action=action, version=stored.version)
        await self.parts.review.decide("blog", decision, actor="m", operation=None, now=self.time)

    async def undo(self) -> None:
        stored = await self.parts.store.comments.read("blog", self.id)
        assert stored is not None
        await self.parts.review.undo(
            "blog", self.id, stored.version, actor="m", operation=None, now=self.time
        )

    async def later(self, ms: int = SETTLED_MS) -> None:
        """One sweep some time later."""
        await reverdict(self.parts)
        self.time += ms
        await reverdict(self.parts)

    async def due(self) -> list[Any]:
        return list(await self.parts.store.wire.client.zrange(
            SiteKeys("blog").callbacks_due(), 0, -1, withscores=True
        ))  # fmt: skip


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    settings = Settings(outgoing_networks=("127.0.0.0/8",))
    parts = Services(settings, redis_url, Secrets(SECRET), Scorer(None))
    await parts.store.open()
    await parts.store.sites.create(Site(id="blog", number=0), Policy())
    receiver = Receiver()
    async with listening(receiver) as url:
        made = World(parts, receiver, url)
        await made.submit()
        yield made
    await parts.store.close()


async def test_a_website_that_waits_is_told_what_was_decided_in_its_own_words(
    world: World,
) -> None:
    await world.decide("approve")
    await world.later()
    path, headers, said = world.receiver.got[0]
    assert (path, headers["content-type"]) == ("/hook", "application/json")
    assert said == {
        "key": KEY,
        "endpoint": "comment-check",
        "comments": [{"guid": as_uuid(world.id), "result": "false"}],
    }
    await world.later()
    assert len(world.receiver.got) == 1
    assert await world.due() == []


async def test_every_change_of_the_answer_is_told_and_nothing_else(world: World) -> None:
    await world.later()
    assert world.receiver.results == []
    for action in ("spam", "reject", "approve", "approve", "reject"):
        await world.decide(action)  # type: ignore[arg-type]
        await world.later()
    assert world.receiver.results == ["true", "false", "true"]
    await world.undo()  # approved again
    await world.later()
    assert world.receiver.results == ["true", "false", "true", "false"]


async def test_a_slip_that_is_undone_at_once_never_leaves_the_house(world: World) -> None:
    await world.decide("spam")
    await reverdict(world.parts)
    await world.undo()
    await world.later()
    await world.later()
    assert world.receiver.results == []


async def test_a_spam_decision_that_is_undone_later_is_taken_back(world: World) -> None:
    await world.decide("spam")
    await world.later()
    await world.undo()
    await world.later()
    assert world.receiver.results == ["true", "false"]


async def test_a_website_that_is_away_is_tried_for_hours_and_then_given_up(world: World) -> None:
    world.receiver.status = 500
    await world.decide("spam")
    await world.later()
    assert len(world.receiver.got) == 1
    for tried, wait_s in enumerate(RETRIES_S, 1):
        await world.later(wait_s * 1000 - 1)
        assert len(world.receiver.got) == tried
        await world.later(1)
        assert len(world.receiver.got) == tried + 1
    assert await world.due() == []
    assert sum(RETRIES_S) > 24 * 3600
    world.receiver.status = 200
    await world.decide("approve")  # told to wait, it still waits
    await world.later()
    assert world.receiver.results[-1] == "false"


async def test_what_a_website_did_not_take_is_sent_as_it_stands_later(world: World) -> None:
    world.receiver.status = 302
    await world.decide("spam")
    await world.later()
    await world.decide("approve")
    world.receiver.status = 204
    await world.later()
    await world.later(RETRIES_S[0] * 1000)
    assert world.receiver.results == ["true", "false"]


async def test_a_decision_made_while_a_website_is_told_is_told_next(world: World) -> None:
    async def change_of_mind() -> None:
        world.receiver.during = None
        await world.decide("approve")
        await module._note_changes(world.parts, "blog")

    world.receiver.during = change_of_mind
    await world.decide("spam")
    await world.later()
    await world.later()
    assert world.receiver.results == ["true", "false"]


async def test_two_workers_tell_a_website_once(world: World) -> None:
    await world.decide("spam")
    await reverdict(world.parts)
    world.time += SETTLED_MS
    await asyncio.gather(*(reverdict(world.parts) for _ in range(4)))
    assert world.receiver.results == ["true"]


async def test_a_worker_that_died_holding_the_work_is_replaced(world: World) -> None:
    await world.decide("spam")
    await reverdict(world.parts)
    world.time += SETTLED_MS
    until_ms = world.time + module.LEASE_MS
    taken = await world.parts.store.callbacks.take("blog", now=world.time, until=until_ms, limit=9)
    assert taken == [world.id]
    await world.later(module.LEASE_MS - 1)
    assert world.receiver.results == []
    await world.later(1)
    assert world.receiver.results == ["true"]


async def test_our_own_network_is_not_reached_unless_it_was_opened(
    world: World, redis_url: str
) -> None:
    closed = Services(Settings(), redis_url, Secrets(SECRET), Scorer(None))
    closed.now = lambda: world.time  # type: ignore[method-assign]
    await closed.store.open()
    await world.decide("spam")
    await reverdict(closed)
    world.time += SETTLED_MS
    await reverdict(closed)
    assert world.receiver.results == []
    assert len(await world.due()) == 1
    await closed.store.close()


async def test_a_comment_no_website_waits_for_is_passed_by(world: World) -> None:
    first = world.id
    draft = Draft(page="/a", name="B", email="b@example.org", body="Of another kind.")
    accepted = await world.parts.intake.submit(draft, "blog", idempotency=None, now=world.time)
    world.id = accepted.id
    await world.decide("spam")
    await world.later()
    assert (world.receiver.results, await world.due()) == ([], [])
    assert first != world.id


async def test_the_key_inside_a_callback_is_sealed_and_its_life_is_bounded(world: World) -> None:
    client, name = world.parts.store.wire.client, SiteKeys("blog").callback(world.id)
    assert KEY.encode() not in await client.get(name)
    assert 0 < await client.ttl(name) <= 60 * 86_400


def test_wordpress_hears_of_a_moderators_decision(launch_winnow: Callable[..., Winnow]) -> None:
    """The whole way: check with a callback, decide, and the website is told within seconds."""
    receiver, started = Receiver(), []

    async def serve() -> None:
        async with listening(receiver) as url:
            started.append((url, asyncio.get_running_loop(), stop := asyncio.Event()))
            await stop.wait()

    import threading

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        url = until(lambda: started and started[0][0])
        own = launch_winnow(WINNOW_OUTGOING_NETWORKS="127.0.0.0/8", WINNOW_WEB_PROCESSES="1")
        site: MadeSite = own.site()
        key = site.key("compat")
        own.admin("PATCH", f"/v1/sites/{site.id}", json={"akismet_queue": True})
        said = {
            "api_key": key,
            "blog": url.removesuffix("/hook"),
            "user_ip": "203.0.113.9",
            "comment_content": "I agree with the second point.",
        }
        checks = [
            own.http.post("/1.1/comment-check", data=said | {"callback": to, "user_ip": ip})
            for to, ip in ((url, "203.0.113.9"), ("http://elsewhere.example/hook", "203.0.113.8"))
        ]
        assert [answer.text for answer in checks] == ["false", "false"]
        assert checks[0].headers["x-akismet-recheck-after"] == "120"
        items = site.ask("GET", "/v1/queues/pending", params={"site": site.id}).json()["items"]
        for item in items:
            assert site.decide(item["id"], "spam", item["version"]).status_code == 200
        until(lambda: receiver.got, 20)
        ((_, _, told),) = receiver.got
        guid = checks[0].headers["x-akismet-guid"]
        assert told["key"] == key
        assert told["comments"] == [{"guid": guid, "result": "true"}]
    finally:
        _, loop, stop = started[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
