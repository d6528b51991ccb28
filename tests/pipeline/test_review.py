"""Requirements of review: what a decision does, and which decisions still stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import NotFound, StaleVersion
from service.ids import Secrets
from service.pipeline.review import Decision, Review, standing_decisions
from service.pipeline.score import Scorer
from service.records import Action, Entry
from service.services import Services
from service.settings import Settings
from service.store import Store
from tests.conftest import SECRET
from tests.store.builders import NOW, build, make_site, put


@pytest.fixture
async def held(store: Store) -> tuple[Review, str, str]:
    """A review, and a pending comment of the site `blog`."""
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    return Review(store), site.id, comment.id


async def test_a_decision_carries_who_when_why_and_a_note(held: tuple[Review, str, str]) -> None:
    review, site, comment_id = held
    decision = Decision(
        id=comment_id, action="reject", version=1, reason="insult", note="second time"
    )
    reviewed = await review.decide(site, decision, actor="personal:ann", operation=None, now=NOW)
    entry = reviewed.entry
    assert (reviewed.status, reviewed.version) == ("rejected", 2)
    assert (entry.actor, entry.at, entry.reason, entry.note) == (
        "personal:ann", NOW, "insult", "second time",
    )  # fmt: skip
    assert (entry.before, entry.after) == ("pending", "rejected")


async def test_a_lost_race_names_the_winner_and_how_the_comment_stands(
    held: tuple[Review, str, str],
) -> None:
    review, site, comment_id = held
    first = Decision(id=comment_id, action="approve", version=1)
    won = await review.decide(site, first, actor="personal:ann", operation=None, now=NOW)
    second = Decision(id=comment_id, action="spam", version=1)
    with pytest.raises(StaleVersion) as lost:
        await review.decide(site, second, actor="personal:bob", operation=None, now=NOW)
    assert lost.value.members["current"] == {"status": "approved", "version": 2}
    assert lost.value.members["decision"] == won.entry


async def test_a_comment_of_another_site_is_not_found(held: tuple[Review, str, str]) -> None:
    review, _, comment_id = held
    decision = Decision(id=comment_id, action="approve", version=1)
    with pytest.raises(NotFound):
        await review.decide("elsewhere", decision, actor="a", operation=None, now=NOW)


def entry(action: str) -> Entry:
    return Entry(version=2, at=0, actor="a", action=action, after="approved")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("actions", "standing"),
    [
        ("", ""),
        ("approve", "approve"),
        ("approve reject", "approve reject"),
        ("approve undo", ""),
        ("approve reject undo", "approve"),
        ("approve reject undo undo", ""),
        ("approve edit", ""),
        ("approve edit spam", "spam"),
        ("rescore approve", "approve"),
        ("approve rescore", ""),
    ],
)
def test_an_undo_takes_back_the_last_decision_and_an_edit_ends_them(
    actions: str, standing: str
) -> None:
    found = standing_decisions([entry(action) for action in actions.split()])
    assert [one.action for one in found] == standing.split()


@given(st.lists(st.sampled_from(["approve", "reject", "spam"]), max_size=20))
def test_as_many_undos_as_decisions_leave_none_standing(actions: list[str]) -> None:
    history = [entry(action) for action in actions] + [entry("undo")] * len(actions)
    assert standing_decisions(history) == []


async def test_undo_brings_back_the_decision_that_stood_before_even_across_an_edit(
    store: Store, redis_url: str
) -> None:
    """reject → edit → approve → undo: the refusal stands again."""
    services = Services(Settings(), redis_url, Secrets(SECRET), Scorer(None))
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    review = Review(store)

    async def decide(action: Action, at: int) -> None:
        decision = Decision(id=comment.id, action=action, version=at)
        await review.decide(site.id, decision, actor="personal:ann", operation=None, now=NOW)

    await decide("reject", 1)
    stored = await store.comments.read(site.id, comment.id)
    assert stored is not None
    await services.intake.edit(stored, "Another text.", actor="secret:1", now=NOW)
    await decide("approve", 3)
    await review.undo(site.id, comment.id, 4, actor="personal:ann", operation=None, now=NOW)
    after = await store.comments.read(site.id, comment.id)
    await services.store.close()
    assert after is not None
    assert after.status == "pending"
    assert after.decision is not None
    assert after.decision.action == "reject"
