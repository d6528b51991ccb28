"""Each site's rules as this process holds them: policy, word lists and bans, compiled by version.

A verdict made under an old version is refused by `submit.lua`, so what is held here may be late but
never wrong.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from msgspec import Struct

from service.errors import NotFound
from service.pipeline.bans import CompiledBans
from service.pipeline.words import CompiledLists, compile_lists
from service.records import Policy, Site
from service.store import Store
from service.store.sites import Configuration

FRESH_S = 1.0
"""How long a site's configuration is used without asking for its version."""


class Rules(Struct, frozen=True):
    """What one site's comments are decided under."""

    site: Site
    policy: Policy
    bans: CompiledBans
    lists: CompiledLists
    version: int


class RuleBook:
    """The rules of all sites this process has met."""

    def __init__(
        self,
        store: Store,
        fold: Callable[[str], str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._fold = fold
        self._monotonic = monotonic
        self._held: dict[str, tuple[Rules, float]] = {}
        self._under_way: dict[str, asyncio.Task[Rules]] = {}
        self.no_lists = compile_lists(Policy(), fold)
        """For texts that belong to no site."""

    def forget(self, site: str) -> None:
        """Drops what is held of a site."""
        self._held.pop(site, None)

    def last_known(self, site: str) -> Rules | None:
        """A site's rules as this process last read them, while the store is away."""
        held = self._held.get(site)
        return held[0] if held else None

    async def get(self, site: str) -> Rules:
        """A site's rules, at most a second late.

        Raises:
            NotFound: there is no such site.
        """
        held = self._held.get(site)
        if held and self._monotonic() - held[1] < FRESH_S:
            return held[0]
        return await self._shared(site)

    async def refresh(self, site: str) -> Rules:
        """A site's rules as they are now.

        Raises:
            NotFound: there is no such site.
        """
        earlier = self._under_way.get(site)
        if earlier is not None:
            # It may have read before the change that the caller knows of; the next one has not.
            await asyncio.wait({earlier})
        return await self._shared(site)

    async def _shared(self, site: str) -> Rules:
        """What the refresh under way finds; begins one if there is none."""
        task = self._under_way.get(site)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load(site))
            self._under_way[site] = task
            task.add_done_callback(lambda done: self._loaded(site, done))
        return await asyncio.shield(task)

    def _loaded(self, site: str, task: asyncio.Task[Rules]) -> None:
        if self._under_way.get(site) is task:
            del self._under_way[site]
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody may have

    async def _load(self, site: str) -> Rules:
        asked_at = self._monotonic()
        held, _ = self._held.get(site, (None, 0.0))
        found = await self._store.sites.newer(site, held.version if held else 0)
        if found is None:
            self._held.pop(site, None)
            raise NotFound(f"No site {site!r}.")
        if isinstance(found, Configuration):
            rules = await asyncio.to_thread(self._compiled, found, held)
        elif held is not None:
            rules = held
        else:
            raise AssertionError("only a version that is held can be current")
        self._held[site] = rules, asked_at
        return rules

    def _compiled(self, found: Configuration, held: Rules | None) -> Rules:
        """Rules of a new version; may take a tenth of a second, so it runs beside the loop."""
        same = held is not None and held.policy == found.policy
        lists = held.lists if held and same else compile_lists(found.policy, self._fold)
        return Rules(
            site=found.site,
            policy=found.policy,
            bans=CompiledBans(found.bans),
            lists=lists,
            version=found.version,
        )
