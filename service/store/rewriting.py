"""Rewriting the append-only file: what was erased stands in its old part until that is done.

The server keeps every write in the file until it writes the file anew. So after erasures it is
asked to, at most once an hour and only while no erasure is under way.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from redis.exceptions import ResponseError

from service.errors import Unavailable
from service.store.connect import Wire
from service.store.keys import REWRITE_PAUSE, REWRITE_WANTED

PAUSE_S: Final = 3600
TRY_AGAIN_S: Final = 600
"""How long others wait for a rewrite under way, and after one that failed."""
POLL_S: Final = 0.25


class RewriteRefused(Exception):
    """The server does not rewrite its file for us; `str(error)` is what it said."""


class Rewrites:
    """Asks the server to write its append-only file anew."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def wanted(self) -> int:
        """How many erasures the file was not rewritten after."""
        return int(await self._wire.execute("GET", REWRITE_WANTED) or 0)

    async def rewrite(self, *, pause_s: int = PAUSE_S) -> bool:
        """Rewrites the file if that is wanted and nobody did within the pause.

        Call it while no erasure is under way.

        Returns:
            Whether it was rewritten: no byte of what was erased before is in it any more.

        Raises:
            RewriteRefused: the server does not do it for this user, or failed.
            Unavailable: the server is away; the next call tries again.
        """
        wanted = await self.wanted()
        if not wanted or not await self._turn():
            return False
        await self._write_anew()
        # Not to zero: an erasure that began meanwhile wants one more.
        await self._wire.execute("DECRBY", REWRITE_WANTED, wanted, again=False)
        if pause_s:
            await self._wire.execute("SET", REWRITE_PAUSE, "1", "EX", pause_s)
        else:
            await self._wire.execute("DEL", REWRITE_PAUSE)
        return True

    async def _turn(self) -> bool:
        """Whether it is this worker's to do; the others stay away for a while."""
        return bool(await self._wire.execute("SET", REWRITE_PAUSE, "1", "NX", "EX", TRY_AGAIN_S))

    async def _write_anew(self) -> None:
        deadline = asyncio.get_running_loop().time() + TRY_AGAIN_S
        state = await self._state()
        if not int(state.get("aof_enabled", 0)):
            return  # there is no such file
        while not await self._begun():  # one that began earlier may hold what is erased now
            await self._poll(deadline)
        while True:
            state = await self._state()
            busy = int(state.get("aof_rewrite_in_progress", 0))
            if not busy and not int(state.get("aof_rewrite_scheduled", 0)):
                break
            await self._poll(deadline)
        if state.get("aof_last_bgrewrite_status") != "ok":
            raise RewriteRefused("the rewrite failed; see the server's log")

    async def _begun(self) -> bool:
        try:
            await self._wire.everywhere("BGREWRITEAOF")
        except ResponseError as error:
            if "already in progress" in str(error):
                return False
            raise RewriteRefused(str(error)) from None
        return True

    async def _poll(self, deadline: float) -> None:
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable("The server still rewrites its file.")
        await asyncio.sleep(POLL_S)

    async def _state(self) -> dict[str, Any]:
        """What the masters say of their files: busy while one is, well if all are."""
        found = await self._wire.everywhere("INFO", "persistence")
        bad = [row for row in found if row.get("aof_last_bgrewrite_status") != "ok"]
        state = dict(bad[0] if bad else found[0])
        for name in ("aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled"):
            state[name] = max(int(row.get(name, 0)) for row in found)
        return state
