"""Flow: what arrived and was decided hour by hour, and how long the pending queue was meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from math import log2
from typing import Final

from msgspec import Struct

from service.records import QUEUES, Status
from service.store.comments import HOUR_MS
from service.store.connect import Wire
from service.store.keys import BAND, STATS_S, SiteKeys

MARK_MS: Final = 300_000
"""How far two samples of the queue are apart."""
SIZES: Final = 4
"""Sizes of waits to a doubling: a wait is known to 19 %, in some ninety counters at most."""
_WAITED: Final = "waited_"
_DEPTH: Final = "depth_"


class Depth(Struct, frozen=True):
    """The pending queue at one moment."""

    at: int
    pending: int
    oldest_at: int | None


class Hour(Struct, frozen=True, kw_only=True):
    """One hour of a site."""

    at: int
    """When it began."""
    submitted: int
    held: int
    decided: int
    submitted_as: dict[Status, int]
    """Where the machine put what came."""
    decided_as: dict[Status, int]
    """Where people put what they decided."""
    p50_ms: int | None
    p95_ms: int | None
    """Times from submission to a human's decision, of the decisions of this hour."""
    depths: tuple[Depth, ...]


class Flows:
    """Reads the hours, and samples the queue."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def hours(self, site: str, now: int, count: int) -> list[Hour]:
        """The last hours, oldest first; the last one is not over yet."""
        keys, last = SiteKeys(site), now // HOUR_MS
        wanted = range(last - count + 1, last + 1)
        rows = await asyncio.gather(
            *(self._wire.execute("HGETALL", keys.stats(hour)) for hour in wanted)
        )
        return [_hour(hour * HOUR_MS, row) for hour, row in zip(wanted, rows, strict=True)]

    async def sample(self, site: str, now: int) -> None:
        """Notes how long the pending queue is, once for each five-minute mark."""
        keys = SiteKeys(site)
        stats, mark = keys.stats(now // HOUR_MS), now % HOUR_MS // MARK_MS
        if await self._wire.execute("HEXISTS", stats, f"{_DEPTH}{mark}"):
            return
        queue = keys.queue("pending")
        pending, oldest = await asyncio.gather(
            self._wire.execute("ZCARD", queue),
            self._wire.script("page", [queue], ["oldest", 1, "", ""]),
        )
        at = int(oldest[1]) % BAND if oldest else ""
        await asyncio.gather(
            self._wire.execute("HSETNX", stats, f"{_DEPTH}{mark}", f"{pending} {at}"),
            self._wire.execute("EXPIRE", stats, STATS_S),
        )


def waited(ms: int) -> str:
    """What counts a wait of this length: its size on a logarithmic scale."""
    return f"{_WAITED}{int(SIZES * log2(1 + max(0, ms) / 1000))}"


def _length_ms(size: int) -> int:
    """How long a wait of a size was: the middle of what it may have been."""
    return round(1000 * (2 ** ((size + 0.5) / SIZES) - 1))


def quantile(waits: Mapping[int, int], share: float) -> int | None:
    """The wait that this share of all waits did not exceed, in ms; None without any."""
    left = share * sum(waits.values())
    for size in sorted(waits):
        left -= waits[size]
        if left <= 0:
            return _length_ms(size)
    return None


def _hour(at: int, row: Mapping[bytes, bytes]) -> Hour:
    said = {name.decode(): value for name, value in row.items()}

    def count(name: str) -> int:
        return int(said.get(name, 0))

    def numbered(prefix: str) -> dict[int, bytes]:
        return {int(n[len(prefix) :]): said[n] for n in said if n.startswith(prefix)}

    waits = {size: int(number) for size, number in numbered(_WAITED).items()}
    return Hour(
        at=at,
        submitted=count("submitted"),
        held=count("held"),
        decided=count("decided"),
        submitted_as={status: count(f"submitted_{status}") for status in QUEUES},
        decided_as={status: count(f"decided_{status}") for status in QUEUES if status != "pending"},
        p50_ms=quantile(waits, 0.5),
        p95_ms=quantile(waits, 0.95),
        depths=tuple(
            _depth(at + mark * MARK_MS, value) for mark, value in sorted(numbered(_DEPTH).items())
        ),
    )


def _depth(at: int, value: bytes) -> Depth:
    pending, _, oldest = value.decode().partition(" ")
    return Depth(at, int(pending), int(oldest) if oldest else None)
