"""Pages: what is known of the article a thread belongs to."""

from __future__ import annotations

from msgspec import Struct

from service.ids import short_hash
from service.store.connect import Wire
from service.store.keys import SiteKeys


class Page(Struct, frozen=True):
    """A page as its comments made it known."""

    url: str
    title: str
    first_at: int | None
    """When its first comment came, ms."""
    revision: int
    """Rises with every change of the published thread."""


class Pages:
    """Reads pages."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def read(self, site: str, url: str) -> Page:
        """A page's record; an unknown page is an empty one."""
        key = SiteKeys(site).page(short_hash(url))
        title, first_at, revision = await self._wire.execute(
            "HMGET", key, "title", "first_at", "rev"
        )
        return Page(
            url=url,
            title=(title or b"").decode(),
            first_at=int(first_at) if first_at else None,
            revision=int(revision or 0),
        )
