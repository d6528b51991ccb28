"""The checker: reads whole sites and says what does not agree with what.

Independent of the scripts that write: it derives from each comment alone where it must stand, what
its author's counters, the outbox and the audit must say, and compares. It may run while the service
works. It needs some 80 bytes of memory a comment, for digests of what must be found elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from service.records import QUEUES
from service.store import Store
from service.store.checking import comments, others, queues, registries, steps
from service.store.checking.looking import (
    Findings,
    Judge,
    Kinds,
    Looking,
    bulk,
    glob,
    judged,
    lasting,
    scan,
)
from service.store.keys import SiteKeys

JUDGES: Final[dict[str, Judge]] = {
    "comment": comments.judge,
    "history": comments.judge_histories,
    "notes": comments.judge_notes,
    "idempotency": comments.judge_idempotency,
    "author": comments.judge_authors,
    "page": comments.judge_pages,
    "erasure": others.judge_erasures,
    "webhook": others.judge_endpoints,
}
"""What is judged key by key, by the method of `SiteKeys` that spells it; queues come afterwards."""
QUEUE_KINDS: Final = ("queue", "by_page", "by_author", "by_reason", "tests_by")
INSTALLATION: Final = ""
"""Stands for what belongs to no site in a report."""


class Checked(Struct, frozen=True):
    """What the checker found on one site."""

    site: str
    violations: int
    named: tuple[str, ...]
    """The first thousand."""
    counts: dict[str, int]
    """Comments by status, as the queues hold them now."""


async def violations(store: Store, site: str, *, pause_s: float = 0.0) -> list[str]:
    """What is wrong with a site's data; empty when nothing is.

    Args:
        store: open, of a running service or not.
        site: its id.
        pause_s: seconds to leave the store alone after each slice.

    Raises:
        Unavailable: the store went away.
    """
    return list((await check(store, [site], pause_s=pause_s))[0].named)


async def check(
    store: Store,
    sites: Sequence[str] = (),
    *,
    pause_s: float = 0.0,
    seen: Callable[[int], None] | None = None,
) -> list[Checked]:
    """Checks the named sites, or all and the registries across them: one result each.

    The result for `INSTALLATION` comes last, where all are checked.

    Args:
        store: open.
        sites: ids; none for all.
        pause_s: seconds to leave the store alone after each slice.
        seen: told how many keys were looked at so far.

    Raises:
        Unavailable: the store went away.
    """
    numbers = await registries.numbers(store.wire)
    lookings = {
        site: Looking(store.wire, site, numbers.get(site), pause_s) for site in sites or numbers
    }
    walk = _Walk(store, lookings, pause_s, seen)
    await walk.run(list(sites))
    found = [await _checked(store, site, looking.findings) for site, looking in lookings.items()]
    if not sites:
        across = Findings()
        across.add(sorted(await lasting(lambda: registries.look(store.wire, walk.sites))))
        found.append(Checked(INSTALLATION, across.count, tuple(across.listed()), {}))
    return found


class _Walk:
    """One way through all keys, and a second one through the queues."""

    def __init__(
        self,
        store: Store,
        lookings: dict[str, Looking],
        pause_s: float,
        seen: Callable[[int], None] | None,
    ) -> None:
        self._store, self._lookings, self._pause_s = store, lookings, pause_s
        self._told = seen
        self._kinds = Kinds()
        self._looked = 0
        self.sites: set[str] = set()
        """Those that have keys."""

    async def run(self, sites: list[str]) -> None:
        wire = self._store.wire
        for looking in self._lookings.values():
            for name, key in (("events", looking.keys.events()), ("audit", looking.keys.audit())):
                looking.steps[name] = await steps.open_stream(wire, key)
        prefixes = [SiteKeys(site).prefix() for site in sites] or [SiteKeys("").prefix()[:3]]
        for prefix in prefixes:
            async for names in scan(wire, glob(prefix)):
                await self._look(names, JUDGES)
        places = {site: queues.Places(looking) for site, looking in self._lookings.items()}

        async def judge_queues(looking: Looking, names: list[str]) -> None:
            await places[looking.keys.site].judge(looking, names)

        judges: dict[str, Judge] = dict.fromkeys(QUEUE_KINDS, judge_queues)
        for prefix in prefixes:
            async for names in scan(wire, glob(prefix)):
                await self._look(names, judges)
                await self._look(names, {"by_author": queues.judge_author_queues})
        for looking in self._lookings.values():
            await steps.judge(looking)
            await others.judge(looking)

    async def _look(self, names: list[str], judges: dict[str, Judge]) -> None:
        """Judges a slice of keys, each site's and kind's together."""
        groups: dict[tuple[str, str], list[str]] = {}
        for name in names:
            site, rest = self._kinds.site_of(name) or ("", "")
            looking = self._lookings.get(site)
            self.sites |= {site} - {""}
            kind = self._kinds.of(rest) if looking else None
            if looking and kind is None and judges is JUDGES:
                looking.findings.add([f"{name}: no part of Winnow writes such a key"])
            if kind in judges:
                groups.setdefault((site, str(kind)), []).append(name)
        for (site, kind), group in groups.items():
            await judged(self._lookings[site], group, self._kinds.types[kind], judges[kind])
        self._looked += len(names)
        if self._told:
            self._told(self._looked)
        for site in {site for site, _ in groups}:
            await self._lookings[site].rest()


async def _checked(store: Store, site: str, findings: Findings) -> Checked:
    keys = SiteKeys(site)
    cards = await bulk(store.wire, [("ZCARD", keys.queue(status)) for status in QUEUES])
    counts = {str(status): int(card) for status, card in zip(QUEUES, cards, strict=True)}
    return Checked(site, findings.count, tuple(findings.listed()), counts)


__all__ = ["INSTALLATION", "Checked", "check", "violations"]
