"""Notes that moderators leave on comments for each other: only ever added, encrypted."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from service.errors import Conflict, NotFound
from service.store import codec
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

    def __init__(self, wire: Wire, sealed: codec.Sealed) -> None:
        self._wire = wire
        self._sealed = sealed

    async def add(self, site: str, comment_id: str, note: Note) -> Note:
        """Adds a note; the one of the same id that stands already, where there is one.

        Raises:
            NotFound: the comment is gone.
            Conflict: it has as many notes as it can have.
            Unavailable: the same note may be sent again.
        """
        keys = SiteKeys(site)
        sealed = self._sealed.seal(codec.encode(note), _bound(comment_id, note.id))
        found = await self._wire.script(
            "note",
            [keys.comment(comment_id), keys.notes(comment_id)],
            [note.id, sealed, NOTES_MAX],
        )
        if found == -1:
            raise NotFound("No such comment.")
        if found == -2:
            raise Conflict(f"A comment has {NOTES_MAX} notes at most.")
        return self._open(comment_id, note.id, found) or note

    async def of(self, site: str, comment_id: str) -> list[Note]:
        """A comment's notes, oldest first."""
        rows = await self._wire.execute("HGETALL", SiteKeys(site).notes(comment_id))
        found = [self._open(comment_id, name.decode(), sealed) for name, sealed in rows.items()]
        return sorted((note for note in found if note), key=lambda note: (note.at, note.id))

    def _open(self, comment_id: str, note_id: str, sealed: bytes) -> Note | None:
        opened = self._sealed.open(sealed, _bound(comment_id, note_id))
        return _decode(opened) if opened else None


def _bound(comment_id: str, note_id: str) -> str:
    return f"note {comment_id} {note_id}"
