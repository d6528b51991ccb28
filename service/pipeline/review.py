"""Review: what humans conclude, and the way back. The version decides who was first."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from service import metrics, tracing
from service.errors import Conflict, NotFound, StaleVersion
from service.ids import random_id
from service.records import STATUS_OF_ACTION, Action, Entry, Status, StoredComment
from service.store import Store
from service.store.decisions import Done, Lost, Step


class Decision(Struct, frozen=True, kw_only=True):
    """What a moderator asks for."""

    id: str
    action: Action
    version: int
    reason: str = ""
    note: str = ""
    part_of: str = ""
    """The operation on many comments that this is a part of."""


class Reviewed(Struct, frozen=True):
    """How a comment stands after a decision or its undo."""

    id: str
    status: Status
    version: int
    entry: Entry
    replayed: bool = False


class Review:
    """The way in for decisions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def decide(
        self, site: str, decision: Decision, *, actor: str, operation: str | None, now: int
    ) -> Reviewed:
        """Applies one decision, once.

        Raises:
            NotFound: no such comment on this site.
            StaleVersion: somebody decided first; carries their decision.
            Conflict: the comment is erased.
            IdempotencyMismatch, Unavailable.
        """
        stored = await self._read(site, decision.id)
        entry = Entry(
            version=decision.version + 1,
            at=now,
            actor=actor,
            action=decision.action,
            before=stored.status,
            after=STATUS_OF_ACTION[decision.action],
            reason=decision.reason,
            note=decision.note,
            operation=decision.part_of,
            displaced=_alone(stored.decision),
        )
        step = Step(
            stored=stored,
            version=decision.version,
            entry=entry,
            event=f"comment.{entry.after}",
            operation=operation or random_id(),
            request=f"{decision.id} {decision.action} {decision.version} {decision.reason}",
            decision=entry,
            human=True,
        )
        reviewed = await self._apply(step)
        if not reviewed.replayed:
            metrics.DECISIONS.labels(decision.action, _source(actor, decision.part_of)).inc()
        return reviewed

    async def undo(
        self,
        site: str,
        comment_id: str,
        version: int,
        *,
        actor: str,
        operation: str | None,
        now: int,
    ) -> Reviewed:
        """Puts a comment back to where it was before its last decision, as a new version.

        Raises:
            NotFound: no such comment on this site.
            StaleVersion: somebody changed it first.
            Conflict: there is no decision to undo.
        """
        stored = await self._read(site, comment_id)
        standing = standing_decisions(await self._store.decisions.history(site, comment_id))
        entry, earlier = _undo_entry(stored, version, standing, actor, now)
        reviewed = await self._apply(
            Step(
                stored=stored,
                version=version,
                entry=entry,
                event=f"comment.{entry.after}",
                operation=operation or random_id(),
                request=f"{comment_id} undo {version}",
                decision=earlier,
                human=True,
            )
        )
        if not reviewed.replayed:
            metrics.DECISIONS.labels("undo", _source(actor)).inc()
        return reviewed

    async def _read(self, site: str, comment_id: str) -> StoredComment:
        stored = await self._store.comments.read(site, comment_id)
        if stored is None:
            raise NotFound("No such comment.")
        if stored.status == "erased":
            raise Conflict("The comment is erased.")
        if not stored.comment.body:
            raise Conflict("Its text was taken out: it had been kept as long as the site wants.")
        return stored

    async def _apply(self, step: Step) -> Reviewed:
        with tracing.stage("review"):
            outcome = await self._store.decisions.apply(step)
        if isinstance(outcome, Lost):
            metrics.DECISION_CONFLICTS.inc()
            raise stale(outcome)
        if not outcome.replayed and step.human and step.stored.status == "pending":
            waited_ms = step.entry.at - step.stored.comment.submitted_at
            metrics.TIME_TO_DECIDE.observe(max(0, waited_ms) / 1000)
        return Reviewed(
            step.stored.comment.id,
            outcome.entry.after,
            outcome.version,
            outcome.entry,
            outcome.replayed,
        )


def _source(actor: str, part_of: str = "") -> str:
    """Through what a decision came: `Credential.actor` begins with the kind of key."""
    if part_of:
        return "operation"
    return "moderator" if actor.startswith("personal:") else "key"


def stale(lost: Lost) -> StaleVersion:
    """The error a slower moderator gets, with the winner's decision."""
    winner = lost.decision
    return StaleVersion(
        f"The comment is at version {lost.version} and {lost.status}.",
        current={"status": lost.status, "version": lost.version},
        decision=winner,
    )


def standing_decisions(history: Sequence[Entry]) -> list[Entry]:
    """The decisions that hold, oldest first: an undo takes back the last, an edit ends them."""
    standing: list[Entry] = []
    for entry in history:
        if entry.action in STATUS_OF_ACTION:
            standing.append(entry)
        elif entry.action == "undo":
            del standing[-1:]
        else:
            standing.clear()
    return standing


def _undo_entry(
    stored: StoredComment, version: int, standing: list[Entry], actor: str, now: int
) -> tuple[Entry, Entry | None]:
    """The step back, and the decision that stands again after it.

    A retry finds nothing standing; the operation record answers it before the entry matters.
    """
    last = standing[-1] if standing else None
    if last is None and version == stored.version:
        raise Conflict("There is no decision to undo.", code="nothing_to_undo")
    after = last.before if last and last.before else stored.status
    entry = Entry(
        version=version + 1,
        at=now,
        actor=actor,
        action="undo",
        before=stored.status,
        after=after,
    )
    return entry, last.displaced if last else None


def _alone(entry: Entry | None) -> Entry | None:
    """A decision without the ones before it, which its own history entry names."""
    return entry and msgspec.structs.replace(entry, displaced=None)


__all__ = ["Decision", "Done", "Review", "Reviewed", "stale", "standing_decisions"]
