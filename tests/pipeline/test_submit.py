"""Requirements of submit: what surrounds a comment decides, and it is stored once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from service.errors import Conflict, IdempotencyMismatch, Invalid, NotFound
from service.ids import Secrets, site_number_of
from service.pipeline.rules import FRESH_S, RuleBook
from service.pipeline.score import load_scorer
from service.pipeline.submit import Accepted
from service.records import Ban, Draft, Policy, Site
from service.services import Services
from service.settings import Settings
from service.store.idempotency import Idempotency
from service.store.keys import SiteKeys
from tests.store.invariants import violations

NOW = 1_760_000_000_000
PLAIN = {
    "thresholds": {},
    "signals": {},
    "authors": {"hold_first": 0},
    "links": {"max": None},
    "same_text": {"max": None},
}


@pytest.fixture
async def parts(redis_url: str) -> AsyncIterator[Services]:
    """One process's parts with the shipped model, and a site `blog`."""
    made = Services(Settings(), redis_url, Secrets(bytes(range(32))), load_scorer(""))
    await made.store.open()
    await made.store.sites.create(Site(id="blog", number=0), Policy())
    yield made
    await made.store.close()


async def rule(parts: Services, **changes: Any) -> None:
    """Saves a policy that approves whatever `changes` do not catch."""
    policy = msgspec.convert(PLAIN | changes, Policy)
    await parts.store.sites.save_policy("blog", policy, expected=None)


async def submit(
    parts: Services, *, key: str = "", now: int = NOW, site: str = "blog", **fields: Any
) -> Accepted:
    plain = {
        "page": "https://news.example/a",
        "name": "A reader",
        "email": "reader@example.org",
        "body": "I agree with the second point.",
    }
    draft = Draft(**(plain | fields))
    idempotency = Idempotency.of(key, draft.body.encode()) if key else None
    return await parts.intake.submit(draft, site, idempotency=idempotency, now=now)


def codes(accepted: Accepted) -> set[str]:
    return {reason.code for reason in accepted.verdict.reasons}


async def test_the_id_of_a_comment_tells_its_site(parts: Services) -> None:
    accepted = await submit(parts)
    assert await parts.gate.site_named_by(accepted.id) == "blog"
    assert site_number_of(accepted.id) == 1


async def test_the_answer_is_what_was_stored(parts: Services) -> None:
    accepted = await submit(parts, metadata={"section": "politics"})
    stored = await parts.store.comments.read("blog", accepted.id)
    assert stored is not None
    assert (stored.status, stored.version) == (accepted.status, 1)
    assert stored.comment.verdict == accepted.verdict
    assert stored.comment.scores == accepted.scores
    assert set(accepted.scores or ()) == set(parts.scorer.labels)
    assert await violations(parts.store, "blog") == []


async def test_an_authors_first_comment_is_held_and_the_next_after_an_approval_is_not(
    parts: Services,
) -> None:
    await rule(parts, authors={"hold_first": 1})
    first = await submit(parts)
    assert first.status == "pending"
    from service.pipeline.review import Decision

    decision = Decision(id=first.id, action="approve", version=1)
    await parts.review.decide("blog", decision, actor="a", operation=None, now=NOW)
    assert (await submit(parts, body="Another point, if I may.")).status == "approved"
    assert (await submit(parts, email="else@example.org")).status == "pending"


async def test_the_same_text_again_is_noticed(parts: Services) -> None:
    await rule(parts, same_text={"max": 2})
    texts = [await submit(parts, email=f"r{i}@example.org") for i in range(3)]
    assert [one.status for one in texts] == ["approved", "approved", "pending"]


async def test_a_new_ban_holds_for_the_very_next_comment_in_every_process(parts: Services) -> None:
    await rule(parts)
    assert (await submit(parts)).status == "approved"  # this process now holds the old rules
    ban = Ban(id="example.org", kind="domain", value="example.org", outcome="reject")
    await parts.store.sites.ban("blog", ban)
    assert (await submit(parts)).status == "rejected"


async def test_a_site_made_anew_is_decided_under_its_new_rules(parts: Services) -> None:
    await submit(parts)
    await parts.store.sites.delete("blog")
    block = {"block": [{"text": "point", "outcome": "reject"}]}
    policy = msgspec.convert(PLAIN | block, Policy)
    await parts.store.sites.create(Site(id="blog", number=0), policy)
    again = await submit(parts)
    assert again.status == "rejected"
    assert site_number_of(again.id) == 2


