"""Retention: where the walk over a site's comments stands, and what it takes out besides texts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from service.records import QUEUES, Status
from service.store.connect import Wire
from service.store.keys import SiteKeys
from service.store.queues import Position

REFUSED: Final[tuple[Status, ...]] = ("rejected", "spam")
SLICE: Final = 200
"""Audit entries dropped by one script at most."""


class Walk(Struct, frozen=True, kw_only=True):
    """Where a walk over the queues stands: queue by queue, oldest comment first."""

    status: Status = QUEUES[0]
    after: Position | None = None
    walked_at: int = 0
    """When the last whole walk ended, in ms."""


class Retained:
    """Keeps walks, and takes out what needs no new version."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def now(self) -> int:
        """The server's clock, ms since the epoch: every worker goes by the same one."""
        seconds, micros = await self._wire.execute("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    async def walk(self, site: str) -> Walk:
        """Where the walk stands; at the beginning where there was none."""
        status, score, comment, walked_at = await self._wire.execute(
            "HMGET", SiteKeys(site).retention(), "status", "score", "id", "walked_at"
        )
        return Walk(
            status=status.decode() if status else QUEUES[0],
            after=Position(int(score), comment.decode()) if comment else None,
            walked_at=int(walked_at or 0),
        )

    async def keep_walk(self, site: str, walk: Walk) -> None:
        """Notes where it stands; two workers that walk at once merely look twice."""
        place = (walk.after.score, walk.after.id) if walk.after else ("", "")
        await self._wire.execute(
            "HSET",
            SiteKeys(site).retention(),
            *("status", walk.status, "score", place[0], "id", place[1]),
            *("walked_at", walk.walked_at),
        )

    async def drop_private(self, site: str, ids: Sequence[str]) -> int:
        """Forgets where comments came from; how many of them this was known of."""
        keys = SiteKeys(site)
        gone = await asyncio.gather(
            *(self._wire.execute("HDEL", keys.comment(name), "p") for name in ids)
        )
        return sum(int(each) for each in gone)

    async def drop_address(self, site: str, author: str, before: int) -> bool:
        """Forgets an author's address and name if all they wrote was refused, before then (ms)."""
        keys = SiteKeys(site)
        outcome = await self._wire.script(
            "forget_author",
            [
                keys.author(author),
                keys.by_author("pending", author),
                keys.by_author("approved", author),
                *(keys.by_author(status, author) for status in REFUSED),
            ],
            [before],
        )
        return bool(outcome)

    async def trim_audit(self, site: str, before: int) -> int:
        """Drops audit entries older than that (ms); how many."""
        keys, dropped = SiteKeys(site), 0
        while gone := int(
            await self._wire.script(
                "trim_audit", [keys.audit(), keys.audit_base()], [before, SLICE]
            )
        ):
            dropped += gone
        return dropped
