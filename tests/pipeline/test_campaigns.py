"""Requirements of campaigns: near-duplicates are found, decided as compared, and cheaply."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest

import classifier
from service.ids import named_id
from service.pipeline.bulk import Request
from service.pipeline.campaigns import FRESH
from service.pipeline.likeness import NEAR, groups
from service.records import Comment, Private, Site
from service.services import Services
from service.store.keys import SiteKeys
from service.workers.liken import liken
from tests.store.builders import NOW, build, decided, make_site, put
from tests.store.invariants import violations

SPAM = (
    "Earn up to {} dollars a day from home with our new system, ask {} on the messenger and "
    "start this very evening, no experience is needed and everybody is welcome"
)
WORDS = [f"{a}{b}" for a in ("re", "un", "co", "de", "in") for b in (
    "port", "form", "vent", "tract", "serve", "press", "duct", "late", "mand", "cline",
    "fer", "tain", "pose", "sist", "volve",
)]  # fmt: skip


def essay(seed: int) -> str:
    """A text that nobody else wrote."""
    return " ".join(random.Random(seed).choices(WORDS, k=30))


async def pending(
    services: Services, site: Site, version: int, i: int, body: str, **more: Any
) -> Comment:
    comment = build(site, at=NOW + i, body=body, author=more.pop("author", f"{i:022}"))
    await put(
        services.store, comment, version, private=Private(ip=more.pop("ip", f"192.0.{i % 3}.9"))
    )
    return comment


async def found(services: Services, **more: Any) -> Any:
    return await services.campaigns.of("blog", **({"at_least": 2, "limit": 50} | more))


# ------------------------------------------------------------------------------- pure


def test_the_bound_is_the_classifiers() -> None:
    assert NEAR == classifier.NEAR


@pytest.mark.parametrize("seed", range(20))
def test_whoever_is_near_a_leader_is_found(seed: int) -> None:
    """However the bits that differ are spread over the bands; one more is too far."""
    dice = random.Random(seed)
    leader = dice.getrandbits(64) | 1
    near = leader
    for bit in dice.sample(range(64), NEAR):
        near ^= 1 << bit
    far = near ^ (1 << next(b for b in range(64) if not (leader ^ near) >> b & 1))
    assert groups([leader, near]) == [[0, 1]]
    assert groups([leader, far]) == [[0], [1]]


def test_groups_keep_their_order_and_leave_texts_without_words() -> None:
    assert groups([]) == []
    assert groups([0, 5, 0, 5, 1 << 60, 5]) == [[1, 3, 4, 5]]
    assert groups([1, (1 << 64) - 1, 1]) == [[0, 2], [1]]


def test_texts_made_to_share_a_band_cost_no_more_than_others() -> None:
    dice = random.Random(1)
    same = [dice.getrandbits(54) << 10 | 5 for _ in range(5000)]
    started = time.perf_counter()
    groups(same)
    assert time.perf_counter() - started < 2


# ----------------------------------------------------------------------------- whole


async def test_one_text_by_many_people_is_one_campaign(services: Services) -> None:
    site, version = await make_site(services.store)
    for i in range(9):
        body = SPAM.format(900 + i, f"anna{i}") if i % 3 else essay(i)
        await pending(services, site, version, i, body)
    answer = await found(services)
    (campaign,) = answer.campaigns
    assert (len(campaign.members), campaign.authors, campaign.networks) == (6, 6, 2)
    assert campaign.newest.stored.comment.id == campaign.members[0].id
    assert (answer.compared, answer.waiting) == (9, 0)
    assert (await found(services, at_least=7)).campaigns == []
    assert await violations(services.store, "blog") == []


async def test_a_campaign_is_decided_as_it_was_compared(services: Services) -> None:
    """Who made another comment of it meanwhile is not decided with the rest."""
    site, version = await make_site(services.store)
    for i in range(5):
        await pending(services, site, version, i, SPAM.format(i, "anna"))
    (campaign,) = (await found(services)).campaigns
    edited = await services.store.comments.read("blog", campaign.members[1].id)
    assert edited
    await services.intake.edit(edited, essay(1), actor="website", now=NOW)
    items = tuple((member.id, member.version) for member in campaign.members)
    outcome = await services.bulk.decide(
        "blog",
        Request(action="spam", chosen=items, text="campaign"),
        operation_id=named_id("x", site.number),
        actor="personal:ann",
        now=NOW,
    )
    assert (outcome.done, [left.id for left in outcome.named]) == (4, [edited.comment.id])
    again = await found(services)
    assert again.campaigns == []
    assert await violations(services.store, "blog") == []


async def test_whatever_changes_a_comment_drops_what_it_was_compared_by(
    services: Services,
) -> None:
    site, version = await make_site(services.store)
    made = [await pending(services, site, version, i, SPAM.format(i, "x")) for i in range(3)]
    await liken(services)
    assert await services.store.likeness.count("blog") == 3
    await decided(services.store, made[0], "approve")
    assert await services.store.likeness.count("blog") == 2
    await services.review.undo("blog", made[0].id, 2, actor="x", operation=None, now=NOW)
    await liken(services)
    rows = await services.store.likeness.of("blog", [made[0].id])
    assert [row.version for row in rows if row] == [3]
    assert await violations(services.store, "blog") == []


async def test_what_is_kept_names_no_author_and_no_address(services: Services) -> None:
    site, version = await make_site(services.store)
    made = await pending(services, site, version, 1, SPAM, ip="198.51.100.77", author="b" * 22)
    await liken(services)
    row = await services.store.wire.client.hget(SiteKeys("blog").likeness(), made.id)
    assert b"198.51" not in row
    assert b"bbb" not in row


async def test_five_thousand_pending_take_a_third_of_a_second(services: Services) -> None:
    site, version = await make_site(services.store)
    for start in range(0, 5200, 200):
        await asyncio.gather(
            *(
                pending(
                    services,
                    site,
                    version,
                    i,
                    SPAM.format(i, f"anna{i}") if i % 4 == 0 else essay(i),
                )
                for i in range(start, start + 200)
            )
        )
    cold = await found(services)
    assert (cold.compared, cold.waiting) == (FRESH, 5000 - FRESH)
    started = time.perf_counter()
    await liken(services)
    prepared = time.perf_counter() - started
    took = []
    for _ in range(3):
        started = time.perf_counter()
        answer = await found(services)
        took.append(time.perf_counter() - started)
    print(f"5,000 prepared in {prepared:.2f} s; campaigns in {min(took) * 1000:.0f} ms")
    assert (answer.compared, answer.waiting) == (5000, 0)
    assert len(answer.campaigns[0].members) == 1250
    assert min(took) < 0.6, "0.3 s on a free machine"
