"""Authors: one author of a site as moderators see them."""

from __future__ import annotations

import asyncio

from litestar import Response, get
from msgspec import Struct

from service.api import answers
from service.api.bans import BanOut, ban_out
from service.api.document import Operation, whole_param
from service.api.requests import Query, Req, services
from service.api.sites import own_site
from service.errors import NotFound
from service.records import QUEUES, Status
from service.services import Services
from service.store.queues import Filter


class AuthorPageOut(Struct, kw_only=True):
    """An author's record, the bans that meet them, and their newest comments by status."""

    author: answers.AuthorOut
    bans: list[BanOut]
    """Those that match the author or the domain of the address; networks differ by comment."""
    comments: dict[Status, list[answers.CommentOut]]


@get(
    "/v1/sites/{site:str}/authors/{author:str}",
    opt={
        "operation": Operation(
            summary="One author of a site",
            scope="queues",
            query=(whole_param("limit", "Newest comments of each status.", 1, 50, 10),),
            answers={200: AuthorPageOut},
            problems=(401, 403, 404, 422, 503),
            tag="Moderators",
            description="By the id that queues show. The address is masked.",
        )
    },
)
async def author(request: Req, site: str, author: str) -> Response[bytes]:
    """An author's record, bans and newest comments."""
    await own_site(request, site, "queues")
    limit = Query(request, "limit").whole("limit", 10, 1, 50)
    parts = services(request)
    ((record, email),) = await parts.store.comments.authors(site, [author])
    if record.first_at is None:
        raise NotFound("This site has no such author.")
    rules = await parts.rules.refresh(site)
    bans = rules.bans.matching(
        author_id=author, email_domain=email.rpartition("@")[2], ip="", now=parts.now()
    )
    shown = await asyncio.gather(*(_newest(parts, site, author, s, limit) for s in QUEUES))
    newest = max((each for row in shown for each in row), key=lambda c: c.created_at, default=None)
    return answers.answer(
        AuthorPageOut(
            author=answers.author_out(author, newest.name if newest else "", record, email),
            bans=[ban_out(ban) for ban in bans],
            comments=dict(zip(QUEUES, shown, strict=True)),
        )
    )


async def _newest(
    parts: Services, site: str, author: str, status: Status, limit: int
) -> list[answers.CommentOut]:
    places = await parts.store.queues.page(
        site, status, sort="newest", limit=limit, narrowed=Filter(author=author)
    )
    rows = await parts.store.comments.read_many(site, [place.id for place in places])
    return [answers.comment_out(row) for row in rows if row]


ROUTES = (author,)
