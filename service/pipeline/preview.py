"""Preview: what a policy would do, seen on what really happened.

The site's newest comments are decided twice, under the policy in force and under the proposed one,
from the same facts: stored scores, signals found again, and the author's record, the repetitions
and the age of the page as they were when each comment came. So every difference is the policy's.
Runs in slices beside the event loop.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from service.pipeline.decide import DAY_MS, decide
from service.pipeline.rules import RuleBook, Rules
from service.pipeline.score import Scorer, checked
from service.pipeline.words import CompiledLists, compile_lists
from service.records import (
    AuthorRecord,
    Comment,
    Draft,
    Facts,
    Outcome,
    Policy,
    Scored,
    Status,
    Verdict,
)
from service.store import Store
from service.store.comments import HOUR_MS
from service.store.past import Kept, Times

NEWEST: Final = 2000
SLICE: Final = 50
"""Comments decided in one go beside the event loop."""
READ: Final = 100
"""Comments read in one go."""
LONGEST_S: Final = 8.0
"""After which it stops: a policy may hold lists and patterns that take their time on each text."""
NAMED: Final = 100
"""Changed comments named at most."""
NEVER: Final[dict[Status, Times]] = {}

Human = Literal["approve", "refuse", "none"]
"""What people decided: nobody did, or approved, or rejected or marked as spam."""
Agreement = Literal["agrees", "asks", "publishes_refused", "refuses_approved"]
"""How a verdict stands to a human's decision; `asks`: it leaves it to a human."""


class Side(Struct, frozen=True, kw_only=True):
    """What one policy makes of the comments."""

    outcomes: dict[Outcome, int]
    hold_rate: float
    agreement: dict[Agreement, int]
    """Of the comments that a human decided."""


class Change(Struct, frozen=True, kw_only=True):
    """A comment that would go elsewhere."""

    id: str
    current: Outcome
    proposed: Outcome
    human: Human
    reasons: tuple[str, ...]
    """Codes of the proposed verdict's reasons."""


class Report(Struct, frozen=True, kw_only=True):
    """What the proposed policy would change."""

    comments: int
    """How many were looked at, the newest first; fewer than there are if it took too long."""
    decided: int
    """How many of them a human decided."""
    matrix: dict[Outcome, dict[Outcome, int]]
    """The current policy's outcome → the proposed one's → how many comments."""
    current: Side
    proposed: Side
    changed: int
    changes: list[Change]
    """The most telling first: against a human's decision, then with it, then the rest."""


class Case(Struct, frozen=True):
    """One comment with all that a verdict looks at, whatever the policy."""

    kept: Kept
    draft: Draft
    author: Mapping[Status, Times]
    """When the author's judged comments were written."""
    same_text: list[int]
    """When this text came, of the comments looked at, oldest first; shared by all of them."""
    place: int
    """Which of these this one is."""
    page_first_at: int | None


class Terms(Struct, frozen=True):
    """What comments are decided under."""

    rules: Rules
    policy: Policy
    lists: CompiledLists


class Judged(Struct, frozen=True):
    """One comment decided under both policies."""

    id: str
    human: Human
    current: Verdict
    proposed: Verdict


class Preview:
    """Looks back."""

    def __init__(self, store: Store, scorer: Scorer, rules: RuleBook) -> None:
        self._store = store
        self._scorer = scorer
        self._rules = rules
        self._turn = asyncio.Semaphore(1)

    async def of(self, site: str, policy: Policy, limit: int = NEWEST) -> Report:
        """What a (checked) policy would change on a site's newest comments.

        Raises:
            NotFound: there is no such site.
            Unavailable.
        """
        async with self._turn:  # it takes a core for a second: one after the other
            rules = await self._rules.refresh(site)
            lists = await asyncio.to_thread(compile_lists, policy, self._scorer.fold)
            current = Terms(rules, rules.policy, rules.lists)
            proposed = Terms(rules, policy, lists)
            judged: list[Judged] = []
            cases, clock = await self._read(site, limit), asyncio.get_running_loop().time
            deadline = clock() + LONGEST_S
            while cases and clock() < deadline:
                cut = [cases.pop() for _ in range(min(SLICE, len(cases)))]
                judged += await asyncio.to_thread(self._judged, cut, current, proposed)
            return report(judged)

    async def _read(self, site: str, limit: int) -> list[Case]:
        """The newest comments, oldest first."""
        ids = [place.id for place in await self._store.past.newest(site, limit)]
        kept: list[Kept] = []
        for i in range(0, len(ids), READ):
            kept += await self._store.past.comments(site, ids[i : i + READ])
        kept = sorted(
            (each for each in kept if each.comment.body and not each.comment.test),
            key=lambda each: each.comment.created_at,
        )
        emails, times = await self._authors(site, {each.comment.author for each in kept})
        pages = sorted({each.comment.page for each in kept})
        first_at = await self._store.past.first_at(site, pages)
        seen: dict[str, list[int]] = {}
        cases = []
        for each in kept:
            comment = each.comment
            same = seen.setdefault(comment.fingerprint, [])
            cases.append(
                Case(
                    each,
                    _draft(each, emails[comment.author]),
                    times.get(comment.author, NEVER),
                    same,
                    len(same),
                    first_at[comment.page],
                )
            )
            same.append(comment.created_at)
        return cases

    async def _authors(
        self, site: str, authors: set[str]
    ) -> tuple[dict[str, str], dict[str, dict[Status, Times]]]:
        """Every author's address, and the times of those who wrote more than once."""
        names = sorted(authors)
        emails: dict[str, str] = {}
        times: dict[str, dict[Status, Times]] = {}
        for i in range(0, len(names), READ):
            cut = names[i : i + READ]
            rows = await self._store.comments.authors(site, cut)
            emails |= {name: email for name, (_, email) in zip(cut, rows, strict=True)}
            again = [n for n, (r, _) in zip(cut, rows, strict=True) if _written(r) > 1]
            found = await asyncio.gather(*(self._store.past.times(site, n) for n in again))
            times |= dict(zip(again, found, strict=True))
        return emails, times

    def _judged(self, cases: Sequence[Case], current: Terms, proposed: Terms) -> list[Judged]:
        """Decides a slice under both policies; no comment is scored that has scores."""
        without = [each for each in cases if each.kept.comment.scores is None]
        fresh = self._scorer.first_stage([each.draft.body for each in without])
        scores = {e.kept.comment.id: s for e, s in zip(without, fresh, strict=True)}
        judged = []
        for each in cases:
            comment = each.kept.comment
            known = comment.scores or scores.get(comment.id)
            scored = checked(each.draft, known, comment.verdict.model)
            judged.append(
                Judged(
                    comment.id,
                    _human(each.kept),
                    _verdict(each, scored, current),
                    _verdict(each, scored, proposed),
                )
            )
        return judged


