"""Notes on comments: what moderators tell each other; authors and websites never see them."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, post
from msgspec import Meta, Struct

from service.api import answers
from service.api.document import Operation
from service.api.requests import Req, caller, operation, read_json, services
from service.errors import Conflict, NotFound, invalid
from service.ids import random_id, short_hash
from service.store.notes import Note


class NoteIn(Struct, forbid_unknown_fields=True):
    """A new note."""

    text: Annotated[str, Meta(min_length=1, max_length=2000)]


class NoteOut(Struct, kw_only=True):
    """A note on a comment."""

    id: str
    at: str
    by: str
    text: str


@post(
    "/v1/comments/{comment_id:str}/notes",
    opt={
        "operation": Operation(
            summary="Leave a note on a comment",
            scope="decide",
            body=NoteIn,
            answers={201: NoteOut},
            problems=(400, 401, 403, 404, 409, 415, 422, 503),
            headers=("Idempotency-Key",),
            tag="Moderators",
            description="Notes are for moderators, in the comment's history; they are only ever "
            "added, and change no version.",
        )
    },
)
async def add_note(request: Req, comment_id: str) -> Response[bytes]:
    """Leave a note on a comment."""
    parts = services(request)
    credential = await caller(request, "decide")
    site = await parts.gate.site_of(comment_id, credential)
    asked = await read_json(request, NoteIn)
    text = asked.text.strip()
    if not text:
        raise invalid("/text", "empty", "a note says something")
    key = operation(request, credential)
    name = short_hash(f"{key} {text}") if key else random_id(16)
    stored = await parts.store.comments.read(site, comment_id)
    if stored is None:
        raise NotFound("No such comment.")
    if stored.status == "erased":
        raise Conflict("The comment is erased.")
    note = Note(id=name, at=parts.now(), actor=credential.actor, text=text)
    added = await parts.store.notes.add(stored.comment, note)
    return answers.answer(note_out(added), status=201)


def note_out(note: Note) -> NoteOut:
    """A note as moderators see it."""
    return NoteOut(id=note.id, at=answers.iso(note.at), by=note.actor, text=note.text)


ROUTES = (add_note,)
