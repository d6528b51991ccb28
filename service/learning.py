"""Labels of a site, to learn from: what its moderators decided, and feedback from other doors.

A decision says what its site wants, not what a text is: an approved comment counts as neither spam
nor toxic there. A rejection counts only where its reason is one of the classifier's labels, since
comments are rejected for many others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Final

from service.records import STATUS_OF_ACTION, Label, Status, StoredComment
from service.store import Store
from service.store.queues import Position

DECIDED: Final[tuple[Status, ...]] = ("approved", "spam", "rejected")
SLICE: Final = 200
"""Comments read at once."""


async def site_labels(store: Store, site: str, known: Collection[str]) -> AsyncIterator[Label]:
    """Every label of a site; `known` are the labels there are.

    Test comments, erased ones and those that nobody decided are none.
    """
    for status in DECIDED:
        async for stored in _comments(store, site, status):
            label = of_decision(stored, known)
            if label is not None:
                yield label
    async for label in store.labels.all(site):
        yield label


def of_decision(stored: StoredComment, known: Collection[str]) -> Label | None:
    """What the decision that stands on a comment says of its text; None where it says nothing."""
    decision, comment = stored.decision, stored.comment
    if decision is None or comment.test or decision.action not in STATUS_OF_ACTION:
        return None
    match decision.action:
        case "spam":
            labels = {"spam": 1.0}
        case "approve":
            labels = {"spam": 0.0, "toxicity": 0.0}
        case _ if decision.reason in known and decision.reason != "spam":
            labels = {decision.reason: 1.0, "toxicity": 1.0}
        case _:
            return None
    return Label(
        text=comment.body,
        labels=labels,
        source="decision",
        actor=decision.actor,
        at=decision.at,
        language=comment.locale,
    )


async def _comments(store: Store, site: str, status: Status) -> AsyncIterator[StoredComment]:
    after: Position | None = None
    while places := await store.queues.page(site, status, sort="oldest", limit=SLICE, after=after):
        for stored in await store.comments.read_many(site, [place.id for place in places]):
            if stored is not None and stored.status == status:
                yield stored
        after = places[-1]
