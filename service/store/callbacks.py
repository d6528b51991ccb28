"""Callbacks: what websites were last told of comments, and who waits to hear of a change.

Kept apart from the comment and sealed under its author's key: a callback holds the key its website
knows us by, and what it knows the comment by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from service.records import Comment
from service.store import author_keys, codec
from service.store.author_keys import AuthorKeys, opened, unopened
from service.store.connect import Wire
from service.store.keys import CALLBACK_S, SiteKeys


class Callback(Struct, array_like=True, kw_only=True):
    """What a website was told of one comment, and what to send it if that changes."""

    url: str
    spam: bool
    waits: bool
    """Told to wait: not spam so far, and not yet decided."""
    if_spam: bytes
    """The body that says the comment is spam, in the website's own words."""
    if_not: bytes
    tries: int = 0
    """Failed attempts to tell the change under way."""


_decode = msgspec.msgpack.Decoder(Callback).decode


class Callbacks:
    """Keeps callbacks and the order in which they are due."""

    def __init__(self, wire: Wire, keys: AuthorKeys) -> None:
        self._wire = wire
        self._keys = keys

    async def keep(self, comment: Comment, callback: Callback) -> None:
        """Keeps what a website was told just now, in place of what it was told before.

        Of a comment that is erased meanwhile nothing is kept.
        """
        site, author = comment.site, comment.author
        key = await self._keys.read(site, author)
        if key is None:
            return
        unwrapped = self._keys.unwrapped(site, author, key)
        if unwrapped is None:
            raise unopened(site)
        keys, bound = SiteKeys(site), author_keys.bound_callback(site, comment.id)
        await self._wire.script(
            "keep_callback",
            [keys.comment(comment.id), keys.author(author), keys.callback(comment.id)],
            [unwrapped.seal(codec.encode(callback), bound), key, CALLBACK_S],
        )

    async def read(self, comment: Comment) -> Callback | None:
        """The callback of a comment; None where it has none, or it is too long ago."""
        site, author = comment.site, comment.author
        sealed, key = await asyncio.gather(
            self._wire.execute("GET", SiteKeys(site).callback(comment.id)),
            self._keys.read(site, author),
        )
        unwrapped = self._keys.unwrapped(site, author, key)
        found = opened(unwrapped, sealed, author_keys.bound_callback(site, comment.id))
        return _decode(found) if found else None

    async def watch(self, site: str, cursor: str) -> None:
        """Begins to look at a site's events behind `cursor`, unless that has begun already."""
        await self._wire.execute("SET", SiteKeys(site).callbacks_cursor(), cursor, "NX")

    async def cursor(self, site: str) -> str | None:
        """The last event that was looked at; None where nothing is watched."""
        row = await self._wire.execute("GET", SiteKeys(site).callbacks_cursor())
        return row.decode() if row else None

    async def note(self, site: str, due: Iterable[tuple[str, int]], cursor: str) -> None:
        """Puts comments among those due, each at its time in ms; then moves the cursor.

        In this order: who is killed in between looks at the same events again.
        """
        keys = SiteKeys(site)
        scores = [part for comment_id, at in due for part in (at, comment_id)]
        if scores:
            await self._wire.execute("ZADD", keys.callbacks_due(), *scores)
        await self._wire.execute("SET", keys.callbacks_cursor(), cursor)

    async def take(self, site: str, *, now: int, until: int, limit: int) -> list[str]:
        """Leases comments that are due until then."""
        rows = await self._wire.script(
            "take_due", [SiteKeys(site).callbacks_due()], [now, until, limit]
        )
        return [row.decode() for row in rows]

    async def settle(
        self, site: str, comment_id: str, *, leased: int, again_at: int | None = None
    ) -> None:
        """Ends a lease: done, or due again at a time; what was asked for meanwhile stays due."""
        await self._wire.script(
            "settle_due",
            [SiteKeys(site).callbacks_due()],
            [comment_id, leased, "" if again_at is None else again_at],
        )
