"""Campaigns: pending comments that say nearly the same, whoever sent them.

What comments are compared by is kept with the version it was made from, so that a campaign names
its comments as they were compared: one that was edited since is not decided with it.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from service.ids import Secrets
from service.pipeline.likeness import groups
from service.pipeline.queues import Row, queued
from service.pipeline.score import Scorer
from service.store import Store
from service.store.likeness import Likeness
from service.store.past import Kept

NEWEST: Final = 5000
"""Pending comments that are compared."""
FRESH: Final = 500
"""Of these, how many may be prepared while somebody waits; the worker prepares the rest."""
READ: Final = 100
WORDS: Final = 2000
"""Characters of a text that are compared."""


class Member(Struct, frozen=True):
    """A comment of a campaign, as it was compared."""

    id: str
    version: int


class Campaign(Struct, frozen=True, kw_only=True):
    """Comments that say nearly the same."""

    newest: Row
    members: list[Member]
    """Newest first."""
    authors: int
    networks: int
    """From how many networks they came, where that is known."""


class Found(Struct, frozen=True, kw_only=True):
    """The campaigns among a site's newest pending comments, the largest first."""

    campaigns: list[Campaign]
    compared: int
    waiting: int
    """Comments that are not prepared yet."""


class Campaigns:
    """Finds them."""

    def __init__(self, store: Store, scorer: Scorer, secrets: Secrets) -> None:
        self._store = store
        self._scorer = scorer
        self._key = secrets.subkey("likeness")

    async def of(self, site: str, *, at_least: int, limit: int) -> Found:
        """The largest campaigns of at least so many comments."""
        known = await self._known(site)
        missing = [name for name, like in known.items() if like is None]
        known |= await self._prepared(site, missing[:FRESH])
        found = [(name, like) for name, like in known.items() if like is not None]
        alike = await asyncio.to_thread(groups, [like.simhash for _, like in found])
        largest = sorted((g for g in alike if len(g) >= at_least), key=len, reverse=True)[:limit]
        rows = await queued(self._store, site, [found[group[0]][0] for group in largest])
        newest = {row.stored.comment.id: row for row in rows}
        return Found(
            campaigns=[
                _campaign(newest[found[group[0]][0]], [found[place] for place in group])
                for group in largest
                if found[group[0]][0] in newest
            ],
            compared=len(found),
            waiting=len(known) - len(found),
        )

    async def prepare(self, site: str) -> int:
        """Prepares all of the newest pending comments; how many were new."""
        known = await self._known(site)
        missing = [name for name, like in known.items() if like is None]
        return len(await self._prepared(site, missing))

    async def _known(self, site: str) -> dict[str, Likeness | None]:
        """The newest pending comments, newest first, with what they are compared by."""
        places = await self._store.past.newest(site, NEWEST, ("pending",))
        ids = [place.id for place in places]
        return dict(zip(ids, await self._store.likeness.of(site, ids), strict=True))

    async def _prepared(self, site: str, ids: Sequence[str]) -> dict[str, Likeness]:
        made: dict[str, Likeness] = {}
        for i in range(0, len(ids), READ):
            kept = await self._store.past.comments(site, ids[i : i + READ])
            pending = [each for each in kept if each.status == "pending"]
            cut = await asyncio.to_thread(self._likened, pending)
            await self._store.likeness.keep(site, cut)
            made |= cut
        return made

    def _likened(self, comments: Sequence[Kept]) -> dict[str, Likeness]:
        return {
            each.comment.id: Likeness(
                each.version,
                # An appeal is answered by itself: like nothing, it is in no campaign.
                0 if each.comment.appeal else self._scorer.simhash(each.comment.body[:WORDS]),
                self._named(each.comment.author),
                self._named(_network(each.private.ip)),
            )
            for each in comments
        }

    def _named(self, text: str) -> str:
        """A short keyed hash; empty for nothing."""
        if not text:
            return ""
        digest = hmac.digest(self._key, text.encode(), "sha256")
        return base64.urlsafe_b64encode(digest[:6]).decode()


def _campaign(newest: Row, members: Sequence[tuple[str, Likeness]]) -> Campaign:
    return Campaign(
        newest=newest,
        members=[Member(name, like.version) for name, like in members],
        authors=len({like.author for _, like in members}),
        networks=len({like.network for _, like in members if like.network}),
    )


def _network(ip: str) -> str:
    """The network an address belongs to: what one provider gives to few (IPv4 /24, IPv6 /48)."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
