"""What moderators' work costs at several sizes of the queue, side by side.

Every operation goes through the classes the API goes through. The sizes take turns, some rounds
each, so that whatever else this machine does meanwhile meets all of them alike. One operation
follows the other: times are those of an idle service.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import bodies
import msgspec
from filling import SITE, Filled, Place, info, near, server_s

from service.ids import new_id
from service.pipeline import validate
from service.pipeline.bulk import Request
from service.pipeline.queues import Ask, list_queue, queued
from service.pipeline.review import Decision
from service.records import Submission
from service.services import Services
from service.store.queues import Filter, Position, Sort

PAGE, CLAIMED, BULK = 50, 20, 500
ACTOR = "personal:bench"
ROUNDS = 200
"""Comments decided."""
FLAT = 1.5
"""How many times as much an operation may cost on the largest size as on the smallest."""


@dataclass
class Target:
    """One size, ready to be worked on."""

    size: int
    parts: Services
    filled: Filled
    reason: str = ""
    """The reason that most of its comments wait for."""
    page: str = ""
    """A page with comments."""
    versions: dict[str, int] = field(default_factory=lambda: defaultdict(lambda: 1))
    leases: list[str] = field(default_factory=list)
    operation: str = ""
    texts: list[str] = field(default_factory=list)
    by_score: list[Place] = field(default_factory=list)
    by_time: list[Place] = field(default_factory=list)

    def deep(self, sort: Sort, number: int) -> Position:
        """A cursor in the middle of the queue, another one each time."""
        places = self.by_score if sort == "priority" else self.by_time
        third = len(places) // 3
        place = places[third + number * 7 % third]
        return Position(place.score if sort == "priority" else place.at, place.id)

    def waiting(self, number: int) -> str:
        """A pending comment somewhere in the queue, another one each time."""
        places = self.by_time
        return places[number * len(places) // ROUNDS % len(places)].id


Act = Callable[[Target, int], Awaitable[object]]


class Step(NamedTuple):
    """One operation; without a name it only puts things back."""

    name: str
    act: Act


class Steps(NamedTuple):
    """Operations that belong together: so many rounds of each, then of the next."""

    steps: tuple[Step, ...]
    rounds: int
    turn: int
    """Rounds before the next size has its turn."""


@dataclass
class Cost:
    """What one operation took."""

    wall_s: list[float] = field(default_factory=list)
    client_s: float = 0.0
    server_s: float = 0.0
    written: int = 0
    """Bytes appended to the server's file."""

    def row(self) -> dict[str, float]:
        """Milliseconds of wall time, microseconds of CPU time, bytes written."""
        count, wall = len(self.wall_s), sorted(self.wall_s)
        return {
            "median_ms": round(statistics.median(wall) * 1000, 3),
            "p99_ms": round(wall[min(count - 1, int(0.99 * count))] * 1000, 3),
            "client_us": round(self.client_s / count * 1e6, 1),
            "server_us": round(self.server_s / count * 1e6, 1),
            "written": round(self.written / count),
        }


def _list(sort: Sort, *, deep: bool) -> Act:
    async def act(target: Target, number: int) -> object:
        after = target.deep(sort, number) if deep else None
        ask = Ask(status="pending", sort=sort, limit=PAGE, after=after)
        found = await list_queue(target.parts.store, SITE, ask)
        assert len(found.rows) == PAGE
        return found

    return act


async def _of_reason(target: Target, number: int) -> object:
    ask = Ask(status="pending", sort="newest", limit=PAGE, reason=target.reason)
    return await list_queue(target.parts.store, SITE, ask)


async def _claim(target: Target, number: int) -> None:
    leases = await target.parts.store.queues.claim(
        SITE, count=CLAIMED, ttl_ms=300_000, holder="bench"
    )
    target.leases += [lease.id for lease in leases]
    await queued(target.parts.store, SITE, [lease.id for lease in leases])


async def _release(target: Target, number: int) -> None:
    ids, target.leases = target.leases, []
    release = target.parts.store.queues.release
    await asyncio.gather(*(release(SITE, name, holder="bench") for name in ids))


async def _decide(target: Target, number: int) -> None:
    name = target.waiting(number)
    decision = Decision(id=name, action="approve", version=target.versions[name])
    reviewed = await target.parts.review.decide(
        SITE, decision, actor=ACTOR, operation=None, now=target.parts.now()
    )
    target.versions[name] = reviewed.version


async def _undo(target: Target, number: int) -> None:
    name = target.waiting(number)
    reviewed = await target.parts.review.undo(
        SITE, name, target.versions[name], actor=ACTOR, operation=None, now=target.parts.now()
    )
    target.versions[name] = reviewed.version


async def _bulk(target: Target, number: int) -> None:
    now = target.parts.now()
    target.operation = new_id(now, target.filled.number)
    ask = Ask(status="pending", sort="oldest", limit=BULK)
    outcome = await target.parts.bulk.decide(
        SITE,
        Request(action="approve", chosen=ask, text=target.operation),
        operation_id=target.operation,
        actor=ACTOR,
        now=now,
    )
    assert outcome.done == BULK


