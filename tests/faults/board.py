"""What the clients of one load share: whose site it is, what may be decided on, when to stop."""

from __future__ import annotations

import asyncio
import random
import time

from tests.faults.plan import source


class Board:
    """Made for one site of one round; counts acknowledgements and the longest time without one."""

    def __init__(self, seed: int, name: str, *, secret: str, publishable: str) -> None:
        self.seed, self.name = seed, name
        self.secret, self.publishable = secret, publishable
        self.stopping = False
        self.submitted = 0
        self.fresh = 0
        """Single comments answered 201 that were not the answer to an earlier request."""
        self.decisions = 0
        """Decisions that were answered: won or lost."""
        self.longest_gap_s = 0.0
        """The longest time in which no comment was acknowledged."""
        self.complaints: list[str] = []
        self._last = time.monotonic()
        self._versions: dict[str, int] = {}
        self._ids: list[str] = []
        self._changed = asyncio.Event()

    def source(self, name: str) -> random.Random:
        """The choices of one client."""
        return source(self.seed, self.name, name)

    def acknowledged(self, count: int) -> None:
        """So many comments were just answered 201."""
        now = time.monotonic()
        self.longest_gap_s = max(self.longest_gap_s, now - self._last)
        self._last = now
        self.submitted += count
        self._changed.set()

    def decided(self, count: int) -> None:
        """So many decisions were just answered."""
        self.decisions += count
        self._changed.set()

    def offer(self, comment: str) -> None:
        """A comment that may be decided on from now on."""
        self._versions[comment] = 1
        self._ids.append(comment)

    def known(self) -> list[str]:
        """Every comment whose id a website was told."""
        return list(self._ids)

    def seen(self, comment: str, version: int) -> None:
        """A comment is at this version at least."""
        self._versions[comment] = max(version, self._versions.get(comment, 1))

    def pick(self, choose: random.Random, count: int) -> list[tuple[str, int]]:
        """New comments to decide on, so that moderators meet; some by a stale version."""
        recent = self._ids[-200:]
        if not recent:
            return []
        chosen = dict.fromkeys(choose.choices(recent, k=count))
        return [(i, max(1, self._versions[i] - (choose.random() < 0.05))) for i in chosen]

    async def wait_for_comments(self) -> None:
        """Returns when there is something new."""
        await self.changed()

    async def changed(self) -> None:
        """Returns when something more was acknowledged, or after a moment."""
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), 0.2)
        except TimeoutError:
            return

    async def more(self, count: int, timeout_s: float = 300.0) -> float:
        """Waits for so many further acknowledgements; seconds it took, counted from now.

        Raises:
            TimeoutError: they did not come.
        """
        began, wanted = time.monotonic(), self.submitted + count
        async with asyncio.timeout(timeout_s):
            while self.submitted < wanted:
                await self.changed()
        return time.monotonic() - began

    def complain(self, what: str) -> None:
        """Notes an answer that no fault excuses."""
        if len(self.complaints) < 100:
            self.complaints.append(what)
