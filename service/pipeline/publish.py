"""Publish: the approved thread of a page, with nothing in it that a reader may not see."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from service import tracing
from service.records import Comment
from service.store import Store
from service.store.queues import Filter, Position

Order = Literal["oldest", "newest"]
"""Which comments of a thread come first."""


class Published(Struct, frozen=True, kw_only=True):
    """One comment as everybody may read it."""

    id: str
    name: str
    url: str | None
    body: str
    created_at: int
    edited_at: int | None
    parent: str | None


class Thread(Struct, frozen=True):
    """One page of a thread."""

    items: list[Published]
    next: Position | None


class Publisher:
    """Reads threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def thread(
        self,
        site: str,
        url: str,
        *,
        after: Position | None,
        limit: int,
        order: Order = "oldest",
    ) -> Thread:
        """The next `limit` approved comments of a page behind `after`."""
        with tracing.stage("publish"):
            places = await self._store.queues.page(
                site,
                "approved",
                sort=order,
                limit=limit + 1,
                narrowed=Filter(page=url),
                after=after,
            )
            more = len(places) > limit
            places = places[:limit]
            return Thread(await self._published(site, places), places[-1] if more else None)

    async def latest(self, site: str, url: str, *, limit: int) -> list[Published]:
        """The newest approved comments of a page, newest first."""
        with tracing.stage("publish"):
            places = await self._store.queues.page(
                site, "approved", sort="newest", limit=limit, narrowed=Filter(page=url)
            )
            return await self._published(site, places)

    async def _published(self, site: str, places: list[Position]) -> list[Published]:
        stored = await self._store.comments.read_many(site, [place.id for place in places])
        return [
            published(s.comment) for s in stored if s and s.status == "approved" and s.comment.body
        ]


def published(comment: Comment) -> Published:
    """What readers see of a comment: never an address, a hash of one, an IP or a score."""
    return Published(
        id=comment.id,
        name=comment.name,
        url=comment.url or None,
        body=comment.body,
        created_at=comment.created_at,
        edited_at=comment.edited_at,
        parent=comment.parent,
    )
