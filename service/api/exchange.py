"""Taking data along: a site's comments as JSONL, and what is said about the model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from litestar import Response, get
from litestar.response import Stream
from msgspec import Struct

from service import auth
from service.api import answers
from service.api.document import Operation
from service.api.requests import Req, caller, services
from service.errors import NotFound
from service.transfer import export


class ModelOut(Struct):
    """The model in use."""

    version: str
    labels: list[str]
    card: str
    metrics: dict[str, Any]
    champion: str
    challenger: str | None


@get(
    "/v1/sites/{site:str}/export",
    opt={
        "operation": Operation(
            summary="Export a site's comments as JSON lines",
            scope="admin",
            answers={200: "application/x-ndjson"},
            problems=(401, 403, 404, 503),
            tag="Site owners",
            description="Everything `winnow import` reads back: names, addresses, texts, statuses, "
            "decisions.",
        )
    },
)
async def export_site(request: Req, site: str) -> Stream:
    """A site's comments as JSON lines, oldest first within each status."""
    parts = services(request)
    auth.reach(await caller(request, "admin"), site)
    await parts.rules.get(site)

    async def lines() -> AsyncIterator[bytes]:
        async for line in export(parts.store, site):
            yield line

    return Stream(
        lines(),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{site}.jsonl"'},
    )


@get(
    "/v1/model",
    opt={
        "operation": Operation(
            summary="The model in use: card and metrics",
            scope="read",
            answers={200: ModelOut},
            problems=(401, 403, 404, 503),
            tag="Ops",
        )
    },
)
async def model(request: Req) -> Response[bytes]:
    """The model in use."""
    parts = services(request)
    await caller(request, "read")
    card = parts.scorer.card
    if card is None:
        raise NotFound("No model is loaded.")
    return answers.answer(
        ModelOut(
            version=parts.scorer.version,
            labels=list(parts.scorer.labels),
            card=card.text,
            metrics=card.metrics,
            champion=parts.scorer.version,
            challenger=None,
        )
    )


ROUTES = (export_site, model)
