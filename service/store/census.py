"""The census: how every site's queues and consumers stand, for metrics, at a bounded cost.

Nothing here walks a queue: every figure is the length of a set or the end of an order, so the cost
depends on the number of sites and endpoints and not on that of comments.
"""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec import Struct

from service.records import QUEUES
from service.store.connect import Wire
from service.store.keys import BAND, SiteKeys
from service.store.sites import Sites

LOOKED_AT: Final = 250
"""Sites looked at in one census; of an installation with more, the others have their turn next."""
AT_ONCE: Final = 50
"""Sites asked about at once, so that requests do not wait behind a census."""


class Consumer(Struct, frozen=True):
    """How far one consumer of the outbox is behind."""

    waiting: int = 0
    """Events it has yet to deal with; those that wait for a further try included."""
    since: int | None = None
    """Since when, ms, the oldest piece of work could have been done and was not."""


class Standing(Struct, frozen=True, kw_only=True):
    """How one site stands."""

    counts: dict[str, int]
    """Status → comments."""
    oldest_at: int | None
    """When the oldest pending comment was submitted, ms."""
    leased: int
    consumers: dict[str, Consumer]
    dead: int
    """Deliveries that were given up."""
    undelivered_at: int | None
    """When the oldest event happened that an endpoint that takes events has not got, ms."""


class Census:
    """Counts site by site; remembers those that are not looked at this time."""

    def __init__(self, wire: Wire, sites: Sites, *, looked_at: int = LOOKED_AT) -> None:
        self._wire = wire
        self._looked_at = looked_at
        self._sites = sites
        self._known: dict[str, Standing] = {}
        self._next = 0
        self._running: asyncio.Future[dict[str, Standing]] | None = None

    async def take(self) -> dict[str, Standing]:
        """How each site stands; who asks while it is taken shares it.

        Raises:
            Unavailable: the store does not answer.
        """
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(self._take())
        return await asyncio.shield(self._running)

    async def _take(self) -> dict[str, Standing]:
        sites = await self._sites.all()
        known = {site: self._known[site] for site in sites if site in self._known}
        turn = (sites[self._next :] + sites[: self._next])[: self._looked_at]
        for start in range(0, len(turn), AT_ONCE):
            some = turn[start : start + AT_ONCE]
            found = await asyncio.gather(*(self._one(site) for site in some))
            known |= dict(zip(some, found, strict=True))
        many = len(sites) > self._looked_at
        self._next = (self._next + self._looked_at) % len(sites) if many else 0
        self._known = known
        return known

    async def _one(self, site: str) -> Standing:
        keys, ask = SiteKeys(site), self._wire.execute
        *counts, leased, oldest, endpoints, callbacks, cursor, due = await asyncio.gather(
            *(ask("ZCARD", keys.queue(status)) for status in QUEUES),
            ask("ZCARD", keys.leases()),
            self._wire.script("page", [keys.queue("pending")], ["oldest", 1, "", ""]),
            ask("SMEMBERS", keys.webhooks()),
            ask("ZCARD", keys.callbacks_due()),
            ask("GET", keys.callbacks_cursor()),
            ask("ZRANGE", keys.callbacks_due(), 0, 0, "WITHSCORES"),
        )
        hooks = await asyncio.gather(*(self._endpoint(keys, each.decode()) for each in endpoints))
        unread = await self._first_behind(keys, cursor.decode()) if cursor else None
        return Standing(
            counts=dict(zip(QUEUES, counts, strict=True)),
            oldest_at=int(oldest[1]) % BAND if oldest else None,
            leased=leased,
            consumers={
                "callbacks": Consumer(callbacks, _earliest(unread, _score(due))),
                "webhooks": Consumer(
                    sum(each.waiting for each in hooks), _earliest(*(e.since for e in hooks))
                ),
            },
            dead=sum(each.dead for each in hooks),
            undelivered_at=_earliest(*(each.undelivered_at for each in hooks)),
        )

    async def _endpoint(self, keys: SiteKeys, endpoint: str) -> _Endpoint:
        ask = self._wire.execute
        state, waiting, oldest, due, dead = await asyncio.gather(
            ask("HMGET", keys.webhook(endpoint), "cursor", "paused", "disabled"),
            ask("ZCARD", keys.waiting_deliveries(endpoint)),
            ask("ZRANGE", keys.waiting_deliveries(endpoint), 0, 0, "WITHSCORES"),
            ask("ZRANGE", keys.due_deliveries(endpoint), 0, 0, "WITHSCORES"),
            ask("ZCARD", keys.dead_letters(endpoint)),
        )
        cursor, *idle = state
        if cursor is None or any(idle):
            return _Endpoint(waiting, None, dead, None)
        unread = await self._first_behind(keys, cursor.decode())
        return _Endpoint(
            waiting, _earliest(unread, _score(due)), dead, _earliest(unread, _score(oldest))
        )

    async def _first_behind(self, keys: SiteKeys, cursor: str) -> int | None:
        """When the first event behind a cursor happened, ms."""
        rows = await self._wire.execute("XRANGE", keys.events(), f"({cursor}", "+", "COUNT", 1)
        return int(rows[0][0].partition(b"-")[0]) if rows else None


class _Endpoint(Struct, frozen=True):
    waiting: int
    since: int | None
    dead: int
    undelivered_at: int | None


def _score(rows: list[bytes]) -> int | None:
    """The score of the first member, where there is one."""
    return int(float(rows[1])) if rows else None


def _earliest(*times: int | None) -> int | None:
    return min((at for at in times if at is not None), default=None)
