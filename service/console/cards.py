"""Cards: what a moderator sees of one comment. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from service.pipeline.queues import Row
from service.pipeline.reasons import LABELS, describe
from service.pipeline.shown import Segment, masked, segments
from service.records import AuthorRecord, Comment, Entry, Reason, Status, StoredComment

WORDS: Final = ((0.7, "Likely"), (0.35, "Maybe"), (0.0, "Unlikely"))
"""From which score on a label is called so."""

DONE: Final[dict[str, str]] = {
    "approve": "Approved",
    "reject": "Rejected",
    "spam": "Marked as spam",
    "undo": "Put back",
}
"""What is said of each action afterwards."""

OFFERED: Final[dict[Status, tuple[str, ...]]] = {
    "pending": ("approve", "reject", "spam"),
    "approved": ("reject", "spam"),
    "rejected": ("approve", "spam"),
    "spam": ("approve", "reject"),
    "erased": (),
}
"""The buttons of a comment: those that would change something."""


class Chip(Struct, frozen=True):
    """One reason, in a few words."""

    code: str
    text: str
    tone: str
    """The outcome it argues for."""
    shadow: bool
    meaning: str


class Score(Struct, frozen=True):
    """One label's score."""

    label: str
    value: float
    word: str


class Card(Struct, frozen=True, kw_only=True):
    """One comment in a queue."""

    id: str
    version: int
    status: Status
    name: str
    url: str
    email: str
    author: str
    record: AuthorRecord
    page: str
    page_title: str
    link: str
    """The page's address where it can be opened, else ''."""
    at: int
    edited: bool
    test: bool
    chips: list[Chip]
    body: list[Segment]
    scores: list[Score]
    decided: str
    """Who decided what, '' where nobody did."""
    decided_at: int
    undoable: bool
    holder: str
    """Who else is looking at it."""
    offered: tuple[str, ...]


def card(row: Row, names: Mapping[str, str]) -> Card:
    """A comment's card; `names` are the moderators' by id."""
    stored, record, email = row
    comment = stored.comment
    return Card(
        id=comment.id,
        version=stored.version,
        status=stored.status,
        name=comment.name,
        url=comment.url,
        email=masked(email),
        author=comment.author,
        record=record,
        page=comment.page,
        page_title=comment.page_title,
        link=comment.page if comment.page.startswith(("http://", "https://")) else "",
        at=comment.submitted_at or comment.created_at,
        edited=comment.edited_at is not None,
        test=comment.test,
        chips=[chip(reason) for reason in comment.verdict.reasons],
        body=marked(comment),
        scores=scores(comment),
        decided=decided(stored.decision, names) if stored.decision else "",
        decided_at=stored.decision.at if stored.decision else 0,
        undoable=stored.decision is not None and stored.status != "erased",
        holder=names.get(stored.lease.holder, "somebody") if stored.lease else "",
        offered=OFFERED[stored.status],
    )


def chip(reason: Reason) -> Chip:
    """A reason as a chip."""
    meaning = describe(reason.code).moderator
    text = reason.detail or meaning
    return Chip(reason.code, text[:1].upper() + text[1:], reason.outcome, reason.shadow, meaning)


def marked(comment: Comment) -> list[Segment]:
    """The body with the words that gave reasons."""
    return segments(
        comment.body,
        [(span, reason.detail) for reason in comment.verdict.reasons for span in reason.spans],
    )


def scores(comment: Comment) -> list[Score]:
    """Every label's score, the highest first."""
    found = sorted((comment.scores or {}).items(), key=lambda item: -item[1])
    return [Score(_noun(label), value, word(value)) for label, value in found]


def word(value: float) -> str:
    """A score in a word."""
    return next(name for least, name in WORDS if value >= least)


def decided(entry: Entry, names: Mapping[str, str]) -> str:
    """What was decided and by whom: `Approved by Dana`."""
    return f"{DONE.get(entry.action, entry.action)} by {actor(entry.actor, names)}"


def actor(text: str, names: Mapping[str, str]) -> str:
    """An actor of the history as people call them."""
    kind, _, name = text.partition(":")
    if kind == "personal":
        return names.get(name, "a former moderator")
    return {"secret": "the website", "admin": "an administrator's key"}.get(kind, text)


def winner(stored: StoredComment, names: Mapping[str, str]) -> str:
    """How a comment stands that somebody else was faster with."""
    if stored.decision:
        return decided(stored.decision, names)
    return f"Now {stored.status}"


def _noun(label: str) -> str:
    noun = LABELS[label][1] if label in LABELS else label
    return noun[:1].upper() + noun[1:]
