"""Subject: everything that is held about one author of a site, for that person to read.

Comments in every state with all their versions, decisions and the notes about them; addresses and
IPs in the open. What is not the author's own words says whose it is. Nothing here is meant for
publication.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from service.records import Comment, Entry
from service.store import Store, codec
from service.store.past import Kept

SLICE = 100
_encode = msgspec.json.Encoder().encode


async def held(store: Store, site: str, author: str) -> AsyncIterator[bytes]:
    """Lines of JSON, each with its `kind`: one `author`, one for each `comment`, an `erasure`.

    Comments of an author that is erased are not among them: nobody can tell whose they were.
    """
    ((record, email),) = await store.comments.authors(site, [author])
    configuration = await store.sites.configuration(site)
    bans = [b for b in (configuration.bans if configuration else ()) if b.value == author]
    yield _line(
        "author",
        site=site,
        author=author,
        email=email,
        counts=msgspec.to_builtins(record),
        bans=[msgspec.to_builtins(ban) for ban in bans],
    )
    for start in range(0, len(ids := await store.erasures.everything(site, author)), SLICE):
        kept = await store.past.comments(site, ids[start : start + SLICE])
        for text in await asyncio.gather(*(_comment(store, each) for each in kept)):
            yield text
    erasure = await store.erasures.read(site, author)
    if erasure is not None:
        yield _line("erasure", **msgspec.structs.asdict(erasure))


async def _comment(store: Store, kept: Kept) -> bytes:
    comment = kept.comment
    history, notes, callback = await asyncio.gather(
        store.decisions.history(comment.site, comment.id),
        store.notes.of(comment),
        store.callbacks.read(comment),
    )
    return _line(
        "comment",
        status=kept.status,
        version=kept.version,
        comment=_said(comment),
        private=msgspec.to_builtins(kept.private),
        history=[_step(entry) for entry in history],
        notes_by_moderators=[msgspec.to_builtins(note) for note in notes],
        website_waits_for_changes=callback is not None,
    )


def _step(entry: Entry) -> dict[str, Any]:
    """A step of a comment's history; an edit or an appeal with the version it replaced."""
    told: dict[str, Any] = msgspec.to_builtins(
        msgspec.structs.replace(entry, replaced=b"", displaced=None)
    )
    if entry.replaced:
        told["replaced"] = _said(codec.decode_comment(entry.replaced))
    return told


def _said(comment: Comment) -> dict[str, Any]:
    """A version of a comment by the names of its fields, with what the machine made of it."""
    return {name: msgspec.to_builtins(getattr(comment, name)) for name in comment.__struct_fields__}


def _line(kind: str, **fields: Any) -> bytes:
    return _encode({"kind": kind, **fields}) + b"\n"
