"""What pending comments are compared by, kept so that a campaign is found without reading them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from service.store import codec
from service.store.connect import Wire
from service.store.keys import SiteKeys

SLICE: Final = 500


class Likeness(Struct, frozen=True):
    """One version of a comment."""

    version: int
    simhash: int
    author: str
    """Names its author, and no more."""
    network: str
    """Names the network it came from, and no more; empty where that is not known."""


class Likenesses:
    """Keeps and reads them."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def of(self, site: str, ids: Sequence[str]) -> list[Likeness | None]:
        """In the order asked; None where there is none yet."""
        key, found = SiteKeys(site).likeness(), list[Likeness | None]()
        for rows in await asyncio.gather(
            *(
                self._wire.execute("HMGET", key, *ids[i : i + SLICE])
                for i in range(0, len(ids), SLICE)
            )
        ):
            found += [_read(row) if row else None for row in rows]
        return found

    async def keep(self, site: str, found: Mapping[str, Likeness]) -> None:
        """Keeps those of comments that are pending and of that version still; 500 at most."""
        keys = SiteKeys(site)
        packed = codec.encode([(n, like.version, _written(like)) for n, like in found.items()])
        comments = [keys.comment(name) for name in found]
        await self._wire.script("liken", [keys.likeness(), *comments], [packed])

    async def count(self, site: str) -> int:
        """How many comments of a site have one."""
        return int(await self._wire.execute("HLEN", SiteKeys(site).likeness()))


def _written(like: Likeness) -> str:
    return f"{like.version} {like.simhash:x} {like.author} {like.network}"


def _read(row: bytes) -> Likeness:
    version, simhash, author, network = row.decode().split(" ")
    return Likeness(int(version), int(simhash, 16), author, network)
