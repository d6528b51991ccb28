"""Whether there is room for more comments: on the disk and in the store's memory.

Looked at each second by every web process, so that intake asks a flag. Refusing new comments in
time keeps the room that decisions, erasures and reads need; those go on.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

from msgspec import Struct
from redis.exceptions import RedisError

from service import log, metrics
from service.errors import Unavailable
from service.store import disk, memory
from service.store.disk import Room
from service.store.health import Health

LOOK_S: Final = 1.0
SOFT: Final = 0.85
"""Of the store's memory; the rest is for decisions, erasures and what they need meanwhile."""
EASED: Final = 0.83
"""Of it, below which intake opens again."""
RETRY_S: Final = 30
"""When a refused sender shall come back: space is rarely found faster."""


class Standing(Struct, frozen=True):
    """What was found at the last look."""

    free: int | None = None
    """Bytes free on the data folder's disk; None where the store is elsewhere."""
    reserve: int | None = None
    used: int | None = None
    """Bytes the store uses; None before it answered once."""
    limit: int | None = None
    """Bytes it may use."""
    disk_short: bool = False
    memory_short: bool = False


class Pressure:
    """What this process knows of the room that is left."""

    def __init__(self, health: Health, home: Path | None, margin: int | None) -> None:
        """`home` is the data folder, None where the store is elsewhere; `margin` as in `disk`."""
        self._health = health
        self._home = home
        self._margin = margin
        self.standing = Standing()
        self._looked_at = float("-inf")

    def admit(self) -> None:
        """Let a new comment in.

        Raises:
            Unavailable: the disk or the store's memory is nearly full; nothing was stored.
        """
        if self.standing.disk_short or self.standing.memory_short:
            what = "disk" if self.standing.disk_short else "memory"
            metrics.INTAKE_CLOSED.labels(what).inc()
            raise Unavailable(
                f"The service is nearly out of {what} and takes no new comments; try again later.",
                retry_after_s=RETRY_S,
            )

    async def look_and_admit(self) -> None:
        """Let some more in where nobody watches all the time; raises as `admit`."""
        if time.monotonic() - self._looked_at >= LOOK_S:
            self._looked_at = time.monotonic()
            await self.look()
        self.admit()

    async def watch(self) -> None:
        """Look each second, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Look once, and tell in the log what changed."""
        before = self.standing
        found = self._room()
        used, limit = await self._memory()
        self.standing = now = Standing(
            free=found.free if found else None,
            reserve=found.reserve if found else None,
            used=used,
            limit=limit,
            disk_short=_short(found, before.disk_short),
            memory_short=_full(used, limit, before.memory_short),
        )
        if now.disk_short != before.disk_short:
            _tell("disk", now.disk_short, free=now.free, reserve=now.reserve)
        if now.memory_short != before.memory_short:
            _tell("memory", now.memory_short, used=now.used, limit=now.limit)

    def _room(self) -> Room | None:
        if self._home is None:
            return None
        try:
            return disk.room(self._home, self._margin)
        except OSError:
            return None

    async def _memory(self) -> tuple[int | None, int | None]:
        """Bytes used and the most there may be: the store's own limit, else the machine's."""
        try:
            found = await self._health.memory()
        except (Unavailable, RedisError):  # as at the last look: readiness tells of the store
            return self.standing.used, self.standing.limit
        if found.limit:
            return found.used, found.limit
        return found.resident, (memory.available() if self._home else 0) or found.machine


def _short(found: Room | None, before: bool) -> bool:
    if found is None:
        return False
    return not found.ample if before else found.short


def _full(used: int | None, limit: int | None, before: bool) -> bool:
    if not used or not limit:
        return False
    return used >= limit * (EASED if before else SOFT)


def _tell(what: str, short: bool, **figures: int | None) -> None:
    if short:
        log.get("pressure").error("intake closed", short_of=what, **figures)
    else:
        log.get("pressure").info("intake open", enough=what, **figures)
