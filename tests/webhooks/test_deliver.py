"""Requirements of delivery: every event arrives, under one id, whatever a receiver does."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import pytest

from service.store.deliveries import AT_ONCE
from service.store.keys import SiteKeys
from tests.store.builders import decided, make_site
from tests.webhooks.conftest import FAST, Receiver, World


async def test_an_event_arrives_signed_and_nothing_that_was_not_asked_for(
    world: World, receiver: Receiver
) -> None:
    endpoint = await world.hook(receiver.url)
    (comment,) = await world.approved()
    await world.run(lambda: receiver.got)
    await world.settled()
    (got,) = receiver.got
    assert got.verified(endpoint.secret)["data"]["id"] == comment.id
    assert got.json["type"] == "comment.approved"  # and no comment.submitted
    assert got.headers["content-type"] == "application/json"
    assert "." not in got.id
    (logged,) = await world.log(endpoint)
    assert (logged.state, logged.id) == ("delivered", got.id)
    assert (logged.delivery.attempts, logged.delivery.last_status) == (1, 204)


async def test_a_new_endpoint_gets_what_happens_from_now_on(
    world: World, receiver: Receiver
) -> None:
    await world.approved(3)
    await world.hook(receiver.url)
    (comment,) = await world.approved()
    await world.run(lambda: receiver.got)
    await world.settled()
    assert [got.json["data"]["id"] for got in receiver.got] == [comment.id]


@pytest.mark.parametrize("failure", [500, 404, 302, "reset"])
async def test_a_failed_attempt_is_made_again_with_the_same_id_and_a_new_date(
    world: World, receiver: Receiver, failure: int | str
) -> None:
    receiver.answers = [failure, failure]
    endpoint = await world.hook(receiver.url)
    await world.approved()
    await world.run(lambda: len(receiver.got) >= 3)
    await world.settled()
    assert len(set(receiver.ids())) == 1
    assert len({got.body for got in receiver.got}) == 1
    for got in receiver.got:
        assert got.verified(endpoint.secret)
    (logged,) = await world.log(endpoint)
    assert (logged.state, logged.delivery.attempts) == ("delivered", 3)
    found = await world.store.webhooks.read("blog", endpoint.id)
    assert found is not None
    assert found.failing_since is None


async def test_a_redirect_is_a_failure_and_is_not_followed(
    world: World, receiver: Receiver, receivers: Callable[[], Receiver]
) -> None:
    elsewhere = receivers()
    receiver.always = 307, {"Location": elsewhere.url}
    endpoint = await world.hook(receiver.url)
    await world.approved()
    await world.run(lambda: len(receiver.got) >= 2)
    (logged,) = await world.log(endpoint)
    assert (logged.state, logged.delivery.error) == ("waiting", "answered 307")
    assert elsewhere.got == []


async def test_410_disables_the_endpoint_until_its_owner_resumes_it(
    world: World, receiver: Receiver
) -> None:
    receiver.answers = [410]
    endpoint = await world.hook(receiver.url)
    await world.approved()
    await world.run(lambda: receiver.got)
    await world.settled()
    await world.approved()
    await world.deliverer().sweep()
    await world.settled()
    assert len(receiver.got) == 1
    found = await world.store.webhooks.read("blog", endpoint.id)
    assert found is not None
    assert "410" in found.disabled
    assert found.disabled_at is not None
    (dead,) = await world.log(endpoint, "dead")
    assert dead.delivery.last_status == 410
    await world.store.webhooks.change("blog", endpoint.id, paused=False)
    await world.run(lambda: len(receiver.got) == 2)  # the one that happened meanwhile


@pytest.mark.parametrize(("status", "waits"), [(429, True), (503, True), (500, False)])
async def test_retry_after_is_honoured_where_it_means_something(
    world: World, receiver: Receiver, status: int, waits: bool
) -> None:
    receiver.answers = [(status, {"Retry-After": "1"})]
    await world.hook(receiver.url)
    await world.approved()
    await world.run(lambda: len(receiver.got) == 2)
    pause_s = receiver.got[1].at - receiver.got[0].at
    assert (pause_s >= 1.0) is waits


async def test_what_fails_ten_times_after_the_first_is_a_dead_letter_that_can_be_replayed(
    world: World, receiver: Receiver
) -> None:
    receiver.always = 500
    endpoint = await world.hook(receiver.url)
    await world.approved()
    deliverer = world.deliverer(schedule=(0.01,) * 10)
    await world.run(lambda: len(receiver.got) == 11, deliverer)
    await world.settled()
    for _ in range(5):
        await deliverer.sweep()
        await asyncio.sleep(0.02)
    assert len(receiver.got) == 11
    (dead,) = await world.log(endpoint)
    assert (dead.state, dead.delivery.attempts, dead.next_at) == ("dead", 11, None)
    found = await world.store.webhooks.read("blog", endpoint.id)
    assert found is not None
    assert found.failing_since is not None
    receiver.always = 204
    assert await world.store.deliveries.again("blog", endpoint.id, dead.id) == 1
    await world.run(lambda: len(receiver.got) == 12, deliverer)
    await world.settled()
    assert set(receiver.ids()) == {dead.id}
    (logged,) = await world.log(endpoint)
    assert (logged.state, logged.delivery.attempts) == ("delivered", 1)


async def test_a_hanging_receiver_delays_no_other_endpoint_of_its_site_or_another(
    world: World, receivers: Callable[[], Receiver]
) -> None:
    """Twenty events to each: the others are as fast as with nobody hanging."""
    await make_site(world.store, "other")

    async def took_s(*hanging: Receiver) -> float:
        good, theirs = receivers(), receivers()
        for each in hanging:
            await world.hook(each.url)
        await world.hook(good.url)
        await world.hook(theirs.url, "comment.submitted", site="other")
        before = time.monotonic()
        await world.approved(20)
        await world.run(lambda: len(good.got) >= 20, timeout_s=8)
        return time.monotonic() - before

    alone_s = await took_s()
    hanging = receivers(), receivers()
    for each in hanging:
        each.always = "hang"
    beside_s = await took_s(*hanging)
    assert beside_s < alone_s * 3 + 1, (alone_s, beside_s)
    assert [len(each.got) for each in hanging] == [AT_ONCE, AT_ONCE]


async def test_at_most_two_attempts_are_under_way_to_one_endpoint_over_all_workers(
    world: World, receiver: Receiver
) -> None:
    receiver.always = "hang"
    await world.hook(receiver.url)
    await world.approved(10)
    workers = [world.deliverer() for _ in range(3)]
    for _ in range(10):
        await asyncio.gather(*(worker.sweep() for worker in workers))
        await asyncio.sleep(0.02)
    assert len(receiver.got) == AT_ONCE == 2


async def test_two_workers_at_once_send_every_event_once(world: World, receiver: Receiver) -> None:
    endpoint = await world.hook(receiver.url, "comment.submitted", "comment.approved")
    comments = await world.approved(150)
    workers = world.deliverer(), world.deliverer()
    await world.run(lambda: len(receiver.got) >= 300, *workers)
    await world.settled()
    sent = Counter((got.json["data"]["id"], got.json["type"]) for got in receiver.got)
    assert len(sent) == 300
    assert set(sent.values()) == {1}
    assert {i for i, _ in sent} == {comment.id for comment in comments}
    assert len(set(receiver.ids())) == 300
    assert await world.log(endpoint, "waiting") == []


async def test_one_look_is_enough_for_all_that_waits(world: World, receiver: Receiver) -> None:
    """When an attempt ends the next one begins; a quarter of a second between two were too slow."""
    await world.hook(receiver.url)
    await world.approved(50)
    deliverer = world.deliverer()
    await deliverer.sweep()
    await world.settled(deliverer)
    assert len(set(receiver.ids())) == len(receiver.got) == 50


async def test_a_dead_workers_delivery_is_taken_up_with_the_same_id(
    world: World, receiver: Receiver
) -> None:
    """Its lease runs out; what the dead one still does then changes nothing."""
    endpoint = await world.hook(receiver.url)
    await world.approved()
    (leased,) = await world.store.deliveries.due("blog", endpoint.id, lease_ms=300)
    other = world.deliverer()
    await other.sweep()
    assert receiver.got == []  # it is somebody's
    await world.run(lambda: receiver.got, other)
    await world.settled()
    assert receiver.ids() == [leased.id]
    late = await world.store.deliveries.settle(
        "blog", endpoint.id, leased,
        state="retry", status=500, took_ms=1, error="", wait_ms=0, disable="",
    )  # fmt: skip
    assert not late
    (logged,) = await world.log(endpoint)
    assert (logged.state, logged.delivery.attempts) == ("delivered", 2)


async def test_a_late_failure_does_not_touch_the_attempt_that_runs_now_and_a_late_success_counts(
    world: World, receiver: Receiver
) -> None:
    endpoint = await world.hook(receiver.url)
    await world.approved()
    deliveries = world.store.deliveries
    (first,) = await deliveries.due("blog", endpoint.id, lease_ms=1)
    await asyncio.sleep(0.01)
    (second,) = await deliveries.due("blog", endpoint.id)
    assert (first.id, second.delivery.attempts) == (second.id, 2)
    plain = {"took_ms": 1, "error": "", "wait_ms": 0, "disable": ""}
    assert not await deliveries.settle(
        "blog", endpoint.id, first, state="dead", status=500, **plain
    )
    assert await deliveries.settle(
        "blog", endpoint.id, first, state="delivered", status=200, **plain
    )
    assert not await deliveries.settle(
        "blog", endpoint.id, second, state="dead", status=500, **plain
    )
    (logged,) = await world.log(endpoint)
    assert logged.state == "delivered"


async def test_a_delivery_whose_every_attempt_kills_its_worker_ends_as_a_dead_letter(
    world: World, receiver: Receiver
) -> None:
    endpoint = await world.hook(receiver.url)
    await world.approved()
    for _ in range(len(FAST) + 1):
        (leased,) = await world.store.deliveries.due("blog", endpoint.id, lease_ms=1)
        await asyncio.sleep(0.01)
    assert leased.delivery.attempts == 11
    await world.deliverer().sweep()
    await world.settled()
    (dead,) = await world.log(endpoint)
    assert (dead.state, receiver.got) == ("dead", [])


async def test_a_delivery_that_cannot_be_made_up_ends_as_a_dead_letter_and_holds_up_no_other(
    world: World, receiver: Receiver
) -> None:
    endpoint = await world.hook(receiver.url)
    broken, fine = await world.approved(2)
    await world.store.wire.client.hset(SiteKeys("blog").comment(broken.id), "b", b"\xc1")
    deliverer = world.deliverer(lease_ms=10, schedule=(0.0, 0.0))
    await world.run(lambda: receiver.got, deliverer)
    for _ in range(10):
        await deliverer.sweep()
        await world.settled()
        await asyncio.sleep(0.02)
    assert {got.json["data"]["id"] for got in receiver.got} == {fine.id}
    assert await world.log(endpoint, "waiting") == []
    (dead,) = await world.log(endpoint, "dead")
    assert dead.delivery.comment == broken.id


async def test_nothing_is_sent_unsigned(world: World, receiver: Receiver) -> None:
    endpoint = await world.hook(receiver.url)
    key = SiteKeys("blog").webhook(endpoint.id)
    await world.store.wire.client.hset(key, "secret", "c2VhbGVkIHVuZGVyIGFub3RoZXIga2V5")
    await world.approved()
    await world.deliverer().sweep()
    await world.settled()
    (dead,) = await world.log(endpoint)
    assert (dead.state, "rotate" in dead.delivery.error, receiver.got) == ("dead", True, [])


async def test_a_paused_endpoint_gets_its_events_once_it_is_resumed(
    world: World, receiver: Receiver
) -> None:
    endpoint = await world.hook(receiver.url)
    await world.store.webhooks.change("blog", endpoint.id, paused=True)
    await world.approved(3)
    for _ in range(3):
        await world.deliverer().sweep()
    await world.settled()
    assert receiver.got == []
    await world.store.webhooks.change("blog", endpoint.id, paused=False)
    await world.run(lambda: len(receiver.got) == 3)


async def test_a_deleted_endpoint_leaves_nothing_and_is_not_sent_to(
    world: World, receivers: Callable[[], Receiver]
) -> None:
    gone, stays = receivers(), receivers()
    gone.always = "hang"
    endpoint, other = await world.hook(gone.url), await world.hook(stays.url)
    await world.approved(5)
    await world.run(lambda: gone.got)
    assert await world.store.webhooks.remove("blog", endpoint.id)
    gone.close()  # the attempts under way end, and find nothing to write to
    await world.run(lambda: len(stays.got) == 5)
    await world.settled()
    keys = [key async for key in world.store.wire.client.scan_iter(f"*{endpoint.id}*")]
    assert keys == []
    assert [each.id for each in await world.store.webhooks.all("blog")] == [other.id]


async def test_a_deleted_site_leaves_nothing_of_its_webhooks(
    world: World, receiver: Receiver
) -> None:
    receiver.always = 500
    await world.hook(receiver.url)
    await world.approved(2)
    await world.run(lambda: receiver.got)
    await world.store.sites.delete("blog")
    await world.settled()
    await world.deliverer().sweep()
    prefix = SiteKeys("blog").prefix()
    assert [key async for key in world.store.wire.client.scan_iter(prefix + "*")] == []


async def test_a_failing_receiver_fills_its_queue_to_a_bound_and_loses_nothing(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.deliveries.WAITING_MAX", 20)
    receiver.always = 500
    endpoint = await world.hook(receiver.url, "comment.submitted", "comment.approved")
    await world.approved(30)
    await world.run(lambda: len(receiver.got) >= 30)
    assert len(await world.log(endpoint, "waiting")) == 20
    receiver.always = 204
    await world.run(lambda: len(set(receiver.ids())) == 60)


async def test_a_decision_after_a_decision_tells_before_and_version(
    world: World, receiver: Receiver
) -> None:
    await world.hook(receiver.url, "comment.spam")
    (comment,) = await world.approved()
    await decided(world.store, comment, "spam")
    await world.run(lambda: receiver.got)
    data = receiver.got[0].json["data"]
    assert (data["status"], data["before"], data["version"]) == ("spam", "approved", 2)


async def test_what_is_cut_off_at_a_stop_is_sent_by_the_next_worker(
    world: World, receiver: Receiver
) -> None:
    receiver.answers = ["hang"]
    await world.hook(receiver.url)
    await world.approved()
    stopped = world.deliverer(lease_ms=500)
    await world.run(lambda: receiver.got, stopped)
    await stopped.finish(0)
    await stopped.sweep()  # begins nothing any more
    assert len(receiver.got) == 1
    await world.run(lambda: len(receiver.got) == 2)
    assert len(set(receiver.ids())) == 1


async def test_imported_comments_and_their_old_decisions_are_told_to_nobody(
    world: World, receiver: Receiver
) -> None:
    await world.hook(receiver.url, "comment.submitted", "comment.approved", "comment.spam")
    (imported,) = await world.approved(imported=True)
    await decided(world.store, imported, "spam", imported=True)
    await decided(world.store, imported, "approve")
    await world.run(lambda: receiver.got)
    await world.settled()
    (got,) = receiver.got
    assert (got.json["type"], got.json["data"]["version"]) == ("comment.approved", 3)
