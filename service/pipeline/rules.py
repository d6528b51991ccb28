"""Each site's rules as this process holds them: configuration and compiled word lists, by version.

A verdict made under an old version is refused by `submit.lua`, so what is held here may be late but
never wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from service.errors import NotFound
from service.pipeline.words import CompiledLists, compile_lists
from service.records import Ban, Policy, Site
from service.store import Store

FRESH_S = 1.0
"""How long a site's configuration is used without asking for its version."""


class Rules(Struct, frozen=True):
    """What one site's comments are decided under."""

    site: Site
    policy: Policy
    bans: tuple[Ban, ...]
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
        self.no_lists = compile_lists(Policy(), fold)
        """For texts that belong to no site."""

    def forget(self, site: str) -> None:
        """Drops what is held of a site."""
        self._held.pop(site, None)

    async def get(self, site: str) -> Rules:
        """A site's rules, at most a second late.

        Raises:
            NotFound: there is no such site.
        """
        held = self._held.get(site)
        if held and self._monotonic() - held[1] < FRESH_S:
            return held[0]
        return await self.refresh(site)

    async def refresh(self, site: str) -> Rules:
        """A site's rules as they are now.

        Raises:
            NotFound: there is no such site.
        """
        configuration = await self._store.sites.configuration(site)
        if configuration is None:
            self._held.pop(site, None)
            raise NotFound(f"No site {site!r}.")
        held = self._held.get(site)
        if held and held[0].version == configuration.version:
            rules = held[0]
        else:
            rules = Rules(
                site=configuration.site,
                policy=configuration.policy,
                bans=configuration.bans,
                lists=compile_lists(configuration.policy, self._fold),
                version=configuration.version,
            )
        self._held[site] = rules, self._monotonic()
        return rules