async def _bulk_undo(target: Target, number: int) -> None:
    outcome = await target.parts.bulk.undo(
        SITE, target.operation, actor=ACTOR, now=target.parts.now()
    )
    assert outcome.done == BULK


async def _counts(target: Target, number: int) -> None:
    queues = target.parts.store.queues
    await asyncio.gather(queues.waiting(SITE), queues.flow(SITE, target.parts.now()))


async def _count_narrowed(target: Target, number: int) -> None:
    narrowed = Filter(reason=target.reason, page=target.page)
    await target.parts.store.queues.count(SITE, "pending", narrowed)


async def _submit(target: Target, number: int) -> None:
    now, text = target.parts.now(), target.texts[number % len(target.texts)]
    row = msgspec.convert(bodies.submission(number, text, SITE), Submission)
    draft = validate.check(row, body_max=10_000, publishable=False, now=now)
    await target.parts.intake.submit(draft, SITE, idempotency=None, now=now)


WORK: tuple[Steps, ...] = (
    *(
        Steps((Step(f"list by {sort}, {where} page", _list(sort, deep=where == "deep")),), 100, 10)
        for sort in ("priority", "oldest", "newest")
        for where in ("first", "deep")
    ),
    Steps((Step("list of one reason", _of_reason),), 100, 10),
    Steps((Step("claim 20", _claim), Step("", _release)), 100, 10),
    Steps((Step("decide", _decide), Step("undo", _undo)), ROUNDS, 20),
    Steps((Step("counts", _counts),), 200, 20),
    Steps((Step("count of a reason on a page", _count_narrowed),), 200, 20),
    Steps((Step("bulk of 500", _bulk), Step("undo of a bulk of 500", _bulk_undo)), 8, 1),
    # Last: it makes the queue longer.
    Steps((Step("submit", _submit),), 100, 20),
)


async def prepare(size: int, parts: Services, filled: Filled, texts: list[str]) -> Target:
    """A target with what its operations ask for."""
    by_time = sorted(filled.places, key=lambda place: (place.at, place.id))
    found = Target(size, parts, filled, texts=near(texts, 200))
    found.by_time, found.by_score = by_time, sorted(filled.places)
    # The oldest were submitted by few authors on few pages; one from the middle is like most.
    stored = await parts.store.comments.read(SITE, by_time[len(by_time) // 2].id)
    if stored is None:
        raise RuntimeError("a comment that was stored is not there")
    found.page = stored.comment.page
    found.reason = stored.comment.verdict.reasons[0].code
    return found


async def measure(targets: list[Target]) -> dict[str, dict[str, dict[str, float]]]:
    """Operation → size → what it took, with `ratio` and `cpu_ratio` to the smallest size."""
    costs: dict[str, dict[int, Cost]] = defaultdict(lambda: defaultdict(Cost))
    for work in WORK:
        for each in targets:  # a turn to warm up, which nobody counts
            await _turn(each, work, 0, defaultdict(lambda: defaultdict(Cost)))
        for first in range(0, work.rounds, work.turn):
            for each in targets:
                await _turn(each, work, first, costs)
    return {name: _compared(by_size) for name, by_size in costs.items()}


async def _turn(target: Target, work: Steps, first: int, costs: dict[str, dict[int, Cost]]) -> None:
    for step in work.steps:
        cost = costs[step.name][target.size] if step.name else Cost()
        server_before, size_before = await _server(target)
        cpu_before = time.process_time()
        for number in range(first, first + work.turn):
            began = time.perf_counter()
            await step.act(target, number)
            cost.wall_s.append(time.perf_counter() - began)
        cost.client_s += time.process_time() - cpu_before
        server_after, size_after = await _server(target)
        cost.server_s += server_after - server_before
        cost.written += max(0, size_after - size_before)  # less after a rewrite


async def _server(target: Target) -> tuple[float, int]:
    """CPU seconds of the server so far, and the bytes of its append-only file."""
    spent, file = await info(target.parts, "cpu"), await info(target.parts, "persistence")
    return server_s(spent), int(file["aof_current_size"])


def _compared(by_size: dict[int, Cost]) -> dict[str, dict[str, float]]:
    rows = {size: cost.row() for size, cost in sorted(by_size.items())}
    base = next(iter(rows.values()))
    for row in rows.values():
        if row is not base:
            row["ratio"] = round(row["median_ms"] / base["median_ms"], 2)
            row["server_ratio"] = round(row["server_us"] / max(1, base["server_us"]), 2)
            row["cpu_ratio"] = round(_cpu(row) / _cpu(base), 2)
    return {str(size): row for size, row in rows.items()}


def _cpu(row: dict[str, float]) -> float:
    return row["client_us"] + row["server_us"]


def not_flat(found: dict[str, dict[str, dict[str, float]]]) -> dict[str, list[str]]:
    """The operations that take half as much again, or more: in time, and in CPU time.

    Where others use the machine, only the second list means something.
    """
    rows = [(f"{name}, {size}", row) for name, by in found.items() for size, row in by.items()]
    return {
        "time": [name for name, row in rows if row.get("ratio", 0) > FLAT],
        "cpu": [
            name
            for name, row in rows
            if max(row.get("cpu_ratio", 0), row.get("server_ratio", 0)) > FLAT
        ],
    }
