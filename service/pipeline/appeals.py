"""Appeal: an author asks, once, for a second look at a refused comment.

An appeal is a step of the comment like any other, through `review.lua`: the comment waits again, a
reason in front of the others says why, and the decision that refused it no longer stands. What is
decided then is final.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import Struct

from service.errors import Conflict, NotFound, invalid
from service.pipeline import fields
from service.pipeline.enqueue import told_status
from service.pipeline.reasons import appealed
from service.records import Entry, StoredComment
from service.store import Store, codec
from service.store.decisions import Done, Step

SHORTEST: Final = 10
LONGEST: Final = 1_000
"""Characters of an appeal."""
ATTEMPTS: Final = 5
"""How often an appeal is tried again because its comment changed under it."""
ACTOR: Final = "author"

Standing = Literal["open", "waiting", "granted", "denied"]


class Appealed(Struct, frozen=True):
    """A comment after its appeal; `replayed`: the same appeal was there already."""

    stored: StoredComment
    replayed: bool = False


def standing(stored: StoredComment) -> Standing | None:
    """How a comment's appeal stands, as its author is told; None where there is nothing to appeal.

    Under a shadow ban a refused comment seems to wait, and what waits cannot be appealed.
    """
    status = told_status(stored.status, stored.comment.verdict)
    if not stored.comment.body:
        return None
    if status in ("rejected", "spam"):
        return "denied" if stored.comment.appeal else "open"
    if not stored.comment.appeal or status == "erased":
        return None
    return "waiting" if status == "pending" else "granted"


def check_text(text: str) -> str:
    """An appeal's text as it is kept.

    Raises:
        Invalid: too short, too long, or with control characters.
    """
    try:
        text = fields.body(text, LONGEST)
    except fields.Wrong as wrong:
        raise invalid("/text", wrong.code, wrong.detail) from None
    if len(text) < SHORTEST:
        raise invalid("/text", "too_short", f"{len(text)} characters, {SHORTEST} needed")
    return text


async def appeal(store: Store, stored: StoredComment, text: str, *, now: int) -> Appealed:
    """Puts a refused comment back to the moderators; the same text again is the same appeal.

    Raises:
        Invalid: the text breaks a rule.
        Conflict: there was another appeal, or the comment is not refused.
        NotFound, Unavailable.
    """
    text = check_text(text)
    for _ in range(ATTEMPTS):
        if stored.comment.appeal == text:
            return Appealed(stored, replayed=True)
        _allow(stored)
        outcome = await store.decisions.apply(_step(stored, text, now))
        fresh = await store.comments.read(stored.comment.site, stored.comment.id)
        if fresh is None:
            raise NotFound("No such receipt.")
        if isinstance(outcome, Done):
            return Appealed(fresh, outcome.replayed)
        stored = fresh
    raise Conflict("The comment keeps changing; try again.")


def _allow(stored: StoredComment) -> None:
    if stored.comment.appeal:
        raise Conflict("A comment can be appealed once.", code="already_appealed")
    if standing(stored) != "open":
        raise Conflict("Only a refused comment can be appealed.", code="not_refused")


def _step(stored: StoredComment, text: str, now: int) -> Step:
    comment = stored.comment
    replacement = msgspec.structs.replace(
        comment,
        appeal=text,
        verdict=appealed(comment.verdict),
        submitted_at=now,  # how long it waits counts from here
    )
    entry = Entry(
        version=stored.version + 1,
        at=now,
        actor=ACTOR,
        action="appeal",
        before=stored.status,
        after="pending",
        note=text,
        replaced=codec.encode_comment(comment),
    )
    return Step(
        stored=stored,
        version=stored.version,
        entry=entry,
        event="comment.pending",
        operation=f"appeal {comment.id} {text}",
        request=text,
        replacement=replacement,
    )
