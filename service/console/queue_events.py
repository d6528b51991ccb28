"""What happens in a site's queues while somebody looks at them, as server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.response import Stream

from service.console.cards import DONE, actor
from service.console.queue_cards import names_of
from service.console.room import Room, enter
from service.errors import Malformed
from service.feed import Feeds
from service.html import Req
from service.records import STATUS_OF_ACTION
from service.store.events import Event, older, valid

PULSE_S: Final = 2.0
"""How often counts and who looks at what are read anew."""
CHECK_S: Final = 15.0
"""How often the session is asked for: without that, a stream would outlive it."""
LIFETIME_S: Final = 600.0
"""A stream ends after ten minutes; the page comes back for the next."""
WORD_OF: Final[dict[str, str]] = {
    status: DONE[action] for action, status in STATUS_OF_ACTION.items()
}


@get("/console/events")
async def events(request: Req) -> Response[Any] | Stream:
    """Decisions and arrivals behind `after`, counts, and who looks at what."""
    room = await enter(request, "", "queues")
    after = str(request.headers.get("last-event-id") or request.query_params.get("after", ""))
    if not valid(after):
        raise Malformed("This is no event.")
    await room.services.rules.get(room.site)
    return Stream(
        _stream(room, request.app.state.feeds, after),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(room: Room, feeds: Feeds, cursor: str) -> AsyncIterator[bytes]:
    services, site, me = room.services, room.site, room.visitor.credential
    names, told = dict(await names_of(services)), b""
    ends = checked = time.monotonic()
    ends += min(LIFETIME_S, services.settings.stream_s)
    yield b"retry: 2000\n\n"
    async with feeds.listen(site) as listener:
        for event in await services.store.events.after(site, cursor):
            yield _frame(event, names, me.actor)
            cursor = event.cursor
        while not services.draining and time.monotonic() < ends:
            standing = _encoded("standing", await _standing(room, names))
            if standing != told:
                yield standing
                told = standing
            if time.monotonic() - checked > CHECK_S:
                if not await _signed_in(room):
                    return
                checked = time.monotonic()
                yield b": still here\n\n"
            async for heard in _heard(listener):
                if heard is None:
                    return
                if older(cursor, heard.cursor):
                    if (heard.actor or "").partition(":")[2] not in names:
                        names.update(await names_of(services))
                    yield _frame(heard, names, me.actor)
                    cursor = heard.cursor


async def _heard(listener: asyncio.Queue[Event | None]) -> AsyncIterator[Event | None]:
    """What comes until the next pulse."""
    pulse = time.monotonic() + PULSE_S
    while (left := pulse - time.monotonic()) > 0:
        try:
            async with asyncio.timeout(left):
                event = await listener.get()
        except TimeoutError:
            return
        yield event


async def _standing(room: Room, names: dict[str, str]) -> dict[str, Any]:
    queues, me = room.services.store.queues, room.visitor.moderator.id
    waiting, looking = await asyncio.gather(
        queues.waiting(room.site), queues.looking(room.site, room.services.now())
    )
    return {
        "counts": {row.status: row.count for row in waiting},
        "looking": {
            name: names.get(holder, "somebody") for name, holder in looking.items() if holder != me
        },
    }


async def _signed_in(room: Room) -> bool:
    """Whether the session still stands, asked in a way that does not prolong it."""
    session, store = room.visitor.session, room.services.store
    live, generation = await asyncio.gather(
        store.sessions.of(session.moderator, session.generation),
        store.logins.generation(session.moderator),
    )
    return generation == session.generation and any(each.id == session.id for each in live)


def _frame(event: Event, names: dict[str, str], me: str) -> bytes:
    data = {
        "id": event.comment,
        "version": event.version,
        "status": event.status,
        "before": event.before,
        "mine": event.actor == me,
        "text": f"{WORD_OF.get(event.status, 'Put back')} by {actor(event.actor or '', names)}",
    }
    return b"id: %s\n" % event.cursor.encode() + _encoded("moved", data)


def _encoded(kind: str, data: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode(data))


HANDLERS: Final = (events,)
