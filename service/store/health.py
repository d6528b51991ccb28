"""Whether the store can be written, how full it is, and what it promises about durability."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from msgspec import Struct

from service.store.connect import Wire
from service.store.durability import LEVELS, level, servers
from service.store.keys import BOOTSTRAPPED, PROBE

DURABILITY: Final = LEVELS


class State(Struct, frozen=True):
    """How the server stands."""

    version: str
    used_memory: int
    max_memory: int
    aof_ok: bool
    durability: int


class Memory(Struct, frozen=True):
    """The server's memory, in bytes; 0 where it does not tell."""

    used: int
    resident: int
    limit: int
    machine: int


class Health:
    """Probes the server."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def probe(self, now: int) -> None:
        """Writes one key; answers only when it is as durable as a comment would be.

        Raises:
            Unavailable: the store cannot be written.
        """
        await asyncio.gather(self._wire.execute("SET", PROBE, now), self._wire.everywhere("PING"))

    async def state(self) -> State:
        """The servers' figures and settings; what they do not tell counts as not promised."""
        found = await servers(self._wire)
        limits = [server.max_memory for server in found]
        topology = self._wire.topology
        return State(
            version=found[0].shown_version,
            used_memory=sum(server.used_memory for server in found),
            max_memory=sum(limits) if all(limits) else 0,
            aof_ok=all(server.aof_ok for server in found),
            durability=level(found, topology.confirmation, replicated=topology.replicated),
        )

    async def memory(self) -> Memory:
        """The server's memory; of several masters, that of the fullest.

        Raises:
            Unavailable: one does not answer.
        """
        info = max(await self._wire.everywhere("INFO", "memory"), key=_fullness)
        return Memory(
            used=int(info.get("used_memory", 0)),
            resident=int(info.get("used_memory_rss", 0)),
            limit=int(info.get("maxmemory", 0)),
            machine=int(info.get("total_system_memory", 0)),
        )

    async def bootstrapped(self) -> bool:
        """Whether this data set has its first keys."""
        return bool(await self._wire.execute("EXISTS", BOOTSTRAPPED))

    async def mark_bootstrapped(self) -> None:
        """Notes that the first keys are made."""
        await self._wire.execute("SET", BOOTSTRAPPED, "1")


def _fullness(info: dict[str, Any]) -> float:
    limit = int(info.get("maxmemory", 0)) or int(info.get("total_system_memory", 0))
    return int(info.get("used_memory", 0)) / limit if limit else 0.0
