"""Whether the store can be written, how full it is, and what it promises about durability."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from msgspec import Struct
from redis.exceptions import ResponseError

from service.store.connect import Wire
from service.store.keys import BOOTSTRAPPED, PROBE

DURABILITY: Final[tuple[str, ...]] = (
    "acknowledged comments may be lost when the server stops",
    "acknowledged comments may be lost when the server crashes",
    "an acknowledged comment is on disk",
)
"""What each durability level (0, 1, 2) means."""


class State(Struct, frozen=True):
    """How the server stands."""

    version: str
    used_memory: int
    max_memory: int
    aof_ok: bool
    durability: int


class Health:
    """Probes the server."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def probe(self, now: int) -> None:
        """Writes one key; answers only when it is as durable as a comment would be.

        Raises:
            Unavailable: the store cannot be written.
        """
        await self._wire.execute("SET", PROBE, now)

    async def state(self) -> State:
        """The server's figures and settings; what it does not tell counts as not promised."""
        info, config = await asyncio.gather(
            self._wire.execute("INFO"), self._config(), return_exceptions=False
        )
        return State(
            version=str(info.get("valkey_version") or info.get("redis_version", "")),
            used_memory=int(info.get("used_memory", 0)),
            max_memory=int(info.get("maxmemory", 0)),
            aof_ok=info.get("aof_last_write_status", "ok") == "ok",
            durability=_durability(config),
        )

    async def _config(self) -> dict[str, str]:
        rows: dict[Any, Any] = {}
        try:
            for name in ("appendonly", "appendfsync"):
                rows |= await self._wire.execute("CONFIG GET", name)
        except ResponseError:
            return {}  # hosted servers refuse CONFIG; what is not told is not promised
        return {_text(key): _text(value) for key, value in rows.items()}

    async def bootstrapped(self) -> bool:
        """Whether this data set has its first keys."""
        return bool(await self._wire.execute("EXISTS", BOOTSTRAPPED))

    async def mark_bootstrapped(self) -> None:
        """Notes that the first keys are made."""
        await self._wire.execute("SET", BOOTSTRAPPED, "1")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _durability(config: dict[str, str]) -> int:
    if config.get("appendonly") != "yes":
        return 0
    return 2 if config.get("appendfsync") == "always" else 1
