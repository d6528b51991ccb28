"""Taking data along: a site's comments as JSONL."""

from __future__ import annotations

from collections.abc import AsyncIterator

from litestar import get
from litestar.response import Stream

from service import auth
from service.api.document import Operation, text_param
from service.api.erasures import AUTHOR_ID
from service.api.requests import Query, Req, caller, services
from service.errors import invalid
from service.pipeline.subject import held
from service.transfer import export


@get(
    "/v1/sites/{site:str}/export",
    opt={
        "operation": Operation(
            summary="Export a site's comments as JSON lines",
            scope="admin",
            answers={200: "application/x-ndjson"},
            problems=(401, 403, 404, 422, 503),
            tag="Site owners",
            query=(
                text_param("author", "Only what is held about one author, by the id in queues."),
            ),
            description="Everything `winnow import` reads back: names, addresses, texts, statuses, "
            "decisions. With `author`, everything that is held about one person, for that person: "
            "each line says its `kind`.",
        )
    },
)
async def export_site(request: Req, site: str) -> Stream:
    """A site's comments as JSON lines, oldest first within each status."""
    parts = services(request)
    auth.reach(await caller(request, "admin"), site)
    await parts.rules.get(site)

    author = Query(request, "author").text("author")
    if author and not AUTHOR_ID.fullmatch(author):
        # Never an address: addresses of requests stand in the logs of proxies.
        raise invalid("/author", "invalid_author", "the 22 characters that queues show")

    async def lines() -> AsyncIterator[bytes]:
        source = held(parts.store, site, author) if author else export(parts.store, site)
        async for line in source:
            yield line

    return Stream(
        lines(),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{site}.jsonl"'},
    )


ROUTES = (export_site,)
