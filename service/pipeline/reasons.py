"""Every reason a verdict may give: what its author is told, what moderators are told, how urgent.

A reason's code is a key of `REASONS` or continues one after a dot (`signal.links` continues
`signal`); `describe` finds the entry. Receipts, the console and the documentation read this table.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from service.records import STATUS_OF_OUTCOME, Reason, Status, Verdict


class ReasonText(NamedTuple):
    """What a reason code means."""

    moderator: str
    """For moderators and the documentation."""
    priority: int
    """Place in the queue, 0 (look at this first) to 9; a verdict takes its most urgent reason's."""
    public: str = ""
    """For the author; empty = only what `TOLD` says, so that nobody learns to evade a rule."""


LABELS: Final[dict[str, tuple[str, str]]] = {
    "spam": ("spam", "spam"),
    "toxicity": ("toxicity", "toxic"),
    "severe_toxicity": ("toxicity.severe_toxicity", "severely toxic"),
    "identity_attack": ("toxicity.identity_attack", "attack on identity"),
    "insult": ("toxicity.insult", "insult"),
    "profanity": ("toxicity.profanity", "profanity"),
    "threat": ("toxicity.threat", "threat"),
    "sexually_explicit": ("toxicity.sexually_explicit", "sexually explicit"),
}
"""The classifier's labels: reason code, and how a detail calls it."""

REASONS: Final[dict[str, ReasonText]] = {
    "toxicity.threat": ReasonText("Reads like a threat", 0),
    "toxicity.severe_toxicity": ReasonText("Reads like severe abuse", 0),
    "toxicity.identity_attack": ReasonText("Reads like an attack on a group of people", 1),
    "check.unavailable": ReasonText("No model could look at this comment", 2),
    "check.timeout": ReasonText("The checks took too long on this comment", 2),
    "toxicity.sexually_explicit": ReasonText("Reads as sexually explicit", 2),
    "appeal": ReasonText(
        "The author asks for a second look", 3, "A moderator will look at your comment again."
    ),
    "toxicity.insult": ReasonText("Reads like an insult", 3),
    "toxicity": ReasonText("Reads as rude or hurtful", 3),
    "list.block": ReasonText("Holds words of the block list", 3),
    "list.pattern": ReasonText("Matches one of the site's patterns", 3),
    "toxicity.profanity": ReasonText("Holds swear words", 4),
    "check.second_stage": ReasonText("The second stage could not look at this comment", 4),
    "author.rejection_rate": ReasonText("Most recent comments of this author were refused", 4),
    "signal": ReasonText("Something about the comment stands out", 5),
    "spam": ReasonText("Reads like spam", 5),
    "links.too_many": ReasonText("Holds more links than allowed", 5),
    "text.repeated": ReasonText("The same text was posted before", 5),
    "email.disposable": ReasonText("The e-mail address is of a throw-away service", 6),
    "ban": ReasonText("The author, address, domain or network is banned", 7),
    "author.first": ReasonText(
        "No comment of this author was approved yet",
        8,
        "A first comment is read by a moderator before it appears.",
    ),
    "author.new": ReasonText(
        "Few comments of this author were approved yet",
        8,
        "First comments are read by a moderator before they appear.",
    ),
    "page.closed": ReasonText(
        "The page is closed to new comments", 9, "Comments on this page are closed."
    ),
}
"""Every reason code; ordered by priority."""

TOLD: Final[dict[Status, str]] = {
    "approved": "Your comment is published.",
    "pending": "A moderator will read your comment before it appears.",
    "spam": "Your comment was not published.",
    "rejected": "Your comment was not published.",
    "erased": "Your comment was erased.",
}
"""What an author is told where the reason itself stays with the moderators."""

DECIDED: Final[dict[str, str]] = {
    "spam": "A moderator found that it is spam.",
    "toxicity": "A moderator found it rude or hurtful.",
    "severe_toxicity": "A moderator found it abusive.",
    "identity_attack": "A moderator found that it attacks a group of people.",
    "insult": "A moderator found that it insults somebody.",
    "profanity": "A moderator found that it swears.",
    "threat": "A moderator found that it threatens somebody.",
    "sexually_explicit": "A moderator found it sexually explicit.",
}
"""What an author is told where a moderator gave a label as the reason; other words stand as
they are."""

QUIET_SCORE: Final = 0.2
"""A comment held only for its author's sake, with every score below this, can wait the longest."""


def describe(code: str) -> ReasonText:
    """The entry of a reason code, or of the longest code it continues."""
    while code not in REASONS and "." in code:
        code = code.rpartition(".")[0]
    return REASONS.get(code, REASONS["signal"])


def public_reason(verdict: Verdict, status: Status | None = None) -> str:
    """A polite sentence for the author.

    Args:
        verdict: the machine's verdict.
        status: the status its author is told; None = what follows from the verdict. Where a human
            decided otherwise, or under a shadow ban, no reason of the verdict is told.
    """
    concluded = STATUS_OF_OUTCOME[verdict.outcome]
    told = status or ("pending" if verdict.hidden else concluded)
    if verdict.hidden or told != concluded:
        return TOLD[told]
    texts = [describe(r.code) for r in counting(verdict.reasons) if r.outcome == verdict.outcome]
    first = min(texts, key=lambda text: text.priority, default=None)
    return (first and first.public) or TOLD[told]


def counting(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """The reasons that make the verdict; not those that only say what a rule would have done."""
    return tuple(reason for reason in reasons if not reason.shadow)


def appealed(verdict: Verdict) -> Verdict:
    """The verdict on a comment whose author appeals: that comes first among the reasons."""
    reason = Reason("appeal", "Appeal")
    urgency = min(verdict.priority, describe("appeal").priority)
    return msgspec.structs.replace(verdict, reasons=(reason, *verdict.reasons), priority=urgency)


def priority(reasons: tuple[Reason, ...], scores: dict[str, float] | None) -> int:
    """Where in the queue: the most urgent reason's place, quiet newcomers last."""
    places = [describe(reason.code).priority for reason in reasons]
    place = min(places, default=9)
    quiet = scores is not None and all(score < QUIET_SCORE for score in scores.values())
    return 9 if place == 8 and quiet else place
