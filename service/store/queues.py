"""The queues humans work through: pages, counts, claims."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from service.ids import random_id, short_hash
from service.records import QUEUES, Lease, Status
from service.store.comments import HOUR_MS
from service.store.connect import Wire
from service.store.keys import BAND, SiteKeys

Sort = Literal["priority", "oldest", "newest"]


class Filter(Struct, frozen=True):
    """What a queue is narrowed to; the empty string means no narrowing."""

    page: str = ""
    author: str = ""
    reason: str = ""


class Position(Struct, frozen=True):
    """Behind which comment a page starts; `score` as in the queue, or ms for the time orders."""

    score: int
    id: str


class Waiting(Struct, frozen=True):
    """How one queue stands."""

    status: Status
    count: int
    oldest_at: int | None


class Flow(Struct, frozen=True):
    """What arrived and was decided in the last full and the current hour, and recent latencies."""

    submitted: int
    held: int
    decided: int
    latencies_ms: tuple[int, ...]


class Queues:
    """Reads queues and leases their comments."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def page(
        self,
        site: str,
        status: Status,
        *,
        sort: Sort,
        limit: int,
        narrowed: Filter | None = None,
        after: Position | None = None,
    ) -> list[Position]:
        """The next `limit` comments behind `after`, by the narrowest of the queues that apply.

        A further filter of `narrowed` is the caller's to apply: see `narrow`.
        """
        key = narrow(SiteKeys(site), status, narrowed or Filter())
        start = ["", ""] if after is None else [after.score, after.id]
        rows = await self._wire.script("page", [key], [sort, limit, *start])
        return [
            Position(
                int(rows[i + 1]) % (BAND if sort != "priority" else BAND * BAND), rows[i].decode()
            )
            for i in range(0, len(rows), 2)
        ]

    async def count(self, site: str, status: Status, narrowed: Filter) -> int:
        """How many comments a status and filter hold."""
        keys = SiteKeys(site)
        names = _names(keys, status, narrowed)
        if len(names) == 1:
            return int(await self._wire.execute("ZCARD", names[0]))
        return int(await self._wire.execute("ZINTERCARD", len(names), *names))

    async def waiting(self, site: str) -> list[Waiting]:
        """Count and oldest comment of every queue of a site."""
        keys = SiteKeys(site)
        counts = [self._wire.execute("ZCARD", keys.queue(status)) for status in QUEUES]
        oldest = [
            self._wire.script("page", [keys.queue(status)], ["oldest", 1, "", ""])
            for status in QUEUES
        ]
        answers = await asyncio.gather(*counts, *oldest)
        size = len(QUEUES)
        return [
            Waiting(status, answers[i], int(row[1]) % BAND if (row := answers[size + i]) else None)
            for i, status in enumerate(QUEUES)
        ]

    async def flow(self, site: str, now: int) -> Flow:
        """Arrivals and decisions of this hour and the last, and recent times to decide."""
        keys, hour = SiteKeys(site), now // HOUR_MS
        *hours, latencies = await asyncio.gather(
            *(
                self._wire.execute("HMGET", keys.stats(h), "submitted", "held", "decided")
                for h in (hour, hour - 1)
            ),
            self._wire.execute("LRANGE", keys.latencies(), 0, -1),
        )
        submitted, held, decided = (sum(int(row[i] or 0) for row in hours) for i in (0, 1, 2))
        return Flow(submitted, held, decided, tuple(int(value) for value in latencies))

    async def claim(self, site: str, *, count: int, ttl_ms: int, holder: str) -> list[Lease]:
        """Leases the next pending comments to `holder`; fewer than `count` when fewer are free."""
        keys, token = SiteKeys(site), random_id()
        expiry, *ids = await self._wire.script(
            "claim",
            [keys.queue("pending"), keys.leases(), keys.holders()],
            [count, ttl_ms, holder, token],
            again=False,
        )
        return [Lease(i.decode(), holder, token, int(expiry)) for i in ids]

    async def look(self, site: str, comment_id: str, *, holder: str, ttl_ms: int) -> int:
        """Leases one pending comment: its expiry in ms; -1 it does not wait, -2 another has it."""
        keys = SiteKeys(site)
        return int(
            await self._wire.script(
                "look",
                [keys.queue("pending"), keys.leases(), keys.holders()],
                [comment_id, ttl_ms, holder, random_id()],
            )
        )

    async def looking(self, site: str, now: int) -> dict[str, str]:
        """Who looks at what: the holder of each comment that is leased, of the newest 500."""
        keys = SiteKeys(site)
        ids = await self._wire.execute(
            "ZRANGE", keys.leases(), "+inf", now, "BYSCORE", "REV", "LIMIT", 0, 500
        )
        holders = await self._wire.execute("HMGET", keys.holders(), *ids) if ids else []
        return {
            name.decode(): holder.decode().partition("\n")[0]
            for name, holder in zip(ids, holders, strict=True)
            if holder
        }

    async def renew(self, site: str, comment_id: str, *, holder: str, ttl_ms: int) -> int:
        """The new expiry in ms; -1 where the lease is nobody's, -2 where it is another's."""
        keys = SiteKeys(site)
        return int(
            await self._wire.script(
                "renew", [keys.leases(), keys.holders()], [comment_id, holder, ttl_ms]
            )
        )

    async def release(self, site: str, comment_id: str, *, holder: str) -> int:
        """1 released, 0 it was nobody's, -2 it is another's."""
        keys = SiteKeys(site)
        return int(
            await self._wire.script(
                "release", [keys.leases(), keys.holders()], [comment_id, holder]
            )
        )

    async def reap(self, site: str) -> int:
        """Drops leases that ran out; how many."""
        keys = SiteKeys(site)
        return int(await self._wire.script("reap", [keys.leases(), keys.holders()], [1000]))


def narrow(keys: SiteKeys, status: Status, narrowed: Filter) -> str:
    """The queue to walk for a filter: an author's is shortest, then a page's, then a reason's."""
    return _names(keys, status, narrowed)[0]


def _names(keys: SiteKeys, status: Status, narrowed: Filter) -> Sequence[str]:
    names = []
    if narrowed.author:
        names.append(keys.by_author(status, narrowed.author))
    if narrowed.page:
        names.append(keys.by_page(status, short_hash(narrowed.page)))
    if narrowed.reason:
        names.append(keys.by_reason(status, narrowed.reason))
    return names or [keys.queue(status)]
