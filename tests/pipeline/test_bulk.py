"""Requirements of operations on many comments: exact, resumable, taken back as a whole."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import pytest

from service.errors import IdempotencyMismatch, NotFound
from service.ids import named_id
from service.pipeline.bulk import NAMED, Bulk, Outcome, Request
from service.pipeline.queues import Ask, Text, find_places
from service.pipeline.review import Decision, Review
from service.records import Comment
from service.store import Store
from tests.conftest import ROOT
from tests.store.builders import NOW, all_of, build, make_site, put, read
from tests.store.invariants import violations

PENDING = Ask(status="pending", sort="oldest", limit=10_000)


def asked(action: str = "spam", chosen: Any = PENDING, **more: Any) -> Request:
    return Request(action=action, chosen=chosen, text=f"{action} {more}", **more)  # type: ignore[arg-type]


async def filled(store: Store, count: int, **fields: Any) -> list[Comment]:
    """A site with pending comments."""
    site, version = await make_site(store)
    comments = [build(site, at=NOW + i, **fields) for i in range(count)]
    for i in range(0, count, 200):
        await asyncio.gather(*(put(store, c, version) for c in comments[i : i + 200]))
    return comments


def bulk(store: Store) -> Bulk:
    return Bulk(store, Review(store))


async def run(store: Store, name: str = "one", request: Request | None = None) -> Outcome:
    return await bulk(store).decide(
        "blog", request or asked(), operation_id=named_id(name, 1), actor="personal:ann", now=NOW
    )


async def undone(store: Store, name: str = "one") -> Outcome:
    return await bulk(store).undo("blog", named_id(name, 1), actor="personal:bob", now=NOW)


async def counts(store: Store) -> dict[str, int]:
    return {row.status: row.count for row in await store.queues.waiting("blog")}


async def test_all_that_match_are_decided_and_taken_back_as_a_whole(store: Store) -> None:
    comments = await filled(store, 55)
    done = await run(store)
    assert (done.matched, done.done, done.left, done.more) == (55, 55, 0, False)
    assert (await counts(store))["spam"] == 55
    decision = (await read(store, "blog", comments[0].id)).decision
    assert decision
    assert (decision.operation, decision.actor) == (done.operation, "personal:ann")
    back = await undone(store)
    assert (back.matched, back.done, back.left) == (55, 55, 0)
    assert (await counts(store))["pending"] == 55
    assert (await read(store, "blog", comments[0].id)).version == 3
    assert await violations(store, "blog") == []


async def test_the_same_operation_asked_again_decides_nothing_twice(store: Store) -> None:
    await filled(store, 30)
    first, second = await all_of(run(store), run(store))
    assert first == second
    assert first.done == 30
    assert (await undone(store)) == (await undone(store))
    assert (await counts(store))["pending"] == 30
    assert await run(store) == first, "what came of it, not how it stands"
    with pytest.raises(IdempotencyMismatch):
        await run(store, request=asked("approve"))
    assert await violations(store, "blog") == []


async def test_two_operations_at_once_share_the_comments(store: Store) -> None:
    """Each comment is decided by exactly one of them; the other names it."""
    await filled(store, 120)
    one, two = await all_of(run(store, "one"), run(store, "two", asked("approve")))
    assert one.done + two.done == 120
    assert (one.matched - one.done, two.matched - two.done) == (one.left, two.left)
    stand = await counts(store)
    assert (stand["spam"], stand["approved"], stand["pending"]) == (one.done, two.done, 0)
    assert await violations(store, "blog") == []


async def test_a_comment_decided_since_is_left_and_named(store: Store) -> None:
    comments = await filled(store, 5)
    await run(store)
    review = Review(store)
    changed = Decision(id=comments[2].id, action="approve", version=2)
    await review.decide("blog", changed, actor="personal:eve", operation=None, now=NOW)
    back = await undone(store)
    assert (back.done, back.left) == (4, 1)
    (left,) = back.named
    assert (left.id, left.status, left.version) == (comments[2].id, "approved", 3)
    assert left.decision
    assert left.decision.actor == "personal:eve"


async def test_what_was_read_at_an_older_version_is_left(store: Store) -> None:
    """A campaign's comments are decided as they were compared."""
    comments = await filled(store, 3)
    items = ((comments[0].id, 1), (comments[1].id, 7), ("0" * 26, 1), (comments[0].id, 1))
    done = await run(store, request=asked(chosen=items))
    assert (done.matched, done.done, done.left) == (3, 1, 2)
    assert [(left.id, left.status) for left in done.named] == [
        (comments[1].id, "pending"), ("0" * 26, None),
    ]  # fmt: skip


