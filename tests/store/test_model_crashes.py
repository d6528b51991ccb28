"""The queue against its model while the server is killed, connections break and actors race.

Every acknowledged step must be there afterwards; a step whose outcome nobody knows has exactly one
answer when it is asked for again with its operation id. `WINNOW_TEST_CRASHES` sets how many runs
are made (default 8), `WINNOW_TEST_STEPS` how long each is (default 25).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from service.errors import Conflict, StaleVersion, Unavailable
from service.pipeline.review import Decision, Reviewed
from service.records import STATUS_OF_ACTION
from service.store import embedded
from service.store.queues import Filter
from tests.store.builders import NOW, build, put
from tests.store.test_model import ACTIONS, AUTHORS, HOLDERS, PAGES, Known, QueueMachine

EXAMPLES = int(os.environ.get("WINNOW_TEST_CRASHES", "8"))
STEPS = int(os.environ.get("WINNOW_TEST_STEPS", "25"))
PATIENCE_S = 60.0
"""How long a machine that others use may take to be back."""

delays = st.sampled_from((0.0, 0.0002, 0.001, 0.004))
"""When the misfortune happens, in seconds from the request on: before, during or after it."""


class CrashMachine(QueueMachine):
    """Also kills the server, breaks connections, loses replies and lets actors race."""

    restart: ClassVar[Callable[[], embedded.EmbeddedServer]]
    server: ClassVar[embedded.EmbeddedServer]
    happened: ClassVar[dict[str, int]]

    @initialize()
    def open(self) -> None:
        super().open()
        self.number = 0

    def count(self, what: str) -> None:
        self.happened[what] = self.happened.get(what, 0) + 1

    # ------------------------------------------------------------------ misfortunes

    def kill(self) -> None:
        os.kill(self.server.pid, signal.SIGKILL)

    def start_again(self) -> None:
        self.server.stop(20)
        type(self).server = self.restart()
        type(self).admin_url = self.server.admin_url

    def drop(self) -> None:
        with redis.Redis.from_url(self.admin_url) as operator:
            operator.execute_command("CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES")

    def teardown(self) -> None:
        super().teardown()
        if not self.server.alive():  # a failed step must not spoil the next run
            self.start_again()

    def again(self, make: Callable[[], Any]) -> Any:
        """What a call answers as soon as the store is there again."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.run(make())
            except Unavailable:
                assert time.monotonic() < deadline, "the store did not come back"
                time.sleep(0.05)

    @rule()
    def the_server_is_killed(self) -> None:
        self.count("kill")
        self.kill()
        self.start_again()
        self.again(lambda: self.store.queues.count(self.site.id, "pending", Filter()))

    @rule()
    def connections_break(self) -> None:
        self.count("drop")
        self.drop()
        self.again(lambda: self.store.queues.count(self.site.id, "pending", Filter()))

    @rule()
    def the_server_forgets_its_scripts(self) -> None:
        self.count("script flush")
        with redis.Redis.from_url(self.admin_url) as operator:
            operator.script_flush()

    @rule(
        comment_id=QueueMachine.ids,
        action=st.sampled_from((*ACTIONS, "undo")),
        how=st.sampled_from(("kill", "drop", "leave")),
        delay=delays,
    )
    def the_outcome_is_unknown(self, comment_id: str, action: str, how: str, delay: float) -> None:
        known = self.known[comment_id]
        if action == "undo" and not known.standing:
            return
        self.count(f"unknown outcome: {how}")
        self.number += 1
        operation, version = f"unknown-{self.number}", known.version

        def ask() -> Any:
            return self.asked(comment_id, action, version, operation)

        first = self.run(self.interrupted(ask, how, delay))
        if how == "kill":
            self.start_again()
        assert isinstance(first, Reviewed | Unavailable | asyncio.CancelledError), first
        reviewed = self.again(ask)
        if isinstance(first, Reviewed):
            assert (reviewed.replayed, reviewed.entry) == (True, first.entry)
        assert reviewed.version == version + 1
        third = self.again(ask)
        assert (third.replayed, third.entry) == (True, reviewed.entry)
        asked = f"{comment_id} {action} {version}"
        self.operations[operation] = asked, reviewed.entry
        self.applied(known, reviewed.entry, STATUS_OF_ACTION.get(action))  # type: ignore[call-overload]

    async def interrupted(self, ask: Callable[[], Any], how: str, delay: float) -> Any:
        """What a request gave although something happened meanwhile."""
        task = asyncio.ensure_future(ask())
        await asyncio.sleep(delay)
        if how == "kill":
            self.kill()
        elif how == "drop":
            await asyncio.to_thread(self.drop)
        else:
            task.cancel()
        (first,) = await asyncio.gather(task, return_exceptions=True)
        return first

    def asked(self, comment_id: str, action: str, version: int, operation: str | None) -> Any:
        if action == "undo":
            return self.review.undo(
                self.site.id, comment_id, version, actor="personal:ann", operation=operation,
                now=NOW,
            )  # fmt: skip
        return self.review.decide(
            self.site.id,
            Decision(id=comment_id, action=action, version=version),  # type: ignore[arg-type]
            actor="personal:ann",
            operation=operation,
            now=NOW,
        )

    @rule(
        target=QueueMachine.ids,
        page=st.sampled_from(PAGES),
        author=st.sampled_from(AUTHORS),
        how=st.sampled_from(("kill", "drop", "leave")),
        delay=delays,
    )
    def a_submission_is_not_answered(self, how: str, delay: float, **fields: Any) -> str:
        self.count(f"unanswered submission: {how}")
        comment = build(self.site, **fields)

        async def first() -> None:
            task = asyncio.ensure_future(put(self.store, comment, self.version))
            await asyncio.sleep(delay)
            if how == "kill":
                self.kill()
            elif how == "drop":
                await asyncio.to_thread(self.drop)
            else:
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.run(first())
        if how == "kill":
            self.start_again()
        self.again(lambda: put(self.store, comment, self.version))
        self.known[comment.id] = Known(comment, "pending")
        return comment.id

    # ------------------------------------------------------------------------- races

    @rule(
        comment_id=QueueMachine.ids,
        actions=st.lists(st.sampled_from((*ACTIONS, "undo")), min_size=2, max_size=4),
    )
    def several_decide_at_once(self, comment_id: str, actions: list[str]) -> None:
        self.count("race")
        known = self.known[comment_id]

        async def race() -> list[Any]:
            asked = (self.asked(comment_id, each, known.version, None) for each in actions)
            return await asyncio.gather(*asked, return_exceptions=True)

        answers = self.run(race())
        won = [i for i, each in enumerate(answers) if isinstance(each, Reviewed)]
        assert all(isinstance(each, Reviewed | StaleVersion | Conflict) for each in answers)
        possible = [a for a in actions if a != "undo" or known.standing]
        assert len(won) == (1 if possible else 0), answers
        for i in won:
            after = STATUS_OF_ACTION.get(actions[i])  # type: ignore[call-overload]
            self.applied(known, answers[i].entry, after)

    @rule(count=st.integers(1, 3))
    def two_claim_at_once(self, count: int) -> None:
        self.count("claim race")

        async def race() -> list[Any]:
            claim = self.store.queues.claim
            return await asyncio.gather(
                *(claim(self.site.id, count=count, ttl_ms=600_000, holder=h) for h in HOLDERS)
            )

        free = [i for i in self.ordered("pending", "priority") if i not in self.claims]
        leases = self.run(race())
        got = [lease.id for each in leases for lease in each]
        assert len(got) == len(set(got))
        assert sorted(got) == sorted(free[: 2 * count])
        for holder, each in zip(HOLDERS, leases, strict=True):
            self.claims |= {lease.id: holder for lease in each}


def test_the_queue_behaves_as_its_model_through_crashes_and_races(
    server_kind: str,
    launch_server: Callable[[str, Path], embedded.EmbeddedServer],
    tmp_path: Path,
) -> None:
    home, happened = tmp_path / "data", dict[str, int]()
    first = launch_server(server_kind, home)

    class Machine(CrashMachine):
        url, admin_url = first.url, first.admin_url
        server = first
        restart = staticmethod(lambda: launch_server(server_kind, home))

    Machine.happened = happened
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{EXAMPLES} runs of {STEPS} steps: {dict(sorted(happened.items()))}")
    assert happened