async def test_nothing_is_stored_for_a_site_that_is_not_there(parts: Services) -> None:
    with pytest.raises(NotFound):
        await submit(parts, site="nowhere")
    await submit(parts)
    await parts.store.sites.delete("blog")
    with pytest.raises(NotFound):
        await submit(parts)


async def test_a_reply_needs_a_parent_on_the_same_page(parts: Services) -> None:
    parent = await submit(parts)
    assert (await submit(parts, parent=parent.id, body="Yes, indeed.")).id
    for fields in (
        {"parent": parent.id, "page": "https://news.example/b"},
        {"parent": "0" * 26},
    ):
        with pytest.raises(Invalid) as refused:
            await submit(parts, **fields)
        assert refused.value.errors[0].pointer == "/parent"


async def test_fifty_retries_of_one_key_at_once_store_one_comment(parts: Services) -> None:
    answers = await asyncio.gather(*(submit(parts, key="k") for _ in range(50)))
    assert len({answer.id for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    waiting = await parts.store.queues.waiting("blog")
    assert sum(row.count for row in waiting) == 1
    with pytest.raises(IdempotencyMismatch):
        await submit(parts, key="k", body="Something else entirely.")


async def test_a_shadow_ban_refuses_without_saying_so(parts: Services) -> None:
    await rule(parts)
    ban = Ban(id="s", kind="domain", value="example.org", outcome="spam", shadow=True)
    await parts.store.sites.ban("blog", ban)
    accepted = await submit(parts)
    assert (accepted.status, accepted.verdict.hidden) == ("spam", True)


# ------------------------------------------------------------------------------ edit


async def test_an_edit_is_scored_and_decided_again(parts: Services) -> None:
    await rule(parts, block=[{"text": "forbidden", "outcome": "spam"}])
    accepted = await submit(parts)
    assert accepted.status == "approved"
    done = await _edit(parts, accepted.id, "This is forbidden here.")
    stored = await parts.store.comments.read("blog", accepted.id)
    assert stored is not None
    assert (stored.status, stored.version, done.entry.action) == ("spam", 2, "edit")
    assert stored.comment.edited_at == NOW + 5
    assert stored.comment.created_at == NOW
    assert await violations(parts.store, "blog") == []


async def test_an_edit_never_overturns_a_humans_refusal(parts: Services) -> None:
    from service.pipeline.review import Decision

    await rule(parts)
    accepted = await submit(parts)
    for version, action in ((1, "reject"), (3, "spam")):
        decision = Decision(id=accepted.id, action=action, version=version)  # type: ignore[arg-type]
        await parts.review.decide("blog", decision, actor="a", operation=None, now=NOW)
        done = await _edit(parts, accepted.id, f"Much nicer words, number {version}.")
        assert done.entry.after == "pending"


async def test_an_edit_that_lost_a_race_changes_nothing(parts: Services) -> None:
    from service.pipeline.review import Decision

    accepted = await submit(parts)
    early = await parts.store.comments.read("blog", accepted.id)
    assert early is not None
    decision = Decision(id=accepted.id, action="reject", version=1)
    await parts.review.decide("blog", decision, actor="a", operation=None, now=NOW)
    with pytest.raises(Conflict):
        await parts.intake.edit(early, "Too late.", actor="a", now=NOW)
    stored = await parts.store.comments.read("blog", accepted.id)
    assert stored is not None
    assert (stored.status, stored.comment.body) == ("rejected", "I agree with the second point.")


async def test_an_edit_of_a_test_comment_leaves_the_authors_record_alone(parts: Services) -> None:
    await rule(parts)
    accepted = await submit(parts, test=True)
    await _edit(parts, accepted.id, "Still only a test.")
    stored = await parts.store.comments.read("blog", accepted.id)
    assert stored is not None
    assert stored.comment.test
    (author, _), *_ = await parts.store.comments.authors("blog", [stored.comment.author])
    assert author.approved == 0
    assert await violations(parts.store, "blog") == []


async def _edit(parts: Services, comment_id: str, body: str) -> Any:
    stored = await parts.store.comments.read("blog", comment_id)
    assert stored is not None
    return await parts.intake.edit(stored, body, actor="secret:k", now=NOW + 5)


async def test_a_honeypot_comment_is_not_approved_by_an_edit(parts: Services) -> None:
    await rule(parts, signals={"honeypot": {"spam": 0.5}})
    accepted = await submit(parts, honeypot="http://pills.example")
    assert accepted.status == "spam"
    done = await _edit(parts, accepted.id, "A perfectly nice sentence.")
    assert done.entry.after == "spam"


async def test_a_comment_on_a_page_that_closed_meanwhile_can_be_edited(parts: Services) -> None:
    await rule(parts, closing={"days": 1})
    accepted = await submit(parts)
    stored = await parts.store.comments.read("blog", accepted.id)
    assert stored is not None
    later = NOW + 3 * 86_400_000
    done = await parts.intake.edit(stored, "A better second point.", actor="a", now=later)
    assert done.entry.after == "approved"
    assert (await submit(parts, now=later)).status == "rejected"


async def test_an_edit_is_decided_with_the_record_of_the_comments_author(parts: Services) -> None:
    """Also where the address cannot be read any more, as after a restore under another secret."""
    await rule(parts)
    accepted = await submit(parts)
    stored = await parts.store.comments.read("blog", accepted.id)
    assert stored is not None
    author = stored.comment.author
    await parts.store.wire.client.hdel(SiteKeys("blog").author(author), "email")
    await parts.store.sites.ban("blog", Ban(id="a", kind="author", value=author, outcome="spam"))
    done = await _edit(parts, accepted.id, "Another second point.")
    assert done.entry.after == "spam"


# --------------------------------------------------------------------- without a model


async def test_without_a_model_nothing_is_published_unseen(services: Services) -> None:
    await services.store.sites.create(Site(id="blog", number=0), Policy())
    await rule(services)
    accepted = await submit(services)
    assert (accepted.status, accepted.scores) == ("pending", None)
    assert "check.unavailable" in codes(accepted)


# ------------------------------------------------------------------------------- rules


async def commands(parts: Services) -> dict[str, int]:
    """How often the server was given each command."""
    stats: dict[str, Any] = await parts.store.wire.client.info("commandstats")
    return {name.removeprefix("cmdstat_"): int(row["calls"]) for name, row in stats.items()}


async def test_rules_that_did_not_change_are_not_read_again(parts: Services) -> None:
    clock = [0.0]
    book = RuleBook(parts.store, str.casefold, lambda: clock[0])
    first = await book.get("blog")
    before = (await commands(parts))["hvals"]
    for _ in range(5):
        clock[0] += FRESH_S * 2
        assert await book.get("blog") is first
    assert (await commands(parts))["hvals"] == before
    ban = Ban(id="example.org", kind="domain", value="example.org")
    await parts.store.sites.ban("blog", ban)
    clock[0] += FRESH_S * 2
    assert list((await book.get("blog")).bans) == [ban]


async def test_many_who_need_a_sites_rules_at_once_share_one_reading(parts: Services) -> None:
    book = RuleBook(parts.store, str.casefold)
    before = (await commands(parts)).get("hvals", 0)
    held = await asyncio.gather(*(book.get("blog") for _ in range(50)))
    assert all(rules is held[0] for rules in held)
    assert (await commands(parts))["hvals"] == before + 1
    fresh = await asyncio.gather(*(book.refresh("blog") for _ in range(50)))
    assert all(rules is held[0] for rules in fresh)


async def test_a_refresh_sees_what_was_changed_before_it_was_asked_for(parts: Services) -> None:
    book = RuleBook(parts.store, str.casefold)
    for i in range(20):
        reading = asyncio.create_task(book.refresh("blog"))
        await asyncio.sleep(0)  # it is under way, and may miss the next ban
        await parts.store.sites.ban("blog", Ban(id=f"{i}", kind="author", value=f"{i}"))
        assert len((await book.refresh("blog")).bans) == i + 1
        await reading


async def test_one_who_gives_up_waiting_does_not_end_the_others_reading(parts: Services) -> None:
    book = RuleBook(parts.store, str.casefold)
    hasty, patient = (asyncio.create_task(book.get("blog")) for _ in range(2))
    await asyncio.sleep(0)
    hasty.cancel()
    assert (await patient).site.id == "blog"


async def test_compiling_long_lists_does_not_stop_the_event_loop(parts: Services) -> None:
    words = [{"text": f"word{i} and word{i + 1}", "match": "exact"} for i in range(5000)]
    await rule(parts, block=words)
    loaded = asyncio.create_task(RuleBook(parts.store, parts.scorer.fold).get("blog"))
    turns = 0
    while not loaded.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 5