def _written(record: AuthorRecord) -> int:
    """How many comments an author has."""
    return record.approved + record.rejected + record.spam + record.pending


def _draft(kept: Kept, email: str) -> Draft:
    comment, private = kept.comment, kept.private
    return Draft(
        page=comment.page,
        name=comment.name,
        email=email,
        body=comment.body,
        url=comment.url,
        ip=private.ip,
        locale=comment.locale,
        elapsed_ms=private.elapsed_ms,
        honeypot=private.honeypot,
    )


def _verdict(case: Case, scored: Scored, terms: Terms) -> Verdict:
    """What a policy says, from what was known when the comment came."""
    comment, draft = case.kept.comment, case.draft
    at = comment.created_at
    policy = terms.policy
    bans = terms.rules.bans.matching(
        author_id=comment.author,
        email_domain=draft.email.rpartition("@")[2],
        ip=draft.ip,
        now=at,
    )
    window = policy.same_text.hours * HOUR_MS
    facts = Facts(
        draft=draft,
        scored=scored,
        author=_record(case, at, policy.rejection_rate.days * DAY_MS),
        bans=tuple(ban for ban in bans if ban.created_at <= at),
        same_text=case.place - bisect_left(case.same_text, at - window, 0, case.place),
        page_first_at=case.page_first_at,
        now=at,
    )
    return decide(facts, policy, terms.lists)


def _record(case: Case, at: int, window_ms: int) -> AuthorRecord:
    """The author's record as it was; judgements count from when their comment was written."""

    def before(status: Status, moment: int) -> int:
        found = case.author.get(status, Times())
        return found.older + bisect_left(found.at, moment)

    def recent(status: Status) -> int:
        return before(status, at) - before(status, at - window_ms)

    first = any(reason.code == "author.first" for reason in case.kept.comment.verdict.reasons)
    return AuthorRecord(
        approved=0 if first else before("approved", at),
        recent_approved=recent("approved"),
        recent_refused=recent("rejected") + recent("spam"),
    )


def _human(kept: Kept) -> Human:
    """What a human decided of this very text."""
    decision = kept.decision
    if decision is None or _edited_since(kept.comment, decision.at):
        return "none"
    if decision.after == "approved":
        return "approve"
    return "refuse" if decision.after in ("rejected", "spam") else "none"


def _edited_since(comment: Comment, at: int) -> bool:
    return comment.edited_at is not None and comment.edited_at > at


# ---------------------------------------------------------------------------- report


def report(judged: Sequence[Judged]) -> Report:
    """The figures of comments decided under both policies."""
    matrix: dict[Outcome, Counter[Outcome]] = {}
    for each in judged:
        matrix.setdefault(each.current.outcome, Counter())[each.proposed.outcome] += 1
    changed = [each for each in judged if each.current.outcome != each.proposed.outcome]
    return Report(
        comments=len(judged),
        decided=sum(each.human != "none" for each in judged),
        matrix={before: dict(after) for before, after in matrix.items()},
        current=_side((each.human, each.current.outcome) for each in judged),
        proposed=_side((each.human, each.proposed.outcome) for each in judged),
        changed=len(changed),
        changes=[_change(each) for each in sorted(changed, key=_telling)[:NAMED]],
    )


def _side(rows: Iterable[tuple[Human, Outcome]]) -> Side:
    found = list(rows)
    outcomes: Counter[Outcome] = Counter(outcome for _, outcome in found)
    return Side(
        outcomes=dict(outcomes),
        hold_rate=round(outcomes["hold"] / len(found), 4) if found else 0.0,
        agreement=dict(Counter(a for human, out in found if (a := agreement(human, out)))),
    )


def agreement(human: Human, outcome: Outcome) -> Agreement | None:
    """How a verdict stands to what a human decided; None where nobody did."""
    if human == "none":
        return None
    if outcome == "hold":
        return "asks"
    if (outcome == "approve") == (human == "approve"):
        return "agrees"
    return "publishes_refused" if outcome == "approve" else "refuses_approved"


def _telling(judged: Judged) -> int:
    found = agreement(judged.human, judged.proposed.outcome)
    order = ("publishes_refused", "refuses_approved", "agrees", "asks", None)
    return order.index(found)


def _change(judged: Judged) -> Change:
    return Change(
        id=judged.id,
        current=judged.current.outcome,
        proposed=judged.proposed.outcome,
        human=judged.human,
        reasons=tuple(dict.fromkeys(r.code for r in judged.proposed.reasons if not r.shadow)),
    )
