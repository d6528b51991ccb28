"""The queue against a model of it in plain Python: whatever happens, they agree.

`WINNOW_TEST_EXAMPLES` sets how many runs are made (default 30).
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from service.errors import Conflict, StaleVersion
from service.ids import Secrets
from service.pipeline.review import Decision, Review
from service.records import QUEUES, STATUS_OF_ACTION, Comment, Entry, Site
from service.store import Store, embedded
from service.store.decisions import Done, Lost
from service.store.queues import Filter, Position
from tests.store.builders import NOW, build, make_site, put, read, step
from tests.store.invariants import violations

EXAMPLES = int(os.environ.get("WINNOW_TEST_EXAMPLES", "30"))
PAGES = ("https://news.example/a", "https://news.example/b")
AUTHORS = ("x" * 22, "y" * 22)
REASONS = ("author.new", "links.many", "spam", "toxicity.insult")
HOLDERS = ("ann", "bob")
ACTIONS = ("approve", "reject", "spam")
OPERATIONS = tuple(f"op-{i}" for i in range(6))

moments = st.integers(0, 3).map(lambda i: NOW + i)
verdicts = {
    "priority": st.integers(0, 9),
    "reasons": st.lists(st.sampled_from(REASONS), max_size=3, unique=True).map(tuple),
    "at": moments,
}


@dataclass
class Known:
    """What the model knows of one comment."""

    comment: Comment
    status: str
    version: int = 1
    decision: Entry | None = None
    standing: list[tuple[str, Entry]] = field(default_factory=list)
    """Status before, and the entry, of every decision that holds."""


class QueueMachine(RuleBasedStateMachine):
    """Drives a real store and a model side by side."""

    url = admin_url = ""
    ids = Bundle("ids")

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.Runner()
        self.known: dict[str, Known] = {}
        self.claims: dict[str, str] = {}
        self.operations: dict[str, tuple[str, Any]] = {}
        self.store = Store(self.url, Secrets(bytes(range(32))))
        self.review = Review(self.store)
        self.site, self.version = self.run(self._open())

    async def _open(self) -> tuple[Site, int]:
        await self.store.open()
        with redis.Redis.from_url(self.admin_url) as operator:
            # Not what says whose data these are: without it a server that starts again is refused.
            identity = operator.get(embedded.EPOCH_KEY)
            pipe = operator.pipeline().flushdb()
            (pipe.set(embedded.EPOCH_KEY, identity) if identity else pipe).execute()
        return await make_site(self.store)

    def run(self, waiting: Any) -> Any:
        return self.loop.run(waiting)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.run(self.store.close())
            self.loop.close()

    # ------------------------------------------------------------------ what happens

    @rule(
        target=ids,
        status=st.sampled_from(("pending", "pending", "pending", "approved", "spam", "rejected")),
        page=st.sampled_from(PAGES),
        author=st.sampled_from(AUTHORS),
        test=st.sampled_from((False, False, False, True)),
        **verdicts,
    )
    def submit(self, status: str, **fields: Any) -> str:
        comment = build(self.site, **fields)
        assert self.run(put(self.store, comment, self.version, status)) is None  # type: ignore[arg-type]
        self.known[comment.id] = Known(comment, status)
        return comment.id

    @rule(comment_id=ids)
    def submit_again(self, comment_id: str) -> None:
        known = self.known[comment_id]
        self.run(put(self.store, known.comment, self.version, known.status))  # type: ignore[arg-type]

    @rule(count=st.integers(1, 4), holder=st.sampled_from(HOLDERS))
    def claim(self, count: int, holder: str) -> None:
        leases = self.run(
            self.store.queues.claim(self.site.id, count=count, ttl_ms=600_000, holder=holder)
        )
        free = [i for i in self.ordered("pending", "priority") if i not in self.claims]
        assert [lease.id for lease in leases] == free[:count]
        self.claims |= {lease.id: holder for lease in leases}

    @rule(comment_id=ids, holder=st.sampled_from(HOLDERS))
    def renew(self, comment_id: str, holder: str) -> None:
        outcome = self.run(
            self.store.queues.renew(self.site.id, comment_id, holder=holder, ttl_ms=600_000)
        )
        held = self.claims.get(comment_id)
        assert (outcome > 0) if held == holder else (outcome == (-1 if held is None else -2))

    @rule(comment_id=ids, holder=st.sampled_from(HOLDERS))
    def release(self, comment_id: str, holder: str) -> None:
        outcome = self.run(self.store.queues.release(self.site.id, comment_id, holder=holder))
        held = self.claims.get(comment_id)
        assert outcome == (0 if held is None else 1 if held == holder else -2)
        if held == holder:
            del self.claims[comment_id]

    @rule(
        comment_id=ids,
        action=st.sampled_from(ACTIONS),
        late=st.sampled_from((0, 0, 0, 1, 2, -1)),
        operation=st.one_of(st.none(), st.sampled_from(OPERATIONS)),
    )
    def decide(self, comment_id: str, action: str, late: int, operation: str | None) -> None:
        known = self.known[comment_id]
        version = known.version - late
        asked = f"{comment_id} {action} {version}"
        waiting = self.review.decide(
            self.site.id,
            Decision(id=comment_id, action=action, version=version),  # type: ignore[arg-type]
            actor="personal:ann",
            operation=operation,
            now=NOW,
        )
        self.expect(waiting, known, asked, operation, version, STATUS_OF_ACTION[action])  # type: ignore[index]

    @rule(
        comment_id=ids,
        late=st.sampled_from((0, 0, 0, 1)),
        operation=st.one_of(st.none(), st.sampled_from(OPERATIONS)),
    )
    def undo(self, comment_id: str, late: int, operation: str | None) -> None:
        known = self.known[comment_id]
        version = known.version - late
        waiting = self.review.undo(
            self.site.id, comment_id, version, actor="personal:ann", operation=operation, now=NOW
        )
        asked = f"{comment_id} undo {version}"
        if not known.standing and late == 0:
            with pytest.raises(Conflict):
                self.run(waiting)
            return
        self.expect(waiting, known, asked, operation, version, None)

    def expect(
        self,
        waiting: Any,
        known: Known,
        asked: str,
        operation: str | None,
        version: int,
        after: str | None,
    ) -> None:
        """Done before? Then the same answer. Not the current version? Then the winner's."""
        if operation in self.operations:
            before, entry = self.operations[operation]
            if before != asked:
                with pytest.raises(Exception, match="another request"):
                    self.run(waiting)
                return
            reviewed = self.run(waiting)
            assert (reviewed.replayed, reviewed.entry) == (True, entry)
            return
        if version != known.version:
            with pytest.raises(StaleVersion) as lost:
                self.run(waiting)
            current = {"status": known.status, "version": known.version}
            assert lost.value.members == {"current": current, "decision": known.decision}
            return
        reviewed = self.run(waiting)
        assert (reviewed.version, reviewed.replayed) == (version + 1, False)
        if operation is not None:
            self.operations[operation] = asked, reviewed.entry
        self.applied(known, reviewed.entry, after)

    def applied(self, known: Known, entry: Entry, after: str | None) -> None:
        if after is None:
            after, undone = known.standing.pop()
            known.decision = undone.displaced
        else:
            before = known.decision and msgspec.structs.replace(known.decision, displaced=None)
            assert entry.displaced == before
            known.standing.append((known.status, entry))
            known.decision = entry
        known.status, known.version = after, known.version + 1
        self.claims.pop(known.comment.id, None)

    @rule(
        comment_id=ids,
        action=st.sampled_from(("edit", "rescore")),
        after=st.sampled_from(("pending", "approved", "spam")),
        late=st.sampled_from((0, 0, 1)),
        priority=st.integers(0, 9),
        reasons=verdicts["reasons"],
    )
    def replace(
        self, comment_id: str, action: str, after: str, late: int, priority: int, reasons: Any
    ) -> None:
        known = self.known[comment_id]
        stored = self.run(read(self.store, self.site.id, comment_id))
        verdict = build(self.site, priority=priority, reasons=reasons).verdict
        body = f"{known.comment.body}!" if action == "edit" else known.comment.body
        fresh = msgspec.structs.replace(known.comment, body=body, verdict=verdict)
        outcome = self.run(
            self.store.decisions.apply(
                step(
                    stored,
                    action,
                    replacement=fresh,
                    after=after,
                    version=known.version - late,
                    operation=f"{comment_id} {known.version} {late} {action} {len(self.known)}",
                    request=f"{after}{priority}{reasons}",
                )
            )
        )
        if late:
            assert outcome == Lost(known.version, known.status, known.decision)  # type: ignore[arg-type]
            return
        assert isinstance(outcome, Done)
        known.comment, known.status, known.version = fresh, after, known.version + 1
        known.standing.clear()
        self.claims.pop(comment_id, None)

    @precondition(lambda self: len(self.known) > 8)
    @rule(comment_id=consumes(ids))
    def forget(self, comment_id: str) -> None:
        """Attention moves on to other comments; this one stays in the store."""

    # ------------------------------------------------------------------ what is seen

    def ordered(self, status: str, sort: str, narrowed: Filter | None = None) -> list[str]:
        """A queue as the model sees it."""
        rows = []
        for comment_id, known in self.known.items():
            if known.status == status and self.passes(known.comment, narrowed or Filter()):
                verdict = known.comment.verdict
                band = verdict.priority if status == "pending" else 0
                rows.append((band, known.comment.created_at, comment_id))
        if sort == "priority":
            rows.sort()
        else:
            rows.sort(key=lambda row: row[1:], reverse=sort == "newest")
        return [row[2] for row in rows]

    @staticmethod
    def passes(comment: Comment, narrowed: Filter) -> bool:
        codes = [reason.code for reason in comment.verdict.reasons]
        return (
            (not narrowed.page or (not comment.test and comment.page == narrowed.page))
            and (not narrowed.author or (not comment.test and comment.author == narrowed.author))
            and (not narrowed.reason or narrowed.reason in codes)
        )

    @rule(
        status=st.sampled_from(QUEUES),
        sort=st.sampled_from(("priority", "oldest", "newest")),
        limit=st.integers(1, 5),
        narrowed=st.one_of(
            st.just(Filter()),
            st.sampled_from(PAGES).map(lambda page: Filter(page=page)),
            st.sampled_from(AUTHORS).map(lambda author: Filter(author=author)),
            st.sampled_from(REASONS).map(lambda reason: Filter(reason=reason)),
        ),
    )
    def look(self, status: str, sort: str, limit: int, narrowed: Filter) -> None:
        found: list[str] = []
        after: Position | None = None
        while page := self.run(
            self.store.queues.page(
                self.site.id,
                status,
                sort=sort,
                limit=limit,
                narrowed=narrowed,
                after=after,  # type: ignore[arg-type]
            )
        ):
            assert after not in page, "the cursor does not move on"
            found += [place.id for place in page]
            after = page[-1]
        assert found == self.ordered(status, sort, narrowed)
        assert self.run(self.store.queues.count(self.site.id, status, narrowed)) == len(found)  # type: ignore[arg-type]

    @rule(
        page=st.sampled_from(PAGES),
        author=st.sampled_from(AUTHORS),
        reason=st.sampled_from(REASONS),
    )
    def count(self, page: str, author: str, reason: str) -> None:
        narrowed = Filter(page=page, author=author, reason=reason)
        counted = self.run(self.store.queues.count(self.site.id, "pending", narrowed))
        assert counted == len(self.ordered("pending", "oldest", narrowed))

    @invariant()
    def everything_agrees(self) -> None:
        if not hasattr(self, "site"):
            return
        assert self.run(violations(self.store, self.site.id)) == []
        ids = list(self.known)
        for comment_id, stored in zip(
            ids, self.run(self.store.comments.read_many(self.site.id, ids)), strict=True
        ):
            known = self.known[comment_id]
            assert stored is not None
            assert (stored.status, stored.version) == (known.status, known.version)
            assert (stored.comment, stored.decision) == (known.comment, known.decision)
            holder = stored.lease.holder if stored.lease else None
            assert holder == self.claims.get(comment_id)


def test_the_queue_behaves_as_its_model_whatever_happens(server: embedded.EmbeddedServer) -> None:
    class Machine(QueueMachine):
        url, admin_url = server.url, server.admin_url

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
