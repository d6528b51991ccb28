"""Server-sent events: a site's facts as they happen (WHATWG HTML, 9.2)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Final

import msgspec
from litestar import Response, get
from litestar.response import Stream
from msgspec import Struct

from service.api import answers
from service.api.document import SITE, Operation, text_param
from service.api.requests import Query, Req, caller, one_site, services
from service.errors import Throttled, Unauthenticated, Unavailable, invalid
from service.feed import Feeds
from service.services import Services
from service.store.events import Event, older, valid

HEARTBEAT_S: Final = 15.0


class EventOut(Struct, kw_only=True):
    """One fact."""

    type: str
    id: str
    site: str
    version: int
    status: str
    previous: str | None
    by: str | None
    at: str


_encode = msgspec.json.Encoder().encode


@get(
    "/v1/events",
    opt={
        "operation": Operation(
            summary="A site's events as they happen",
            scope="events",
            query=(
                SITE,
                text_param("after", "Start behind this event id; `0` = the oldest kept."),
            ),
            answers={200: "text/event-stream"},
            problems=(401, 403, 404, 422, 503),
            headers=("Last-Event-ID",),
            tag="Websites",
            description="Resume with `Last-Event-ID`. If the events behind it are gone, an event "
            "`reset` comes first: read the state anew.",
        )
    },
)
async def events(request: Req) -> Response[bytes] | Stream:
    """A site's events as they happen."""
    parts = services(request)
    credential = await caller(request, "events")
    key = request.headers.get("authorization", "")
    query = Query(request, "site", "after")
    site = await one_site(request, credential, query.text("site"))
    cursor = request.headers.get("last-event-id") or query.text("after")
    if cursor and not valid(cursor):
        raise invalid("/after", "invalid_cursor", "an event id as it was given")
    start = cursor or await parts.store.events.newest(site)
    feeds: Feeds = request.app.state.feeds
    return Stream(
        _while_allowed(parts, key, _stream(parts, feeds, site, start, resumed=bool(cursor))),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _while_allowed(
    parts: Services, authorization: str, frames: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """The frames of a stream until its key is revoked (asked anew at most twice a second)."""
    try:
        async for sent in frames:
            try:
                await parts.gate.credential(authorization, parts.now())
            except (Unauthenticated, Throttled):
                return
            yield sent
    except Unavailable:
        return  # the store went away: the client resumes with Last-Event-ID


async def _stream(
    parts: Services, feeds: Feeds, site: str, cursor: str, *, resumed: bool
) -> AsyncIterator[bytes]:
    ends = time.monotonic() + parts.settings.stream_s
    yield b"retry: 2000\n\n"
    async with feeds.listen(site) as listener:
        oldest = await parts.store.events.oldest(site)
        # `0` asks for whatever is kept; any other cursor behind the oldest event has lost some, and
        # where nothing is kept any more, so has every cursor.
        lost = oldest == "0-0" or older(cursor, oldest)
        if resumed and cursor not in ("0", "0-0") and lost:
            yield b"event: reset\ndata: {}\n\n"
            cursor = "0-0"
        while kept := await parts.store.events.after(site, cursor):
            for event in kept:
                yield frame(site, event)
            cursor = kept[-1].cursor
        while not parts.draining and time.monotonic() < ends:
            try:
                left = ends - time.monotonic()
                async with asyncio.timeout(max(0.0, min(HEARTBEAT_S, left))):
                    heard = await listener.get()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if heard is None:
                return
            if older(cursor, heard.cursor):
                yield frame(site, heard)
                cursor = heard.cursor


@lru_cache(16)
def frame(site: str, event: Event) -> bytes:
    """One event as it goes over the wire; made once for all who listen."""
    data = EventOut(
        type=event.type,
        id=event.comment,
        site=site,
        version=event.version,
        status=event.status,
        previous=event.before,
        by=event.actor,
        at=answers.iso(event.at),
    )
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (
        event.cursor.encode(),
        event.type.encode(),
        _encode(data),
    )


ROUTES = (events,)
