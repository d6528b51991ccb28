"""The composition root of a web process: settings → store → classifier → Litestar.

The only file that knows everyone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler

from service import __version__
from service.api import (
    authors,
    bans,
    bulk,
    campaigns,
    comments,
    deliveries,
    docs,
    erasures,
    events,
    exchange,
    flow,
    health,
    intake,
    keys,
    model,
    moderators,
    notes,
    preview,
    problems,
    queues,
    receipts,
    reviews,
    score,
    sessions,
    sites,
    threads,
    webhooks,
)
from service.api.compat import akismet, coral, openai, perspective
from service.api.document import Operation, openapi
from service.api.kept import Kept
from service.api.requests import BODY_MAX
from service.console import pages as console
from service.embed import pages as embed
from service.feed import Feeds
from service.readiness import Probe
from service.services import Services

API_ROUTES: tuple[Any, ...] = (
    intake.intake,
    *comments.ROUTES,
    *receipts.ROUTES,
    *threads.ROUTES,
    *score.ROUTES,
    *events.ROUTES,
    *queues.ROUTES,
    *reviews.ROUTES,
    *notes.ROUTES,
    *bulk.ROUTES,
    *campaigns.ROUTES,
    *bans.ROUTES,
    *authors.ROUTES,
    *flow.ROUTES,
    *sites.ROUTES,
    *keys.ROUTES,
    *preview.ROUTES,
    *webhooks.ROUTES,
    *deliveries.ROUTES,
    *coral.ROUTES,
    *moderators.ROUTES,
    *sessions.ROUTES,
    *exchange.ROUTES,
    *erasures.ROUTES,
    *model.ROUTES,
    *health.ROUTES,
)
DOORS: tuple[Any, ...] = (
    *akismet.ROUTES,
    *perspective.ROUTES,
    *openai.ROUTES,
    *coral.DOOR,
)
"""The emulated APIs: their contracts are others', so that our own document leaves them out."""


def litestar_app(services: Services) -> Litestar:
    """The Litestar application around one process's parts."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        await services.store.open()
        await services.pressure.look()
        watching = asyncio.create_task(services.pressure.watch())
        await services.identity.look()
        recognising = asyncio.create_task(services.identity.watch())
        app.state.feeds = Feeds(services.store.events)
        following = asyncio.create_task(services.models.follow())
        learning = asyncio.create_task(services.models.learn_ahead())
        yield
        following.cancel()
        learning.cancel()
        services.draining = True
        app.state.feeds.close()
        watching.cancel()
        recognising.cancel()
        await services.store.close()

    document = msgspec.json.encode(api_document(services.settings.public_url))

    @get("/openapi.json", sync_to_thread=False)
    def openapi_json() -> Response[bytes]:
        """The OpenAPI document."""
        return Response(document, media_type="application/json")

    return Litestar(
        [*API_ROUTES, *DOORS, openapi_json, *docs.ROUTES, *console.ROUTES, *embed.ROUTES],
        lifespan=[lifespan],
        state=State({"services": services, "probe": Probe(), "kept": Kept()}),
        exception_handlers={Exception: failed},
        request_max_body_size=BODY_MAX,
        openapi_config=None,
        # Errors are answered and logged by `problems`.
        logging_config=None,
    )


def failed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to a failure that no route saw, as the door that was knocked at gives it."""
    akismets = request.scope["path"].startswith(("/1.1/", "/1.2/"))
    return akismet.refused(request, error) if akismets else problems.answer(request, error)


def api_document(server: str) -> dict[str, Any]:
    """The OpenAPI document of every route of the API."""
    return openapi(
        operations(API_ROUTES), version=__version__, server=server, problem=problems.Problem
    )


def operations(routes: Iterable[BaseRouteHandler]) -> list[tuple[str, str, Operation]]:
    """Path, method and declaration of every route."""
    rows: list[tuple[str, str, Operation]] = []
    for route in routes:
        for path in sorted(route.paths):
            if "operations" in route.opt:
                rows.extend((path, method, op) for method, op in route.opt["operations"].items())
            else:
                methods = sorted(m for m in route.http_methods if m not in ("HEAD", "OPTIONS"))  # type: ignore[attr-defined]
                rows.extend((path, str(method), route.opt["operation"]) for method in methods)
    return rows
