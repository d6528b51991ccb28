"""Notes that moderators leave on comments for each other: only ever added, and encrypted under the
key of the comment's author, whom they are about."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import Struct

from service.errors import Conflict, NotFound
from service.records import Comment
from service.store import author_keys, codec
from service.store.author_keys import AuthorKeys, opened, unopened
from service.store.codec import Sealed
from service.store.connect import Wire
from service.store.keys import SiteKeys

NOTES_MAX = 100
"""Notes of one comment at most."""


class Note(Struct, array_like=True, kw_only=True):
    """What somebody wrote of a comment."""

    id: str
    at: int
    actor: str
    text: str


_decode = msgspec.msgpack.Decoder(Note).decode


class Notes:
    """Adds and reads notes."""

    def __init__(self, wire: Wire, keys: AuthorKeys) -> None:
        self._wire = wire
        self._keys = keys

    async def add(self, comment: Comment, note: Note) -> Note:
        """Adds a note; the one of the same id that stands already, where there is one.

        Raises:
            NotFound: the comment is gone.
            Conflict: it is erased, or has as many notes as it can have.
            Unavailable: the same note may be sent again.
        """
        keys, bound = SiteKeys(comment.site), _bound(comment, note.id)
        key = await self._keys.read(comment.site, comment.author)
        if key is None:
            raise _erased()
        unwrapped = self._keys.unwrapped(comment.site, comment.author, key)
        if unwrapped is None:
            raise unopened(comment.site)
        found = await self._wire.script(
            "note",
            [keys.comment(comment.id), keys.notes(comment.id), keys.author(comment.author)],
            [note.id, unwrapped.seal(codec.encode(note), bound), NOTES_MAX, key],
        )
        if found == -1:
            raise NotFound("No such comment.")
        if found == -2:
            raise Conflict(f"A comment has {NOTES_MAX} notes at most.")
        if found == -3:
            raise _erased()
        return _opened(unwrapped, comment, note.id, found) or note

    async def of(self, comment: Comment) -> list[Note]:
        """A comment's notes, oldest first."""
        rows, key = await asyncio.gather(
            self._wire.execute("HGETALL", SiteKeys(comment.site).notes(comment.id)),
            self._keys.read(comment.site, comment.author),
        )
        unwrapped = self._keys.unwrapped(comment.site, comment.author, key)
        found = [_opened(unwrapped, comment, name.decode(), row) for name, row in rows.items()]
        return sorted((note for note in found if note), key=lambda note: (note.at, note.id))


def _opened(unwrapped: Sealed | None, comment: Comment, note_id: str, row: bytes) -> Note | None:
    found = opened(unwrapped, row, _bound(comment, note_id))
    return _decode(found) if found else None


def _bound(comment: Comment, note_id: str) -> str:
    return author_keys.bound_note(comment.site, comment.id, note_id)


def _erased() -> Conflict:
    return Conflict("The comment is erased.")
