"""Requirements of the preview of a policy: what would have gone elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from service.ids import Secrets, new_id
from service.pipeline import preview as module
from service.pipeline.preview import SLICE, Report
from service.pipeline.score import load_scorer
from service.records import Comment, Policy, Private, Site, Verdict
from service.services import Services
from service.settings import Settings
from tests.store.builders import decided

NOW = 1_760_000_000_000
HOUR = 3_600_000
PLAIN: dict[str, Any] = {
    "thresholds": {},
    "signals": {},
    "authors": {"hold_first": 0},
    "links": {"max": None},
    "same_text": {"max": None},
    "rejection_rate": {"enabled": False},
    "disposable_email": {"enabled": False},
}
FILLER = "I read the second part twice and I think the council should publish its figures. "


def policy(**changes: Any) -> Policy:
    return msgspec.convert(PLAIN | changes, Policy)


@pytest.fixture
async def parts(redis_url: str) -> AsyncIterator[Services]:
    services = Services(Settings(), redis_url, Secrets(bytes(32)), load_scorer(""))
    await services.store.open()
    await services.store.sites.create(Site(id="blog", number=0), policy())
    yield services
    await services.store.close()


async def came(parts: Services, i: int, status: str = "approved", **fields: Any) -> Comment:
    """A comment that came i hours after the beginning."""
    rules = await parts.rules.get("blog")
    at = NOW + i * HOUR
    plain: dict[str, Any] = {
        "id": new_id(at, rules.site.number),
        "site": "blog",
        "page": "https://news.example/a",
        "author": f"{i:022}",
        "name": "A reader",
        "body": f"{FILLER} Point {i}.",
        "created_at": at,
        "submitted_at": at,
        "scores": {"spam": 0.1, "insult": 0.1},
        "fingerprint": f"f{i}",
        "verdict": Verdict("approve", (), 1, "m"),
    }
    comment = Comment(**(plain | fields))
    await parts.store.comments.submit(
        comment,
        status,  # type: ignore[arg-type]
        email="reader@mailinator.com",
        private=Private(ip="203.0.113.9"),
        page_title="",
        config_version=rules.version,
        text_window_s=3600,
        idempotency=None,
        answer=b"",
        now=at,
    )
    return comment


async def preview(parts: Services, **changes: Any) -> Report:
    return await parts.preview.of("blog", policy(**changes))


async def test_the_same_policy_changes_nothing(parts: Services) -> None:
    for i in range(5):
        await came(parts, i)
    found = await preview(parts)
    assert (found.comments, found.changed, found.matrix) == (5, 0, {"approve": {"approve": 5}})
    assert found.current == found.proposed


async def test_a_threshold_shows_what_it_would_hold_and_whom_it_contradicts(
    parts: Services,
) -> None:
    kind = await came(parts, 0, scores={"insult": 0.7})
    rude = await came(parts, 1, scores={"insult": 0.9})
    await came(parts, 2)
    await decided(parts.store, kind, "approve")
    await decided(parts.store, rude, "reject")
    found = await preview(parts, thresholds={"insult": {"hold": 0.6, "reject": 0.8}})
    assert found.matrix == {"approve": {"hold": 1, "reject": 1, "approve": 1}}
    assert (found.decided, found.changed) == (2, 2)
    assert found.current.agreement == {"agrees": 1, "publishes_refused": 1}
    assert found.proposed.agreement == {"asks": 1, "agrees": 1}
    assert (found.current.hold_rate, found.proposed.hold_rate) == (0.0, 0.3333)
    assert [(c.id, c.human, c.proposed) for c in found.changes] == [
        (rude.id, "refuse", "reject"), (kind.id, "approve", "hold"),
    ]  # fmt: skip
    assert found.changes[0].reasons == ("toxicity.insult",)


async def test_the_most_telling_changes_come_first(parts: Services) -> None:
    alone = await came(parts, 0)
    loved = await came(parts, 1)
    hated = await came(parts, 2)
    await decided(parts.store, loved, "approve")
    await decided(parts.store, hated, "spam")
    found = await preview(parts, block=[{"text": "council", "outcome": "reject"}])
    assert [c.id for c in found.changes] == [loved.id, hated.id, alone.id]


async def test_an_author_counts_as_they_did_when_the_comment_came(parts: Services) -> None:
    author = "a" * 22
    for i in range(4):
        await came(parts, i, author=author)
    found = await preview(parts, authors={"hold_first": 2})
    assert found.matrix == {"approve": {"hold": 2, "approve": 2}}
    refused = "b" * 22
    for i in range(5, 9):
        await came(parts, i, "spam", author=refused)
    found = await preview(parts, rejection_rate={"enabled": True, "at_least": 2})
    assert found.matrix["approve"]["hold"] == 2


async def test_repetitions_pages_addresses_and_bans_count_as_they_did(parts: Services) -> None:
    for i in range(4):
        await came(parts, i, fingerprint="same")
    found = await preview(parts, same_text={"max": 2, "hours": 2})
    assert found.matrix == {"approve": {"approve": 2, "hold": 2}}
    found = await preview(parts, closing={"days": 1, "outcome": "reject"})
    assert found.changed == 0
    await came(parts, 30)
    found = await preview(parts, closing={"days": 1, "outcome": "reject"})
    assert found.changed == 1
    found = await preview(parts, disposable_email={"enabled": True, "outcome": "spam"})
    assert found.changed == 5


async def test_comments_without_scores_are_scored_with_the_model_at_hand(parts: Services) -> None:
    abuse = "You are a worthless idiot and everyone hates you."
    await came(parts, 0, body=abuse, scores=None)
    found = await preview(parts, thresholds={"insult": {"hold": 0.5}})
    assert found.matrix == {"approve": {"hold": 1}}


async def test_an_undone_decision_and_one_of_an_older_text_do_not_count(parts: Services) -> None:
    comment = await came(parts, 0, "pending")
    await decided(parts.store, comment, "reject")
    assert (await preview(parts)).decided == 1
    await parts.review.undo("blog", comment.id, 2, actor="x", operation=None, now=NOW)
    assert (await preview(parts)).decided == 0
    edited = await came(parts, 2, edited_at=NOW * 2)
    await decided(parts.store, edited, "reject")
    assert (await preview(parts)).decided == 0


async def test_a_policy_that_takes_too_long_is_tried_on_the_newest_comments(
    parts: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(SLICE + 10):
        await came(parts, i)
    newest = await came(parts, 1000, body="A bridge.")
    monkeypatch.setattr(module, "LONGEST_S", 0.0001)
    found = await preview(parts, block=[{"text": "bridge", "outcome": "reject"}])
    assert found.comments == SLICE
    assert [change.id for change in found.changes] == [newest.id]


async def test_a_preview_of_two_thousand_comments_holds_up_nobody(
    parts: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop turns all the while, however slow the machine; words and patterns included."""
    monkeypatch.setattr(module, "LONGEST_S", 60.0)
    for start in range(0, 2000, 100):
        await asyncio.gather(
            *(came(parts, i, author=f"{i % 700:022}") for i in range(start, start + 100))
        )
    words = [{"text": f"word{i}"} for i in range(500)] + [{"text": "council", "outcome": "hold"}]
    turns = 0

    async def beat() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    heart = asyncio.create_task(beat())
    started = time.perf_counter()
    found = await preview(parts, block=words, thresholds={"insult": {"hold": 0.5}})
    took = time.perf_counter() - started
    heart.cancel()
    assert (found.comments, len(found.changes)) == (2000, 100)
    print(f"preview of 2,000: {took:.2f} s, {turns} turns of the loop")
    assert turns >= 20, "2,000 comments are read in 20 pieces at least"
