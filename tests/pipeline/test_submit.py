"""Requirements of submit: what surrounds a comment decides, and it is stored once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from service.errors import Conflict, IdempotencyMismatch, Invalid, NotFound
from service.ids import Secrets, site_number_of
from service.pipeline.score import load_scorer
from service.pipeline.submit import Accepted
from service.records import Ban, Draft, Policy, Site
from service.services import Services
from service.settings import Settings
from service.store.comments import Idempotency
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


# --------------------------------------------------------------------- without a model


async def test_without_a_model_nothing_is_published_unseen(services: Services) -> None:
    await services.store.sites.create(Site(id="blog", number=0), Policy())
    await rule(services)
    accepted = await submit(services)
    assert (accepted.status, accepted.scores) == ("pending", None)
    assert "check.unavailable" in codes(accepted)
