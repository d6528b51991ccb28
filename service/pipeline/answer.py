"""Answer: is it spam? For websites that ask nothing else, from a verdict or how a comment stands.

Pure. Such a website knows two answers; a comment that waits for a moderator for other reasons is
none so far.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from service.pipeline.reasons import counting
from service.records import Outcome, Status, StoredComment, Verdict

SURE: Final = 0.99
"""From this spam score on a comment may be thrown away unseen."""
TRAPPED: Final = ("ban", "signal.honeypot")
"""Reasons for which a refused comment may be, too; a reason continues one after a dot."""

_REFUSED: Final[tuple[Status, ...]] = ("rejected", "spam")
_REFUSING: Final[tuple[Outcome, ...]] = ("reject", "spam")


class Answer(Struct, frozen=True):
    """What a website is told."""

    spam: bool
    sure: bool = False
    """Spam that nobody need ever see."""
    waits: bool = False
    """Not spam so far: a moderator has yet to decide."""


def of_verdict(verdict: Verdict, scores: dict[str, float] | None) -> Answer:
    """From a verdict alone: refused, or a spam score at which the policy holds."""
    spam = verdict.outcome in _REFUSING or _reads_as_spam(verdict)
    return Answer(spam, sure=spam and _is_sure(verdict, scores))


def of_standing(stored: StoredComment) -> Answer:
    """From how a comment stands; what a human decided is never thrown away."""
    verdict, scores = stored.comment.verdict, stored.comment.scores
    if stored.status == "pending":
        spam = _reads_as_spam(verdict)
        return Answer(spam, waits=not spam)
    spam = stored.status in _REFUSED
    return Answer(spam, sure=spam and stored.decision is None and _is_sure(verdict, scores))


def _reads_as_spam(verdict: Verdict) -> bool:
    return any(reason.code == "spam" for reason in counting(verdict.reasons))


def _is_sure(verdict: Verdict, scores: dict[str, float] | None) -> bool:
    if (scores or {}).get("spam", 0.0) >= SURE:
        return True
    codes = [r.code for r in counting(verdict.reasons) if r.outcome in _REFUSING]
    return any(f"{code}.".startswith(f"{known}.") for code in codes for known in TRAPPED)
