"""Whether this process can do its work now: each check by name, at most a second old."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from msgspec import Struct

from service.errors import Unavailable
from service.services import Services
from service.store.connect import RedisError
from service.store.health import DURABILITY
from service.store.pressure import Standing

PROBE_S: Final = 1.0
"""How old a write probe may be (api.md)."""


class Check(Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


class Readiness(Struct, frozen=True):
    """Whether requests should be sent here."""

    ready: bool
    checks: tuple[Check, ...]
    durability: int


def _room(now: Standing) -> tuple[Check, ...]:
    """Whether new comments fit; where they do not, everything else still works, so we are ready."""
    closed = "; new comments are refused"
    memory = f"{now.used or 0:,} of {now.limit or 0:,} bytes used"
    found = [Check("memory", not now.memory_short, memory + closed * now.memory_short)]
    if now.free is not None and now.reserve is not None:
        disk = f"{now.free:,} bytes free, {now.reserve:,} in reserve"
        found.append(Check("disk", not now.disk_short, disk + closed * now.disk_short))
    return tuple(found)


class Probe:
    """The newest write probe of this process, shared by all who ask."""

    def __init__(self) -> None:
        self._at = float("-inf")
        self._failure = ""
        self._lock = asyncio.Lock()

    async def failure(self, parts: Services) -> str:
        """Why the store cannot be written, '' when it can; at most a second old."""
        async with self._lock:
            if time.monotonic() - self._at > PROBE_S:
                await parts.identity.look()
                try:
                    await parts.store.health.probe(parts.now())
                    self._failure = ""
                except (Unavailable, RedisError) as error:
                    self._failure = str(error)
                self._at = time.monotonic()
        return self._failure


def _second_stage(parts: Services) -> tuple[Check, ...]:
    """The optional second stage, where it is on: without it the first stage's scores stand."""
    second = parts.scorer.second
    if second is None:
        return ()
    said = second.version or "not loaded: the first stage's scores stand alone"
    return (Check("second stage", second.encoder is not None, said),)


async def readiness(parts: Services, probe: Probe) -> Readiness:
    """Every check; without a model or full durability Winnow still does its work, and says so."""
    failure = await probe.failure(parts)
    durability = 0
    try:
        durability = 0 if failure else (await parts.store.health.state()).durability
    except Unavailable as error:  # it went within the second the probe is believed
        failure = str(error)
    checks = (
        Check("store", not failure, failure or "written and on disk"),
        Check("data", not parts.identity.problem, parts.identity.problem or "our own"),
        Check("draining", not parts.draining, "stopping" if parts.draining else "no"),
        Check(
            "model",
            parts.scorer.model is not None,
            parts.scorer.version or "none: every comment is held for a human",
        ),
        *_second_stage(parts),
        Check("durability", durability == 2, DURABILITY[durability]),
        *_room(parts.pressure.standing),
    )
    ready = not failure and not parts.draining and not parts.identity.problem
    return Readiness(ready, checks, durability)
