"""Clients that write for ever and keep a ledger of what was acknowledged, and when."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from service.errors import Unavailable
from service.records import Comment, Site
from service.store import Store
from service.store.decisions import Done, Lost
from tests.store.builders import NOW, build, decided, put


async def approved(store: Store, comment: Comment) -> Done | Lost:
    """Approves a comment, again where nobody has decided on it.

    A master that hung may show, until it hears that another took its place, a decision that it
    never confirmed; whoever decides on that is told what is really there (409), and does it again.
    """
    done = await decided(store, comment, "approve")
    while isinstance(done, Lost) and done.status == "pending":
        done = await decided(store, comment, "approve")
    return done


class Ledger:
    """What clients of several sites were told."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, list[str]] = {}
        self.decided: dict[str, list[str]] = {}
        self.times: dict[str, list[float]] = {}
        self.refused = 0
        self.other: list[BaseException] = []
        """Failures that are no bounded 503; there must be none."""

    def count(self, site: str = "") -> int:
        """How many submissions were acknowledged, in all or of one site."""
        sites = [site] if site else list(self.acknowledged)
        return sum(len(self.acknowledged.get(name, ())) for name in sites)

    def longest_gap_s(self, site: str) -> float:
        """The longest time between two acknowledgements of a site."""
        times = self.times[site]
        return max(b - a for a, b in itertools.pairwise(times))

    async def reach(self, more: int, site: str = "", timeout_s: float = 60) -> None:
        """Returns once that many further submissions were acknowledged."""
        wanted = self.count(site) + more
        async with asyncio.timeout(timeout_s):
            while self.count(site) < wanted:
                assert not self.other, self.other
                await asyncio.sleep(0.02)

    async def _client(self, store: Store, site: Site, version: int) -> None:
        loop = asyncio.get_running_loop()
        acknowledged = self.acknowledged.setdefault(site.id, [])
        while True:
            comment = build(site, at=NOW)
            await self._sure(lambda comment=comment: put(store, comment, version))  # type: ignore[misc]
            acknowledged.append(comment.id)
            self.times.setdefault(site.id, []).append(loop.time())
            if len(acknowledged) % 4 == 0:
                done = await self._sure(lambda comment=comment: approved(store, comment))  # type: ignore[misc]
                assert isinstance(done, Done), done
                self.decided.setdefault(site.id, []).append(comment.id)

    async def _sure(self, write: Callable[[], Any]) -> Any:
        """Writes until it is acknowledged, with the same ids each time, as a client does."""
        while True:
            try:
                return await write()
            except Unavailable:
                self.refused += 1
                await asyncio.sleep(0.1)

    @asynccontextmanager
    async def writing(
        self, store: Store, sites: list[tuple[Site, int]], clients: int = 4
    ) -> AsyncIterator[Ledger]:
        """Clients of each site at work for as long as the block lasts."""
        tasks = [
            asyncio.create_task(self._client(store, site, version))
            for site, version in sites
            for _ in range(clients)
        ]
        for task in tasks:
            task.add_done_callback(self._ended)
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.other.append(error)

    async def lost(self, store: Store) -> list[str]:
        """Acknowledged comments that are not there, and decisions that do not stand."""
        missing = []
        for site, ids in self.acknowledged.items():
            found = await store.comments.read_many(site, ids)
            missing += [i for i, stored in zip(ids, found, strict=True) if stored is None]
        for site, ids in self.decided.items():
            found = await store.comments.read_many(site, ids)
            missing += [
                f"{i}: undecided"
                for i, stored in zip(ids, found, strict=True)
                if stored is None or stored.status != "approved"
            ]
        return missing
