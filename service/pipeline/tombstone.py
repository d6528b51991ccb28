"""Tombstones: what is left of a comment without its text and its person, and when. Pure.

An erased comment keeps its place in the thread: its id, its page, what it answers and when. One
that was kept long enough keeps its status and the codes of its reasons, too, so that every count
stays.
"""

from __future__ import annotations

from typing import Final, Literal

from service.records import Comment, Reason, Retention, Status, Verdict

DAY_MS: Final = 86_400_000
REFUSED: Final[tuple[Status, ...]] = ("rejected", "spam")

Due = Literal["text", "private", "nothing"]


def tombstone(comment: Comment, *, erased: bool) -> Comment:
    """A comment with nothing in it that anybody wrote, or that tells who did.

    Args:
        comment: as it stands.
        erased: its author is erased; otherwise it was kept long enough, and goes on counting.
    """
    verdict = comment.verdict
    reasons = () if erased else tuple(Reason(r.code, "", shadow=r.shadow) for r in verdict.reasons)
    return Comment(
        id=comment.id,
        site=comment.site,
        page=comment.page,
        author="" if erased else comment.author,
        name="",
        body="",
        created_at=comment.created_at,
        submitted_at=comment.submitted_at,
        parent=comment.parent,
        test=comment.test,
        imported=comment.imported,
        verdict=Verdict(
            outcome=verdict.outcome,
            reasons=reasons,
            policy_version=verdict.policy_version,
            model=verdict.model,
            priority=verdict.priority,
            hidden=verdict.hidden,
        ),
    )


def texts_of(comment: Comment, replaced: tuple[Comment, ...]) -> tuple[str, ...]:
    """Every text a comment had, each once."""
    return tuple(dict.fromkeys(each.body for each in (comment, *replaced) if each.body))


def due(
    comment: Comment,
    status: Status,
    *,
    decided_at: int | None,
    private: bool,
    rule: Retention,
    now: int,
) -> Due:
    """What of a comment was kept long enough.

    Args:
        comment: as it stands.
        status: where it stands.
        decided_at: when a human decided on it, ms.
        private: whether it is still known where it came from.
        rule: how long its site keeps what.
        now: ms.
    """
    days, since = None, max(comment.submitted_at, comment.edited_at or 0, decided_at or 0)
    if status in REFUSED:
        days = rule.refused_days
    elif status == "approved":
        days = rule.approved_days
    if comment.body and over(days, since, now):
        return "text"
    return (
        "private" if private and over(rule.private_days, comment.submitted_at, now) else "nothing"
    )


def over(days: int | None, since: int, now: int) -> bool:
    """Whether something was kept for so many days; None = for ever."""
    return days is not None and since < now - days * DAY_MS


def cutoff(rule: Retention, status: Status, now: int) -> int | None:
    """Nothing of a status is due that was written after this, in ms; None = nothing ever is."""
    kept = [rule.private_days]
    if status in REFUSED:
        kept.append(rule.refused_days)
    if status == "approved":
        kept.append(rule.approved_days)
    days = [each for each in kept if each is not None]
    return now - min(days) * DAY_MS if days else None