async def test_undo_races_with_a_moderator_and_with_the_operation_itself(store: Store) -> None:
    """Whoever is first, nothing is lost and nothing is decided after it was taken back."""
    comments = await filled(store, 120)
    review = Review(store)

    async def moderator() -> int:
        won = 0
        for comment in comments[::5]:
            stored = await read(store, "blog", comment.id)
            decision = Decision(id=comment.id, action="approve", version=stored.version)
            won += not isinstance(
                (await all_of(
                    review.decide("blog", decision, actor="personal:eve", operation=None, now=NOW)
                ))[0],
                Exception,
            )  # fmt: skip
        return won

    async def undo() -> Outcome:
        begun = None
        while begun is None:
            begun = await store.operations.read("blog", named_id("one", 1))
        return await undone(store)

    done, back, _ = await asyncio.gather(run(store), undo(), moderator())
    assert done.matched == 120
    stand = await counts(store)
    assert stand["spam"] == 0, "all of it is taken back, or was somebody else's since"
    assert stand["pending"] + stand["approved"] == 120
    again = await undone(store)
    assert (again.done, again.left) == (back.done, back.left)
    assert (await counts(store)) == stand
    assert await violations(store, "blog") == []


async def test_an_unknown_operation_cannot_be_undone(store: Store) -> None:
    await filled(store, 1)
    with pytest.raises(NotFound):
        await undone(store, "nothing")


async def test_no_more_than_a_hundred_are_named(store: Store) -> None:
    await filled(store, NAMED + 20)
    await run(store)
    done = await run(store, "two", asked(chosen=tuple(
        (place.id, 1) for place in (await find_places(store, "blog", Ask(
            status="spam", sort="oldest", limit=500)))[0])))  # fmt: skip
    assert (done.left, len(done.named)) == (NAMED + 20, NAMED)


async def test_a_limit_and_a_filter_bound_it(store: Store) -> None:
    site, version = await make_site(store)
    for i in range(12):
        body = "Buy che4p pills" if i % 3 == 0 else "Hello"
        await put(store, build(site, at=NOW + i, body=body), version)
    fold = str.casefold
    text = Text.of("PILLS bu", fold)
    few = Ask(status="pending", sort="oldest", limit=3, text=text)
    done = await run(store, request=asked(chosen=few))
    assert (done.done, done.more) == (3, True)
    rest = await run(store, "two", asked(chosen=few))
    assert (rest.done, rest.more) == (1, False)
    assert (await counts(store))["pending"] == 8


# ------------------------------------------------------------------------------ crash

CHILD = """
import asyncio, sys
from service.ids import Secrets, named_id
from service.pipeline.bulk import Bulk
from service.pipeline.review import Review
from service.store import Store
from tests.pipeline.test_bulk import asked

async def main():
    store = Store(sys.argv[1], Secrets(bytes(range(32))))
    await store.open()
    await Bulk(store, Review(store)).decide(
        "blog", asked(), operation_id=named_id("one", 1), actor="personal:ann", now=1)

asyncio.run(main())
"""


async def killed_after(store: Store, redis_url: str, decided: int) -> None:
    """Begins the operation in a process of its own and kills that."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CHILD, redis_url),
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
    )
    deadline = time.monotonic() + 20
    while (await counts(store))["spam"] < decided:
        assert time.monotonic() < deadline
    child.kill()
    await child.wait()


async def test_killed_in_the_middle_it_goes_on_and_counts_the_whole(
    store: Store, redis_url: str
) -> None:
    comments = await filled(store, 1500)
    for decided in (1, 300, 900):
        await killed_after(store, redis_url, decided)
    part = (await counts(store))["spam"]
    assert 900 <= part < 1500, "killed in the middle"
    done = await run(store)
    assert (done.matched, done.done, done.left) == (1500, 1500, 0)
    for comment in comments[::100]:
        assert (await read(store, "blog", comment.id)).version == 2
    assert (await undone(store)).done == 1500
    assert await violations(store, "blog") == []


async def test_ten_thousand_comments_hold_up_nobody(store: Store) -> None:
    """Others' reads get through while it runs, each within a fraction of a second."""
    await filled(store, 10_000)
    late: list[float] = []

    async def other() -> None:
        while True:
            started = time.perf_counter()
            await store.sites.exists("blog")
            late.append(time.perf_counter() - started)
            await asyncio.sleep(0.01)

    heart = asyncio.create_task(other())
    started = time.perf_counter()
    done = await run(store)
    took = time.perf_counter() - started
    heart.cancel()
    late.sort()
    print(
        f"10,000 decided in {took:.1f} s; others' reads p50 {late[len(late) // 2] * 1e3:.0f} ms, "
        f"p99 {late[len(late) * 99 // 100] * 1e3:.0f} ms, worst {late[-1] * 1e3:.0f} ms"
    )
    assert (done.done, done.left, done.more) == (10_000, 0, False)
    assert late[len(late) * 99 // 100] < 0.3
    started = time.perf_counter()
    assert (await undone(store)).done == 10_000
    print(f"undone in {time.perf_counter() - started:.1f} s")
