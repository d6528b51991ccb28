"""Verify: checks once an hour that all stored data agree; slowly, so that nobody notices."""

from __future__ import annotations

import asyncio
from typing import Final

from service import log, metrics
from service.services import Services
from service.store.checking import check
from service.store.keys import CHECKING, CHECKING_S

LOOK_S: Final = 300.0
"""How often a worker asks whether it is time."""
PAUSE_S: Final = 0.05
"""Between two slices of 200 keys: at most some 4,000 keys a second."""
LOGGED: Final = 20
"""Violations of one round that are logged by name; `winnow verify` names more."""


class Verifier:
    """The round: takes long where there is much, so it is given up when the worker stops."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping

    async def verify(self, services: Services) -> None:
        """Checks everything, unless some worker began to less than an hour ago."""
        wire = services.store.wire
        if not await wire.execute("SET", CHECKING, services.now(), "NX", "EX", CHECKING_S):
            return
        checking = asyncio.create_task(verify(services))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({checking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            given_up = not checking.done()
            stopping.cancel()
            while not checking.done():
                checking.cancel()
                await asyncio.wait({checking}, timeout=1)
        if given_up:
            await wire.execute("UNLINK", CHECKING)
        else:
            checking.result()


async def verify(services: Services, *, pause_s: float = PAUSE_S) -> None:
    """Checks everything now, and tells metrics and log."""
    found = await check(services.store, pause_s=pause_s)
    count = sum(one.violations for one in found)
    metrics.VIOLATIONS.inc(count)
    metrics.CHECKED_AT.set(services.now() / 1000)
    if count:
        named = [f"{one.site or 'registries'}: {each}" for one in found for each in one.named]
        log.get("verify").error("data_disagree", violations=count, named=named[:LOGGED])
