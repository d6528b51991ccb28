"""Requirements of what happens unasked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from classifier import Classifier
from service.ids import Secrets
from service.pipeline.review import Review
from service.pipeline.score import load_scorer
from service.records import Draft, Policy, Site
from service.services import Services
from service.settings import Settings
from service.store.keys import SiteKeys
from service.store.queues import Filter
from service.workers import rounds
from service.workers.reap import reap
from service.workers.remove import remove
from service.workers.rescore import CODE, SLICE, Rescorer
from service.workers.retain import retain
from tests.store.builders import NOW, build, decided, passed, put
from tests.store.invariants import violations


async def rescore(services: Services) -> None:
    """One round of a worker that has just started."""
    await Rescorer().sweep(services)


PLAIN = {"thresholds": {}, "signals": {}, "authors": {"hold_first": 0}}


@pytest.fixture
async def parts(services: Services) -> Services:
    """Parts without a model, and a site `blog` that approves what a model has seen."""
    policy = msgspec.convert(PLAIN, Policy)
    await services.store.sites.create(Site(id="blog", number=0), policy)
    return services


@pytest.fixture
async def with_model(parts: Services, redis_url: str) -> AsyncIterator[Services]:
    """The same installation after a start that found its model."""
    made = Services(Settings(), redis_url, Secrets(bytes(range(32))), load_scorer(""))
    await made.store.open()
    yield made
    await made.store.close()


def draft(number: int) -> Draft:
    return Draft(
        page="https://news.example/a",
        name="A reader",
        email=f"r{number}@example.org",
        body=f"I agree with point {number}.",
    )


async def test_comments_no_model_saw_are_held_and_decided_once_there_is_one(
    parts: Services, with_model: Services
) -> None:
    ids = []
    for i in range(5):
        accepted = await parts.intake.submit(draft(i), "blog", idempotency=None, now=NOW)
        assert accepted.status == "pending"
        assert accepted.verdict.reasons[0].code == CODE
        ids.append(accepted.id)
    await rescore(parts)  # still no model: they go on waiting
    assert await parts.store.queues.count("blog", "pending", Filter(reason=CODE)) == 5
    await rescore(with_model)
    for stored in await parts.store.comments.read_many("blog", ids):
        assert stored is not None
        assert (stored.status, stored.version) == ("approved", 2)
        assert stored.comment.verdict.model == with_model.scorer.version
        assert stored.comment.scores is not None
    assert await parts.store.queues.count("blog", "pending", Filter(reason=CODE)) == 0
    assert await violations(parts.store, "blog") == []


async def test_a_humans_decision_is_never_touched_by_a_later_model(
    parts: Services, with_model: Services
) -> None:
    accepted = await parts.intake.submit(draft(1), "blog", idempotency=None, now=NOW)
    stored = await parts.store.comments.read("blog", accepted.id)
    assert stored is not None
    await decided(parts.store, stored.comment, "spam")
    await rescore(with_model)
    after = await parts.store.comments.read("blog", accepted.id)
    assert after is not None
    assert (after.status, after.version) == ("spam", 2)


async def test_two_workers_at_once_decide_each_comment_once(
    parts: Services, with_model: Services
) -> None:
    for i in range(10):
        await parts.intake.submit(draft(i), "blog", idempotency=None, now=NOW)
    await asyncio.gather(rescore(with_model), rescore(with_model))
    assert await violations(parts.store, "blog") == []
    approved = await parts.store.queues.page("blog", "approved", sort="oldest", limit=50)
    stored = await parts.store.comments.read_many("blog", [place.id for place in approved])
    assert [one and one.version for one in stored] == [2] * 10


async def test_claims_that_ran_out_are_dropped_on_every_site(parts: Services) -> None:
    await parts.store.sites.create(Site(id="two", number=0), Policy())
    expiries = []
    for name in ("blog", "two"):
        found = await parts.store.sites.configuration(name)
        assert found is not None
        await put(parts.store, build(found.site), found.version)
        (lease,) = await parts.store.queues.claim(name, count=1, ttl_ms=1, holder="ann")
        expiries.append(lease.expires_at)
    await passed(parts.store, max(expiries))
    await reap(parts)
    assert [await parts.store.queues.reap(name) for name in ("blog", "two")] == [0, 0]
    assert await violations(parts.store, "two") == []


async def test_events_of_this_week_are_kept(parts: Services) -> None:
    found = await parts.store.sites.configuration("blog")
    assert found is not None
    await put(parts.store, build(found.site), found.version)
    await retain(parts)
    assert len(await parts.store.events.after("blog", "0-0")) == 2


async def test_the_rounds_begin_at_once_and_end_when_told(
    parts: Services, with_model: Services
) -> None:
    accepted = await parts.intake.submit(draft(1), "blog", idempotency=None, now=NOW)
    stopping = asyncio.Event()
    working = asyncio.create_task(rounds.work(with_model, stopping))
    async with asyncio.timeout(10):
        while True:
            stored = await parts.store.comments.read("blog", accepted.id)
            if stored is not None and stored.status == "approved":
                break
        stopping.set()
        await working


async def test_old_events_all_go_however_many(parts: Services) -> None:
    key = SiteKeys("blog").events()
    pipe = parts.store.wire.client.pipeline(transaction=False)
    for i in range(25_000):
        pipe.xadd(key, {"t": "x"}, id=f"{i + 1}-1")
    await pipe.execute()
    await retain(parts)
    assert await parts.store.wire.client.xlen(key) < 200  # what shares a node with newer ones


async def test_what_the_model_fails_on_is_not_written_again_and_again(parts: Services) -> None:
    accepted = await parts.intake.submit(draft(1), "blog", idempotency=None, now=NOW)
    stored = await parts.store.comments.read("blog", accepted.id)
    assert stored is not None
    assert await parts.intake.rescore(stored, now=NOW) is None
    after = await parts.store.comments.read("blog", accepted.id)
    assert after == stored


class Choosy(Classifier):
    """The shipped model, but it fails on texts that hold `poison`."""

    def score(self, texts: Sequence[str], languages: Sequence[str | None] = ()) -> Any:
        if any("poison" in text for text in texts):
            raise ValueError("no")
        return super().score(texts, languages)


async def test_comments_the_model_fails_on_do_not_keep_the_others_waiting(
    parts: Services, with_model: Services
) -> None:
    for i in range(SLICE + 5):
        text = msgspec.structs.replace(draft(i), body=f"poison {i}", email=f"p{i % 9}@example.org")
        await parts.intake.submit(text, "blog", idempotency=None, now=NOW + i)
    last = await parts.intake.submit(draft(1), "blog", idempotency=None, now=NOW + SLICE + 9)
    assert with_model.scorer.model is not None
    with_model.scorer.model.__class__ = Choosy
    try:
        await rescore(with_model)
    finally:
        with_model.scorer.model.__class__ = Classifier
    stored = await parts.store.comments.read("blog", last.id)
    assert stored is not None
    assert stored.status == "approved"
    assert await parts.store.queues.count("blog", "pending", Filter(reason=CODE)) == SLICE + 5


async def test_a_comment_typed_too_fast_stays_held_once_a_model_has_seen_it(
    parts: Services, with_model: Services
) -> None:
    policy = msgspec.convert(PLAIN | {"signals": {"elapsed": {"hold": 0.5}}}, Policy)
    await parts.store.sites.save_policy("blog", policy, expected=None)
    for i in range(3):  # a known author
        accepted = await with_model.intake.submit(
            msgspec.structs.replace(draft(7), body=f"Point {i} is right."),
            "blog",
            idempotency=None,
            now=NOW,
        )
        assert accepted.status == "approved"
    fast = msgspec.structs.replace(draft(7), elapsed_ms=50)
    accepted = await parts.intake.submit(fast, "blog", idempotency=None, now=NOW)
    await rescore(with_model)
    stored = await parts.store.comments.read("blog", accepted.id)
    assert stored is not None
    assert (stored.status, stored.version) == ("pending", 2)
    assert [reason.code for reason in stored.comment.verdict.reasons] == ["signal.elapsed"]


async def test_a_broken_site_does_not_starve_the_others(
    parts: Services, with_model: Services
) -> None:
    await parts.store.sites.create(Site(id="a-broken", number=0), Policy())
    for site in ("a-broken", "blog"):
        await parts.intake.submit(draft(1), site, idempotency=None, now=NOW)
    broken = SiteKeys("a-broken")
    await parts.store.wire.client.hset(
        broken.config(), mapping={"policy": '{"patterns":[{"pattern":"("}]}', "version": 7}
    )
    await parts.store.wire.client.set(broken.leases(), "not a sorted set")
    await parts.store.wire.client.set(broken.events(), "not a stream")
    await parts.store.queues.claim("blog", count=1, ttl_ms=1, holder="ann")
    await passed(parts.store, NOW)
    await asyncio.sleep(0.01)
    for work in (reap, retain, rescore):
        await work(with_model)
    assert await parts.store.queues.reap("blog") == 0
    assert await parts.store.queues.count("blog", "approved", Filter()) == 1


async def test_an_interrupted_deletion_is_finished_by_a_worker(parts: Services) -> None:
    await parts.intake.submit(draft(1), "blog", idempotency=None, now=NOW)
    await parts.store.sites.create(Site(id="two", number=0), Policy())
    await parts.store.wire.client.unlink(SiteKeys("blog").config())
    await remove(parts)
    pattern = SiteKeys("blog").prefix() + "*"
    assert [key async for key in parts.store.wire.client.scan_iter(pattern)] == []
    assert await parts.store.sites.all() == ["two"]
    assert await parts.store.sites.deleting() == []


async def test_what_took_too_long_is_decided_again_where_it_may_take_its_time(
    parts: Services, with_model: Services
) -> None:
    with_model.scorer.patience_s = 1e-6
    # Words never met before, and enough of them to take several ticks of the clock.
    long = msgspec.structs.replace(draft(1), body=" ".join(f"w{i * 7919:x}" for i in range(1400)))
    accepted = await with_model.intake.submit(long, "blog", idempotency=None, now=NOW)
    assert [reason.code for reason in accepted.verdict.reasons] == ["check.timeout"]
    await rescore(with_model)
    stored = await parts.store.comments.read("blog", accepted.id)
    assert stored is not None
    assert (stored.status, stored.version) == ("approved", 2)
    assert "model" not in stored.comment.verdict.checks


async def test_a_round_is_bounded_and_the_next_one_goes_on(
    parts: Services, with_model: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.workers.rescore.ROUND", 4)
    monkeypatch.setattr("service.workers.rescore.SLICE", 3)
    for i in range(10):
        await parts.intake.submit(draft(i), "blog", idempotency=None, now=NOW + i)
    rescorer, waiting = Rescorer(), []
    for _ in range(3):
        await rescorer.sweep(with_model)
        waiting.append(await parts.store.queues.count("blog", "pending", Filter(reason=CODE)))
    assert waiting == [6, 2, 0]
    assert await violations(parts.store, "blog") == []


async def test_what_a_human_put_back_or_looks_at_is_left_to_humans(
    parts: Services, with_model: Services
) -> None:
    put_back, looked_at = [
        (await parts.intake.submit(draft(i), "blog", idempotency=None, now=NOW)).id for i in (1, 2)
    ]
    stored = await parts.store.comments.read("blog", put_back)
    assert stored is not None
    await decided(parts.store, stored.comment, "approve")
    await Review(parts.store).undo(
        "blog", put_back, 2, actor="personal:ann", operation=None, now=NOW
    )
    leases = await parts.store.queues.claim("blog", count=2, ttl_ms=60_000, holder="ann")
    await parts.store.queues.release("blog", put_back, holder="ann")
    assert len(leases) == 2
    await rescore(with_model)
    for name, version in ((put_back, 3), (looked_at, 1)):
        after = await parts.store.comments.read("blog", name)
        assert after is not None
        assert (after.status, after.version) == ("pending", version)


async def test_what_was_tried_in_vain_is_tried_again_only_with_another_model(
    parts: Services, with_model: Services
) -> None:
    text = msgspec.structs.replace(draft(1), body="poison")
    accepted = await parts.intake.submit(text, "blog", idempotency=None, now=NOW)
    assert with_model.scorer.model is not None
    rescorer, model = Rescorer(), with_model.scorer.model
    model.__class__ = Choosy
    await rescorer.sweep(with_model)
    model.__class__ = Classifier
    await rescorer.sweep(with_model)  # the same model: not asked again
    assert await parts.store.queues.count("blog", "pending", Filter(reason=CODE)) == 1
    with_model.scorer.use(model, None, f"{model.version}@0123abcd")
    await rescorer.sweep(with_model)
    stored = await parts.store.comments.read("blog", accepted.id)
    assert stored is not None
    assert stored.status == "approved"
    assert stored.comment.verdict.model == f"{model.version}@0123abcd"
