"""Cards: what a moderator sees of one comment. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from service.pipeline.checks import CHECKS, OUTCOMES, told
from service.pipeline.queues import Row
from service.pipeline.reasons import LABELS, describe
from service.pipeline.score import Explained
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

LABEL_OF: Final = {code: label for label, (code, _) in LABELS.items()}
"""The label behind a reason's code."""
TOLD_WORDS: Final = 5
"""Words that mattered, named at most."""
FAINT: Final = 0.05
"""A share of the margin too small to be told."""
LONG: Final = 500
"""Characters, and below it lines, that certainly fit on a card."""
LINES: Final = 10
EXCERPT: Final = 240
"""Characters of a parent comment."""


class Chip(Struct, frozen=True):
    """One reason, in a few words."""

    code: str
    text: str
    tone: str
    """The outcome it argues for; an appeal has a tone of its own."""
    shadow: bool
    meaning: str


class Score(Struct, frozen=True):
    """One label's score."""

    label: str
    value: float
    word: str


class Word(Struct, frozen=True):
    """A piece of the text that spoke for a label, and how much: its share of the log-odds."""

    text: str
    label: str
    weight: float


class Parent(Struct, frozen=True):
    """The comment that this one answers."""

    id: str
    name: str
    text: str


class Alike(Struct, frozen=True):
    """Near-duplicates that stand behind one card."""

    count: int
    authors: int
    networks: int


class Around(Struct, frozen=True, kw_only=True):
    """What is known around a comment; all of it may be missing."""

    names: Mapping[str, str]
    """The moderators' names by id."""
    me: str = ""
    """Whose own claim is not told."""
    parents: Mapping[str, StoredComment] = {}
    explained: Sequence[Explained] = ()
    alike: Alike | None = None


class Card(Struct, frozen=True, kw_only=True):
    """One comment in a queue."""

    id: str
    site: str
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
    long: bool
    """Whether the text may need scrolling of its own."""
    parent: Parent | None
    appeal: str
    """Why the author wants it looked at again, '' where there was no appeal."""
    scores: list[Score]
    words: list[Word]
    decided: str
    """Who decided what, '' where nobody did."""
    why: str
    """The reason of that decision."""
    decided_at: int
    undoable: bool
    holder: str
    """Who else is looking at it."""
    offered: tuple[str, ...]
    alike: Alike | None
    judged: str
    """What scored it, under which policy."""
    missed: list[str]
    """Which checks did not look, and why."""


def card(row: Row, around: Around) -> Card:
    """A comment's card."""
    stored, record, email = row
    comment, decision, lease = stored.comment, stored.decision, stored.lease
    words = weighed(comment, around.explained)
    held = lease is not None and lease.holder != around.me
    return Card(
        id=comment.id,
        site=comment.site,
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
        body=marked(comment, around.explained),
        long=len(comment.body) > LONG or comment.body.count("\n") > LINES,
        parent=_parent(around.parents.get(comment.parent or "")),
        appeal=comment.appeal,
        scores=scores(comment),
        words=words[:TOLD_WORDS],
        decided=decided(decision, around.names) if decision else "",
        why=decision.reason if decision else "",
        decided_at=decision.at if decision else 0,
        undoable=decision is not None and stored.status != "erased",
        holder=around.names.get(lease.holder, "somebody") if lease and held else "",
        offered=OFFERED[stored.status] if comment.body else (),
        alike=around.alike,
        judged=judged(comment),
        missed=missed(comment),
    )


def judged(comment: Comment) -> str:
    """What scored a comment: `Model 2026.11-1, policy 3`."""
    model, policy = comment.verdict.model, comment.verdict.policy_version
    return f"{f'Model {model}' if model else 'No model'}, policy {policy}"


def missed(comment: Comment) -> list[str]:
    """The checks that should have looked at a comment and did not, each with why."""
    return [
        f"{CHECKS.get(check, check)}: {OUTCOMES.get(why, why).lower()}."
        for check, why in told(comment.verdict).items()
        if why not in ("ran", "off")
    ]


def chip(reason: Reason) -> Chip:
    """A reason as a chip."""
    meaning = describe(reason.code).moderator
    text = reason.detail or meaning
    tone = reason.code if reason.code == "appeal" else reason.outcome
    return Chip(reason.code, text[:1].upper() + text[1:], tone, reason.shadow, meaning)


def marked(comment: Comment, explained: Sequence[Explained] = ()) -> list[Segment]:
    """The body with the words that gave reasons, each with its weight where that is known."""
    by_label = {each.label: each for each in explained}
    spans = []
    for reason in comment.verdict.reasons:
        why = by_label.get(LABEL_OF.get(reason.code, ""))
        for start, end in reason.spans:
            weight = _weight(why, start, end) if why else 0.0
            called = LABELS[why.label][1] if why else ""
            told = f"{called} {weight:+.1f}" if weight >= FAINT else reason.detail
            spans.append(((start, end), told))
    return segments(comment.body, spans)


def weighed(comment: Comment, explained: Sequence[Explained]) -> list[Word]:
    """The words that spoke for a label, the weightiest first."""
    found = [
        Word(" ".join(comment.body[start:end].split()), noun(why.label), weight)
        for why in explained
        for start, end in why.spans
        if (weight := _weight(why, start, end)) >= FAINT
    ]
    return sorted(found, key=lambda each: -each.weight)


def _weight(why: Explained, start: int, end: int) -> float:
    return sum(share for first, last, share in why.tokens if first < end and start < last)


def _parent(stored: StoredComment | None) -> Parent | None:
    if stored is None or stored.status == "erased":
        return None
    text = stored.comment.body
    cut = text if len(text) <= EXCERPT else text[:EXCERPT].rstrip() + "…"
    return Parent(stored.comment.id, stored.comment.name, cut)


def scores(comment: Comment) -> list[Score]:
    """Every label's score, the highest first."""
    found = sorted((comment.scores or {}).items(), key=lambda item: -item[1])
    return [Score(noun(label), value, word(value)) for label, value in found]


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
    known = {"secret": "the website", "admin": "an administrator's key", "author": "the author"}
    return known.get(kind, text)


def winner(stored: StoredComment, names: Mapping[str, str]) -> str:
    """How a comment stands that somebody else was faster with."""
    if stored.decision:
        return decided(stored.decision, names)
    return f"Now {stored.status}"


def noun(label: str) -> str:
    """A label as people call it: `Attack on identity`."""
    called = LABELS[label][1] if label in LABELS else label
    return called[:1].upper() + called[1:]
