"""The server's own figures: memory, disk writes, replicas; for metrics."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any, Final

from msgspec import Struct
from redis.exceptions import ResponseError

from service.store.connect import Wire
from service.store.keys import PROBE

FSYNCS: Final = ("aof-fsync-always", "aof-write-pending-fsync", "aof-write-alone")
"""The events of the server's latency monitor that tell how long a write to disk took."""


class Figures(Struct, frozen=True, kw_only=True):
    """What the server tells of itself."""

    pid: int
    memory_ratio: float
    """Memory used, of the limit; without one, of the machine's. 0: not told."""
    aof_ok: bool
    write_s: float
    """How long one write took that was answered when it was as durable as any."""
    fsync_s: float
    """The last slow write to disk, in seconds; 0: none was slow, or it is not told."""
    replicas: int
    rejected_connections: int


async def read(wire: Wire, now: int) -> Figures:
    """Writes one key, and reads everything else in one round trip.

    Raises:
        Unavailable: the store does not answer.
    """
    began = perf_counter()
    await wire.execute("SET", PROBE, now)
    write_s = perf_counter() - began
    infos, slow = await asyncio.gather(wire.everywhere("INFO"), _slow(wire))
    info = infos[0]
    return Figures(
        pid=int(info.get("process_id", 0)),
        memory_ratio=max(map(_memory_ratio, infos)),
        aof_ok=all(each.get("aof_last_write_status", "ok") == "ok" for each in infos),
        write_s=write_s,
        fsync_s=slow,
        replicas=min(int(each.get("connected_slaves", 0)) for each in infos),
        rejected_connections=sum(int(each.get("rejected_connections", 0)) for each in infos),
    )


def _memory_ratio(info: dict[str, Any]) -> float:
    most = int(info.get("maxmemory", 0)) or int(info.get("total_system_memory", 0))
    return int(info.get("used_memory", 0)) / most if most else 0.0


async def _slow(wire: Wire) -> float:
    """The last slow write to disk; LATENCY LATEST answers rows of name, time, ms, worst ms."""
    try:
        rows: list[Any] = await wire.execute("LATENCY LATEST")
    except ResponseError:
        return 0.0  # hosted servers refuse it
    latest = [(int(row[1]), int(row[2])) for row in rows if row[0].decode() in FSYNCS]
    return max(latest)[1] / 1000 if latest else 0.0
