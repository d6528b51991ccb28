"""Moving comments in and out: JSON lines, one comment each, with everything that belongs to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct

from service.records import QUEUES, StoredComment
from service.store import Store
from service.store.queues import Position

CHUNK = 200


class Line(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One comment as it travels; times are ms since the epoch."""

    id: str = ""
    page: str
    name: str
    email: str
    body: str
    status: str = "pending"
    created_at: int | None = None
    page_title: str = ""
    parent: str | None = None
    url: str = ""
    ip: str = ""
    user_agent: str = ""
    referrer: str = ""
    locale: str = ""
    metadata: dict[str, object] = {}
    test: bool = False
    version: int = 1
    decided_by: str = ""
    decided_at: int | None = None
    reason: str = ""


_encode = msgspec.json.Encoder().encode


async def export(store: Store, site: str) -> AsyncIterator[bytes]:
    """Every comment of a site as a line of JSON, status by status, oldest first."""
    for status in QUEUES:
        after: Position | None = None
        while True:
            places = await store.queues.page(
                site, status, sort="oldest", limit=CHUNK, after=after
            )
            for line in await _lines(store, site, [place.id for place in places]):
                yield _encode(line) + b"\n"
            if len(places) < CHUNK:
                break
            after = places[-1]


async def _lines(store: Store, site: str, ids: list[str]) -> list[Line]:
    found = [stored for stored in await store.comments.read_many(site, ids) if stored]
    authors = await store.comments.authors(site, [stored.comment.author for stored in found])
    return [
        await _line(store, stored, email)
        for stored, (_, email) in zip(found, authors, strict=True)
    ]


async def _line(store: Store, stored: StoredComment, email: str) -> Line:
    comment, decision = stored.comment, stored.decision
    private = await store.comments.private(comment.site, comment.id)
    return Line(
        id=comment.id,
        page=comment.page,
        name=comment.name,
        email=email,
        body=comment.body,
        status=stored.status,
        created_at=comment.created_at,
        page_title=comment.page_title,
        parent=comment.parent,
        url=comment.url,
        ip=private.ip,
        user_agent=private.user_agent,
        referrer=private.referrer,
        locale=comment.locale,
        metadata=comment.metadata,
        test=comment.test,
        version=stored.version,
        decided_by=decision.actor if decision else "",
        decided_at=decision.at if decision else None,
        reason=decision.reason if decision else "",
    )
