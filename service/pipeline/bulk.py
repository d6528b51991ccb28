"""Bulk: one decision on many comments, and the way back for all of them.

An operation first writes down which comments it is about, each with the version it was read at, and
then decides one after the other through the one door for decisions, each under an operation id of
its own. So it can be killed anywhere: asked again under the same id, it goes on where it was, and
nothing is decided twice. A comment that somebody changed meanwhile is left and named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from service.errors import Conflict, IdempotencyMismatch, NotFound, Unavailable
from service.ids import short_hash
from service.pipeline.queues import Ask, find_places
from service.pipeline.review import Decision, Review
from service.records import Action, Entry, Status
from service.store import Store
from service.store.idempotency import mismatch
from service.store.operations import Operation

MOST: Final = 10_000
"""Comments of one operation."""
SCAN: Final = 50_000
"""Comments looked at for them."""
READ: Final = 100
"""Comments read in one go."""
SLICE: Final = 20
"""Comments decided at once: others get their turn in between."""
NAMED: Final = 100
"""Comments that were left, named at most."""

Item = tuple[str, int]


class Request(Struct, frozen=True, kw_only=True):
    """What is asked of many comments."""

    action: Action
    chosen: Ask | tuple[Item, ...]
    """All that match, or these."""
    text: str
    """The request as one text: an operation id belongs to it alone."""
    reason: str = ""
    note: str = ""


class Left(Struct, frozen=True):
    """A comment that was not touched, as it stands; without a status it is gone."""

    id: str
    status: Status | None = None
    version: int | None = None
    decision: Entry | None = None


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of an operation, or of its undo."""

    operation: str
    matched: int
    done: int
    left: int
    named: list[Left]
    """The first of those left."""
    more: bool


class Bulk:
    """The way in for decisions on many comments."""

    def __init__(self, store: Store, review: Review) -> None:
        self._store = store
        self._review = review

    async def decide(
        self, site: str, request: Request, *, operation_id: str, actor: str, now: int
    ) -> Outcome:
        """Decides on many comments; the same id goes on with what it began.

        Raises:
            IdempotencyMismatch: the id was used for another request.
            Unavailable: carries the operation's id; ask again under the same one.
        """
        operation = await self._store.operations.read(site, operation_id)
        if operation is None:
            items, more = await self._chosen(site, request.chosen)
            operation = await self._store.operations.begin(
                Operation(
                    id=operation_id,
                    site=site,
                    actor=actor,
                    at=now,
                    action=request.action,
                    reason=request.reason,
                    note=request.note,
                    request=short_hash(request.text),
                    items=items,
                    more=more,
                )
            )
        if operation.request != short_hash(request.text):
            raise mismatch()
        begun = operation

        async def one(item: Item) -> Left | None:
            return await self._decide(begun, item, now)

        return await _over(begun, one)

    async def _chosen(self, site: str, chosen: Ask | tuple[Item, ...]) -> tuple[list[Item], bool]:
        """The comments an operation is about, and whether there are more."""
        if not isinstance(chosen, Ask):
            return list(dict(chosen).items()), False
        places, following = await find_places(self._store, site, chosen, scan=SCAN)
        items: list[Item] = []
        for i in range(0, len(places), READ):
            ids = [place.id for place in places[i : i + READ]]
            rows = await self._store.comments.read_many(site, ids)
            items += [(r.comment.id, r.version) for r in rows if r and r.status == chosen.status]
        return items, following is not None

    async def _decide(self, operation: Operation, item: Item, now: int) -> Left | None:
        """Decides one comment; None where it is decided, by this very operation."""
        name, version = item
        decision = Decision(
            id=name,
            action=operation.action,
            version=version,
            reason=operation.reason,
            note=operation.note,
            part_of=operation.id,
        )
        try:
            await self._review.decide(
                operation.site,
                decision,
                actor=operation.actor,
                operation=_of_one(operation, name),
                now=now,
            )
        except (NotFound, Conflict, IdempotencyMismatch):
            return await self._as_it_stands(operation.site, name)
        return None

    async def undo(self, site: str, operation_id: str, *, actor: str, now: int) -> Outcome:
        """Takes back what an operation decided, each comment as a new version.

        What it has not decided yet it never will. Comments that were changed since are left.

        Raises:
            NotFound: there is no such operation, or it is older than seven days.
            Unavailable: ask again.
        """
        operation = await self._store.operations.read(site, operation_id)
        if operation is None:
            raise NotFound("There is no such operation; they are kept for seven days.")
        begun, untouched = operation, 0

        async def one(item: Item) -> Left | None:
            nonlocal untouched
            if await self._store.decisions.forestall(site, _of_one(begun, item[0])):
                untouched += 1
                return None
            return await self._take_back(begun, item, actor, now)

        outcome = await _over(begun, one)
        return Outcome(
            operation=operation_id,
            matched=outcome.matched - untouched,
            done=outcome.done - untouched,
            left=outcome.left,
            named=outcome.named,
            more=False,
        )

    async def _take_back(
        self, operation: Operation, item: Item, actor: str, now: int
    ) -> Left | None:
        """Takes one decision back; None where it is taken back, by an undo of this operation."""
        name, site, way_back = item[0], operation.site, f"{operation.id} undo {item[0]}"
        stored = await self._store.comments.read(site, name)
        decision = stored.decision if stored else None
        if stored and decision and decision.operation == operation.id:
            try:
                await self._review.undo(
                    site, name, stored.version, actor=actor, operation=way_back, now=now
                )
            except (NotFound, Conflict, IdempotencyMismatch):
                pass  # changed meanwhile: perhaps by this very undo, asked twice
            else:
                return None
        if await self._store.decisions.applied(site, way_back):
            return None
        return await self._as_it_stands(site, name)

    async def _as_it_stands(self, site: str, name: str) -> Left:
        stored = await self._store.comments.read(site, name)
        if stored is None:
            return Left(name)
        return Left(name, stored.status, stored.version, stored.decision)


def _of_one(operation: Operation, name: str) -> str:
    """The operation id of one comment's decision."""
    return f"{operation.id} {name}"


async def _over(operation: Operation, one: Callable[[Item], Awaitable[Left | None]]) -> Outcome:
    """Does one thing to every comment of an operation, some at once."""
    done, left = 0, list[Left]()
    for i in range(0, len(operation.items), SLICE):
        try:
            found = await asyncio.gather(*map(one, operation.items[i : i + SLICE]))
        except Unavailable as error:
            error.members["operation"] = operation.id
            raise
        left += [each for each in found if each is not None]
        done += sum(each is None for each in found)
    return Outcome(
        operation=operation.id,
        matched=len(operation.items),
        done=done,
        left=len(left),
        named=left[:NAMED],
        more=operation.more,
    )
