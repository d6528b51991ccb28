"""Requirements of changing a stored comment: the version decides, and everything moves together."""

from __future__ import annotations

import msgspec
import pytest

from service.errors import Conflict, IdempotencyMismatch, NotFound, StaleVersion
from service.pipeline.review import Decision, Review
from service.store import Store
from service.store.decisions import Done, Lost
from service.store.keys import SiteKeys
from service.store.queues import Filter
from tests.store.builders import (
    AUTHOR,
    NOW,
    all_of,
    build,
    decided,
    make_site,
    put,
    read,
    step,
)
from tests.store.invariants import violations


async def test_a_decision_moves_the_comment_and_is_shown_with_it(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site, reasons=("toxicity.insult",))
    await put(store, comment, version)
    done = await decided(store, comment, "approve")
    assert isinstance(done, Done)
    stored = await read(store, site.id, comment.id)
    assert (stored.status, stored.version, stored.decision) == ("approved", 2, done.entry)
    assert await store.queues.count(site.id, "pending", Filter()) == 0
    assert await store.queues.count(site.id, "approved", Filter(reason="toxicity.insult")) == 1
    assert await violations(store, site.id) == []


async def test_the_same_operation_is_answered_again_and_not_applied_again(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    stored = await read(store, site.id, comment.id)
    first = await store.decisions.apply(step(stored, "reject", operation="op"))
    # Whatever happened in between, the retry gets the answer of its own operation.
    await decided(store, comment, "approve")
    again = await store.decisions.apply(
        step(await read(store, site.id, comment.id), "reject", operation="op", version=1)
    )
    assert isinstance(first, Done)
    assert again == Done(first.version, first.entry, replayed=True)
    assert (await read(store, site.id, comment.id)).version == 3
    assert await violations(store, site.id) == []


async def test_an_operation_id_used_for_another_request_is_refused(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    stored = await read(store, site.id, comment.id)
    await store.decisions.apply(step(stored, "reject", operation="op", request="one"))
    with pytest.raises(IdempotencyMismatch):
        await store.decisions.apply(step(stored, "reject", operation="op", request="two"))


async def test_who_comes_second_gets_the_winners_decision(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    stored = await read(store, site.id, comment.id)
    won = await store.decisions.apply(step(stored, "spam", actor="personal:ann"))
    lost = await store.decisions.apply(step(stored, "approve", actor="personal:bob"))
    assert isinstance(won, Done)
    assert lost == Lost(2, "spam", won.entry)
    assert await violations(store, site.id) == []


async def test_a_version_the_caller_made_up_loses_even_if_it_becomes_true(store: Store) -> None:
    """The queues a step leaves are those of what was read; a later version may stand elsewhere."""
    site, version = await make_site(store)
    comment = build(site, reasons=("a",))
    await put(store, comment, version)
    early = await read(store, site.id, comment.id)
    other = msgspec.structs.replace(comment, verdict=build(site, reasons=("b",)).verdict)
    await store.decisions.apply(step(early, "edit", replacement=other))
    outcome = await store.decisions.apply(step(early, "approve", version=2))
    assert isinstance(outcome, Lost)
    assert await violations(store, site.id) == []


async def test_of_fifty_racing_moderators_exactly_one_wins(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    stored = await read(store, site.id, comment.id)
    actions = ["approve", "reject", "spam"]
    steps = [step(stored, actions[i % 3], operation=f"op-{i}") for i in range(50)]
    outcomes = await all_of(*map(store.decisions.apply, steps))
    won = [outcome for outcome in outcomes if isinstance(outcome, Done)]
    assert len(won) == 1
    lost = [outcome for outcome in outcomes if isinstance(outcome, Lost)]
    assert len(lost) == 49
    assert all(one.decision == won[0].entry for one in lost)
    assert await violations(store, site.id) == []


async def test_a_decision_on_a_comment_that_is_gone_says_so(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    stored = await read(store, site.id, comment.id)
    await store.sites.delete(site.id)
    with pytest.raises(NotFound):
        await store.decisions.apply(step(stored, "approve"))
    left = [k async for k in store.wire.client.scan_iter(match=SiteKeys(site.id).prefix() + "*")]
    assert left == []


async def test_an_edit_changes_the_queues_and_keeps_the_text_it_replaced(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site, reasons=("links.many",), priority=6)
    await put(store, comment, version)
    fresh = build(site, id=comment.id, body="Better", reasons=("author.new",), priority=2)
    outcome = await decided(store, comment, "edit", replacement=fresh, after="pending")
    assert isinstance(outcome, Done)
    stored = await read(store, site.id, comment.id)
    assert (stored.comment.body, stored.version) == ("Better", 2)
    (entry,) = await store.decisions.history(site.id, comment.id)
    assert msgspec.msgpack.decode(entry.replaced, type=type(comment)) == comment
    assert await store.queues.count(site.id, "pending", Filter(reason="links.many")) == 0
    assert await violations(store, site.id) == []


@pytest.mark.parametrize("action", ["approve", "reject", "spam"])
async def test_undo_restores_queue_place_counts_and_decision(store: Store, action: str) -> None:
    site, version = await make_site(store)
    comments = [build(site, at=NOW + i, priority=i % 3) for i in range(6)]
    for comment in comments:
        await put(store, comment, version)
    before = await _standing(store, site.id)
    review = Review(store)
    decision = Decision(id=comments[2].id, action=action, version=1)  # type: ignore[arg-type]
    await review.decide(site.id, decision, actor="a", operation=None, now=NOW)
    assert await _standing(store, site.id) != before
    undone = await review.undo(site.id, comments[2].id, 2, actor="a", operation=None, now=NOW)
    assert (undone.status, undone.version) == ("pending", 3)
    assert await _standing(store, site.id) == before
    assert (await read(store, site.id, comments[2].id)).decision is None
    assert await violations(store, site.id) == []


async def test_undo_takes_back_one_decision_after_the_other_and_then_no_more(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    review = Review(store)
    for at, action in enumerate(("approve", "spam", "reject"), 1):
        decision = Decision(id=comment.id, action=action, version=at)  # type: ignore[arg-type]
        await review.decide(site.id, decision, actor="a", operation=None, now=NOW)
    seen = []
    for at in (4, 5, 6):
        undone = await review.undo(site.id, comment.id, at, actor="a", operation=None, now=NOW)
        stored = await read(store, site.id, comment.id)
        seen.append((undone.status, stored.decision.action if stored.decision else None))
    assert seen == [("spam", "spam"), ("approved", "approve"), ("pending", None)]
    with pytest.raises(Conflict) as refused:
        await review.undo(site.id, comment.id, 7, actor="a", operation=None, now=NOW)
    assert refused.value.members == {"code": "nothing_to_undo"}
    assert await violations(store, site.id) == []


async def test_a_repeated_undo_is_answered_again(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    review = Review(store)
    decision = Decision(id=comment.id, action="spam", version=1)
    await review.decide(site.id, decision, actor="a", operation="d", now=NOW)
    first = await review.undo(site.id, comment.id, 2, actor="a", operation="u", now=NOW)
    again = await review.undo(site.id, comment.id, 2, actor="a", operation="u", now=NOW)
    assert (again.replayed, again.version, again.entry) == (True, first.version, first.entry)
    with pytest.raises(StaleVersion):
        await review.undo(site.id, comment.id, 2, actor="b", operation="other", now=NOW)
    assert await violations(store, site.id) == []


async def test_an_edit_ends_the_decisions_before_it(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    await decided(store, comment, "approve")
    fresh = build(site, id=comment.id, body="Other")
    await decided(store, comment, "edit", replacement=fresh, after="pending")
    with pytest.raises(Conflict):
        await Review(store).undo(site.id, comment.id, 3, actor="a", operation=None, now=NOW)


async def test_a_decision_ends_the_claim_on_its_comment(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    await store.queues.claim(site.id, count=1, ttl_ms=60_000, holder="ann")
    await decided(store, comment, "approve")
    assert (await read(store, site.id, comment.id)).lease is None
    assert await violations(store, site.id) == []


async def test_the_flow_counts_arrivals_decisions_and_how_long_they_took(store: Store) -> None:
    site, version = await make_site(store)
    comments = [build(site, at=NOW + i) for i in range(3)]
    for comment in comments:
        await put(store, comment, version)
    await put(store, build(site), version, "approved")
    await decided(store, comments[0], "approve", at=NOW + 9_000)
    await decided(store, comments[0], "reject", at=NOW + 19_000)
    flow = await store.queues.flow(site.id, NOW)
    assert (flow.submitted, flow.held, flow.decided) == (4, 3, 2)
    # Only the first look at a waiting comment says how long it waited.
    assert flow.latencies_ms == (9_000,)


async def test_an_events_entry_tells_each_step_and_nothing_personal(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site, name="Canary Name", body="canary body")
    await put(store, comment, version, email="canary@mail.example")
    await decided(store, comment, "spam", actor="personal:ann")
    told = await store.events.after(site.id, "0-0")
    assert [(e.type, e.version, e.status, e.before) for e in told] == [
        ("comment.submitted", 1, "pending", None),
        ("comment.pending", 1, "pending", None),
        ("comment.spam", 2, "spam", "pending"),
    ]
    raw = str(await store.wire.client.xrange(SiteKeys(site.id).events()))
    assert "anary" not in raw
    assert AUTHOR not in raw


async def _standing(store: Store, site: str) -> object:
    """Every queue and counter of a site."""
    keys, client = SiteKeys(site), store.wire.client
    names = sorted([k async for k in client.scan_iter(match=keys.queue("*") + "*")])
    queues = {name: await client.zrange(name, 0, -1, withscores=True) for name in names}
    author = await client.hgetall(keys.author(AUTHOR))
    return queues, {
        k: int(author.get(k, 0)) for k in (b"pending", b"approved", b"rejected", b"spam")
    }
