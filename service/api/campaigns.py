"""Campaigns: near-duplicates among pending comments, to be decided as one."""

from __future__ import annotations

from litestar import Response, get
from msgspec import Struct

from service.api import answers
from service.api.document import SITE, Operation, whole_param
from service.api.requests import Query, Req, caller, one_site, services
from service.pipeline.campaigns import Campaign, Member


class CampaignOut(Struct, kw_only=True):
    """Pending comments that say nearly the same."""

    count: int
    authors: int
    networks: int
    """From how many networks they came, where that is known."""
    newest: answers.CommentOut
    members: list[Member]
    """All of them as they were compared, newest first: the `items` of `POST
    /v1/decisions/matching`."""


class CampaignsOut(Struct, kw_only=True):
    """The campaigns among a site's newest 5,000 pending comments, the largest first."""

    items: list[CampaignOut]
    next: str | None = None
    compared: int
    waiting: int
    """How many of these comments are not prepared for comparing yet; ask again in some seconds."""


@get(
    "/v1/queues/pending/campaigns",
    opt={
        "operation": Operation(
            summary="Near-duplicates among pending comments",
            scope="queues",
            query=(
                SITE,
                whole_param("at_least", "The least comments of a campaign.", 2, 1000, 2),
                whole_param("limit", "Campaigns in the answer.", 1, 200, 50),
            ),
            answers={200: CampaignsOut},
            problems=(401, 403, 404, 422, 503),
            tag="Moderators",
        )
    },
)
async def campaigns(request: Req) -> Response[bytes]:
    """The campaigns among a site's newest pending comments."""
    parts = services(request)
    credential = await caller(request, "queues")
    query = Query(request, "site", "at_least", "limit")
    site = await one_site(request, credential, query.text("site"))
    found = await parts.campaigns.of(
        site,
        at_least=query.whole("at_least", 2, 2, 1000),
        limit=query.whole("limit", 50, 1, 200),
    )
    items = [campaign_out(each) for each in found.campaigns]
    return answers.answer(CampaignsOut(items=items, compared=found.compared, waiting=found.waiting))


def campaign_out(campaign: Campaign) -> CampaignOut:
    """A campaign as moderators see it."""
    return CampaignOut(
        count=len(campaign.members),
        authors=campaign.authors,
        networks=campaign.networks,
        newest=answers.queued_out(*campaign.newest),
        members=campaign.members,
    )


ROUTES = (campaigns,)
