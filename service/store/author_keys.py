"""Per-author keys: what is personal is sealed under a key of its author, so that losing it erases.

Every author of a site has 32 random bytes of their own; they stand in the author's record, wrapped
with AES-256-GCM under a sub-key of the installation's secret. Whoever seals or opens reads the
wrapped key in the same moment: no process holds a key past the record it was read from, so nothing
can be opened any more, nor sealed, once the record lost it. Unwrapping takes some 3 µs, so no
unwrapped key is kept.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import Final

from service.errors import Unavailable
from service.store.codec import Sealed
from service.store.connect import Wire
from service.store.keys import SiteKeys

FIELD: Final = "key"
"""Of an author's record: the wrapped key."""
KEY_BYTES: Final = 32
ATTEMPTS: Final = 4
"""How often something is sealed again because its author's key changed meanwhile."""


class AuthorKeys:
    """Makes, reads and unwraps the keys of authors."""

    def __init__(self, wire: Wire, wrapping: bytes) -> None:
        """Ready to work.

        Args:
            wire: where authors are.
            wrapping: 32 bytes, what the keys are wrapped under.
        """
        self._wire = wire
        self._wrapping = Sealed(wrapping)

    def new(self, site: str, author: str) -> tuple[bytes, Sealed]:
        """A new key, wrapped, and what it seals with: nothing is stored."""
        key = os.urandom(KEY_BYTES)
        return self._wrapping.seal(key, _bound(site, author)), Sealed(key)

    def unwrapped(self, site: str, author: str, wrapped: bytes | None) -> Sealed | None:
        """What a wrapped key opens with; None where there is none, or it is of another secret."""
        key = self._wrapping.open(wrapped, _bound(site, author)) if wrapped else None
        return Sealed(key) if key and len(key) == KEY_BYTES else None

    async def read(self, site: str, author: str) -> bytes | None:
        """An author's wrapped key as it stands; None where the author is new or erased."""
        found: bytes | None = await self._wire.execute("HGET", SiteKeys(site).author(author), FIELD)
        return found

    async def of(self, site: str, authors: Iterable[str]) -> dict[str, Sealed | None]:
        """What the keys of some authors open with, in one round trip."""
        names = list(dict.fromkeys(authors))
        rows = await asyncio.gather(*(self.read(site, name) for name in names))
        return {
            name: self.unwrapped(site, name, row) for name, row in zip(names, rows, strict=True)
        }


def opened(sealed: Sealed | None, data: bytes | None, bound_to: str) -> bytes | None:
    """What was sealed; None where there is nothing, or the key is gone or another."""
    return sealed.open(data, bound_to) if sealed and data else None


def unopened(site: str) -> Unavailable:
    """The error for a key that was wrapped under another secret: nothing may be sealed with it."""
    return Unavailable(f"The key of an author of {site!r} is of another WINNOW_SECRET.")


def _bound(site: str, author: str) -> str:
    return f"author {site} {author}"


# What sealed things are bound to: the place they stand in, so that none can be moved elsewhere.


def bound_email(site: str, author: str) -> str:
    """An author's address."""
    return f"email {site} {author}"


def bound_private(site: str, comment_id: str) -> str:
    """Where a comment came from."""
    return f"private {site} {comment_id}"


def bound_note(site: str, comment_id: str, note_id: str) -> str:
    """A note on a comment."""
    return f"note {site} {comment_id} {note_id}"


def bound_callback(site: str, comment_id: str) -> str:
    """Where a website wants to hear of a comment's change."""
    return f"callback {site} {comment_id}"
