"""Reads what cards show: comments with what is around them, and campaigns as one card each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from service.console.cards import LABEL_OF, Alike, Around, Card, card
from service.console.queue_view import PAGE_SIZE, View
from service.console.room import Room
from service.pipeline.bulk import Item
from service.pipeline.campaigns import Campaign
from service.pipeline.queues import Row, find_places, queued
from service.pipeline.score import Explained, Scorer
from service.records import Comment
from service.services import Services
from service.store.queues import Position

CAMPAIGN: Final = 3
"""Near-duplicates that make a campaign card."""
CAMPAIGNS: Final = 3
"""Campaign cards on a page, the largest: as they are decided, the next ones come."""
ONE_BY_ONE: Final = 60
"""Comments of a campaign that are shown one by one."""
EXPLAINED: Final = 2
"""Labels of one comment whose words are weighed."""


class Shown(Struct, frozen=True, kw_only=True):
    """One page of a queue."""

    campaigns: list[Card]
    cards: list[Card]
    following: str
    """Where the next page starts; '' at the end."""
    total: int | None
    """How many match; None where only counting everything could tell."""


async def page_of(room: Room, view: View) -> Shown:
    """The page of a queue that a view asks for.

    Comments of a campaign that has a card stand nowhere else.
    """
    store = room.services.store
    if view.said("like"):
        return await _alike_page(room, view.said("like"))
    found = await _largest(room) if view.status == "pending" and not view.narrowed else []
    hidden = {member.id for each in found for member in each.members}
    ask = view.ask(room.services, PAGE_SIZE + len(hidden))
    places, behind = await find_places(store, view.site, ask, scan=2000 + len(hidden))
    left = [place for place in places if place.id not in hidden]
    page = left[:PAGE_SIZE]
    more = len(left) > PAGE_SIZE or behind is not None
    rows = await queued(store, view.site, [place.id for place in page])
    total = await store.queues.count(view.site, view.status, ask.narrowed) if ask.counted else None
    fronts = [] if ask.after else [each.newest for each in found]
    cards = await cards_of(room, [*fronts, *rows])
    return Shown(
        campaigns=[_alike(one, each) for one, each in zip(cards, found, strict=False)][
            : len(fronts)
        ],
        cards=cards[len(fronts) :],
        following=_end(page[-1] if page else behind) if more else "",
        total=total,
    )


def _end(place: Position | None) -> str:
    return f"{place.score}.{place.id}" if place else ""


async def _alike_page(room: Room, newest: str) -> Shown:
    """The comments of one campaign, one by one; the newest of them, where there are many."""
    members = await members_of(room.services, room.site, newest)
    rows = await queued(room.services.store, room.site, [name for name, _ in members[:ONE_BY_ONE]])
    cards = await cards_of(room, rows)
    return Shown(campaigns=[], cards=cards, following="", total=len(members))


async def members_of(services: Services, site: str, newest: str) -> tuple[Item, ...]:
    """A campaign as its card showed it: what came after its newest is not of it; newest first."""
    found = await services.campaigns.of(site, at_least=2, limit=200)
    for campaign in found.campaigns:
        if any(member.id == newest for member in campaign.members):
            return tuple((m.id, m.version) for m in campaign.members if m.id <= newest)
    return ()


async def _largest(room: Room) -> list[Campaign]:
    """The largest campaigns among a site's pending comments."""
    found = await room.services.campaigns.of(room.site, at_least=CAMPAIGN, limit=CAMPAIGNS)
    return found.campaigns


def _alike(front: Card, campaign: Campaign) -> Card:
    alike = Alike(len(campaign.members), campaign.authors, campaign.networks)
    return msgspec.structs.replace(front, alike=alike)


async def cards_of(room: Room, rows: Sequence[Row]) -> list[Card]:
    """Comments as cards, in the order given."""
    services, comments = room.services, [row.stored.comment for row in rows]
    parents = sorted({comment.parent for comment in comments if comment.parent})
    names, answered, explained = await asyncio.gather(
        names_of(services),
        services.store.comments.read_many(room.site, parents),
        asyncio.to_thread(_explained, services.scorer, comments),
    )
    known = {stored.comment.id: stored for stored in answered if stored}
    me = room.visitor.moderator.id
    return [
        card(row, Around(names=names, me=me, parents=known, explained=why))
        for row, why in zip(rows, explained, strict=True)
    ]


async def names_of(services: Services) -> dict[str, str]:
    """The moderators' names by id."""
    return {m.id: m.name for m in await services.store.api_keys.moderators()}


def _explained(scorer: Scorer, comments: Sequence[Comment]) -> list[list[Explained]]:
    """Which words gave the scores, where the present model did: less than 1 ms each."""
    return [
        [
            why
            for label in _labels(comment)[:EXPLAINED]
            if comment.verdict.model.startswith(scorer.version)
            and (why := scorer.explain(comment.body, label))
        ]
        for comment in comments
    ]


def _labels(comment: Comment) -> list[str]:
    """The labels that gave reasons with words."""
    reasons = comment.verdict.reasons
    return [LABEL_OF[each.code] for each in reasons if each.spans and each.code in LABEL_OF]
