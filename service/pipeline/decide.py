"""Decide: what a site's policy concludes about one comment.

`RULES` is the policy, readable from top to bottom: each rule looks at the facts and returns the
reasons it adds. All of them run, so that a moderator sees every reason; `conclude` merges them in
one place: reject before spam before hold before approve. A rule in shadow adds reasons that only
say what it would have done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import isfinite
from typing import Final

import msgspec
from disposable_email_domains import blocklist

from service.pipeline import checks
from service.pipeline.bans import ascii_domain, matching_bans, parents
from service.pipeline.needles import see
from service.pipeline.reasons import LABELS, counting, describe, priority, public_reason
from service.pipeline.words import CompiledLists, Hit
from service.records import (
    AuthorRecord,
    Ban,
    Draft,
    Facts,
    Outcome,
    Policy,
    Reason,
    Scored,
    SignalRule,
    Strict,
    Threshold,
    Verdict,
)

__all__ = ["RULES", "conclude", "decide", "decide_text", "flips", "matching_bans", "public_reason"]

DAY_MS: Final = 86_400_000
SEVERITY: Final[tuple[Strict, ...]] = ("reject", "spam", "hold")
"""Outcomes from the strictest; approve is what remains."""
LIKELY: Final = ((0.9, "Very likely"), (0.7, "Likely"), (0.0, "Maybe"))
"""From which score on a detail says so; scores are calibrated probabilities."""
WORDS_NAMED: Final = 5
SPANS_MAX: Final = 50
DISPOSABLE: Final[set[str]] = blocklist
"""Domains of throw-away mail services (package disposable-email-domains, CC0)."""


def decide(facts: Facts, policy: Policy, lists: CompiledLists) -> Verdict:
    """The machine's verdict on one comment.

    Args:
        facts: all that is known of the comment, gathered beforehand.
        policy: the site's policy.
        lists: `compile_lists(policy)`, kept by the caller.
    """
    return conclude(facts, policy, (r for rule in RULES for r in rule(facts, policy, lists)))


def decide_text(
    draft: Draft,
    scored: Scored,
    policy: Policy,
    lists: CompiledLists,
    *,
    now: int,
    bans: tuple[Ban, ...] = (),
) -> Verdict:
    """The verdict on a text of which no author is known: as if by one neither new nor known."""
    authors = msgspec.structs.replace(policy.authors, hold_first=0, known_after=1000)
    author = AuthorRecord(approved=1)
    facts = Facts(draft=draft, scored=scored, author=author, bans=bans, now=now)
    return decide(facts, msgspec.structs.replace(policy, authors=authors), lists)


def conclude(facts: Facts, policy: Policy, reasons: Iterable[Reason]) -> Verdict:
    """The one place where reasons become a verdict."""
    every = tuple(sorted(reasons, key=_weight))
    counted = counting(every)
    found = {reason.outcome for reason in counted}
    outcome: Outcome = next((o for o in SEVERITY if o in found), "approve")
    return Verdict(
        outcome=outcome,
        reasons=every,
        policy_version=policy.version,
        model=facts.scored.model,
        priority=priority(counted, facts.scored.scores),
        hidden=any(ban.shadow for ban in facts.bans),
        checks=_missed(facts),
    )


def _weight(reason: Reason) -> tuple[bool, int, int]:
    """Strongest first: counting before shadow, then strictest outcome, then most urgent."""
    severity = SEVERITY.index(reason.outcome) if reason.outcome in SEVERITY else len(SEVERITY)
    return reason.shadow, severity, describe(reason.code).priority


def _missed(facts: Facts) -> dict[str, str]:
    return checks.missed(facts, unseen=_unseen(facts.scored.scores))


def flips(before: Verdict, after: Verdict) -> bool:
    """Whether a comment would now go elsewhere, or be hidden from its author or no longer."""
    return (before.outcome, before.hidden) != (after.outcome, after.hidden)


# ----------------------------------------------------------------------------- rules


def banned(facts: Facts, policy: Policy, lists: CompiledLists) -> Iterator[Reason]:
    """Bans of the site that match the author, address, domain or network."""
    for ban in facts.bans:
        yield Reason(f"ban.{ban.kind}", ban.reason or f"Banned {ban.kind}", ban.outcome)


def closed(facts: Facts, policy: Policy, lists: CompiledLists) -> Iterator[Reason]:
    """Pages close some days after their first comment."""
    rule = policy.closing
    if rule.days is None or facts.page_first_at is None:
        return
    age = (facts.now - facts.page_first_at) // DAY_MS
    if age >= rule.days:
        detail = f"First comment {age} days ago, closed after {rule.days}"
        yield Reason("page.closed", detail, rule.outcome, shadow=rule.shadow)


def unchecked(facts: Facts, policy: Policy, lists: CompiledLists) -> Iterator[Reason]:
    """Nothing is published that a check which should have seen it has not."""
    if reason := checks.holding(_missed(facts)):
        yield reason


def _unseen(scores: dict[str, float] | None) -> bool:
    return not scores or not all(map(isfinite, scores.values()))


def scored(facts: Facts, policy: Policy, lists: CompiledLists) -> Iterator[Reason]:
    """A score at or above its label's threshold; known authors may go a little higher."""
    scores = facts.scored.scores
    if not scores:
        return
    margin = policy.authors.known_margin if _is_known(facts, policy) else 0.0
    for label, rule in policy.thresholds.items():
        score = scores.get(label)
        if score is not None and (outcome := _crossed(rule, score, margin)):
            code, noun = LABELS.get(label, (f"signal.{label}", label))
            yield Reason(code, _likely(score, noun), outcome, round(score, 4), shadow=rule.shadow)


def _is_known(facts: Facts, policy: Policy) -> bool:
    rule, author = policy.authors, facts.author
    return not (rule.shadow or author.recent_refused) and author.approved >= rule.known_after


def _crossed(rule: Threshold | SignalRule, value: float, margin: float = 0.0) -> Strict | None:
    """The strictest outcome whose threshold `value` reaches; `margin` raises that of a hold."""
    if rule.reject is not None and value >= rule.reject:
        return "reject"
    if rule.spam is not None and value >= rule.spam:
        return "spam"
    if rule.hold is not None and value >= min(rule.hold + margin, 1.0):
        return "hold"
    return None


def _likely(score: float, noun: str) -> str:
    return next(f"{word} {noun}" for least, word in LIKELY if score >= least)


def newcomer(facts: Facts, policy: Policy, lists: CompiledLists) -> Iterator[Reason]:
    """The first comments of an author wait for a human."""
    rule, approved = policy.authors, facts.author.approved
    if approved >= rule.hold_first:
        return
    if approved == 0:
        yield Reason("author.first", "No approved comment by this author yet", shadow=rule.shadow)
    else:
        detail = f"{_count(approved, 'approved comment')}, {rule.hold_first} needed"
        yield Reason("author.new", detail, shadow=rule.shadow)


def often_refused(facts: Facts, policy: Policy, lists: CompiledLists) -> Iterator[Reason]:
    """Authors whose recent comments were mostly refused."""
    rule, refused = policy.rejection_rate, facts.author.recent_refused
    judged = refused + facts.author.recent_approved
    if not rule.enabled or judged < rule.at_least or refused <= rule.above * judged:
        return
    detail = f"{refused} of {_count(judged, 'comment')} refused within {rule.days} days"
    yield Reason("author.rejection_rate", detail, shadow=rule.shadow)


def linking(facts: Facts, policy: Policy, lists: CompiledLists) -> Iterator[Reason]:
    """More links than allowed."""
    rule, links = policy.links, facts.scored.links
    if rule.max is not None and links > rule.max:
        detail = f"{_count(links, 'link')}, {rule.max} allowed"
        yield Reason("links.too_many", detail, rule.outcome, shadow=rule.shadow)


def repeated(facts: Facts, policy: Policy, lists: CompiledLists) -> Iterator[Reason]:
    """The same text again, by whomever; `same_text` counts those before this one."""
    rule, earlier = policy.same_text, facts.same_text
    if rule.max is not None and earlier >= rule.max:
        detail = f"Posted {_count(earlier, 'time')} before within {rule.hours} hours"
        yield Reason("text.repeated", detail, rule.outcome, shadow=rule.shadow)


def throwaway(facts: Facts, policy: Policy, lists: CompiledLists) -> Iterator[Reason]:
    """Addresses of throw-away mail services, sub-domains included."""
    rule = policy.disposable_email
    if not rule.enabled:
        return
    for domain in parents(_domain(facts.draft.email)):
        if domain in DISPOSABLE:
            detail = f"Throw-away e-mail service {domain}"
            yield Reason("email.disposable", detail, rule.outcome, shadow=rule.shadow)
            return


def signalled(facts: Facts, policy: Policy, lists: CompiledLists) -> Iterator[Reason]:
    """Signals as strong as the policy minds; a rule for `links` counts for `links.hidden` too."""
    for signal in facts.scored.signals:
        rule = _signal_rule(signal.code, policy)
        if rule and (outcome := _crossed(rule, signal.strength)):
            code, spans = f"signal.{signal.code}", signal.spans
            yield Reason(code, signal.detail, outcome, spans=spans, shadow=rule.shadow)


def _signal_rule(code: str, policy: Policy) -> SignalRule | None:
    """The rule of the longest prefix."""
    while code and code not in policy.signals:
        code = code.rpartition(".")[0]
    return policy.signals.get(code)


def listed(facts: Facts, policy: Policy, lists: CompiledLists) -> Iterator[Reason]:
    """Words of the block list, in the body or the name, that no allowed word covers."""
    if not lists.block:
        return
    hits = lists.blocked(see(facts.draft.body), facts.scored.folded)
    hits += [hit._replace(spans=()) for hit in lists.blocked(see(facts.draft.name))]
    for outcome in SEVERITY:
        for shadow in (False, True):
            same = [h for h in hits if h.outcome == outcome and h.shadow == shadow]
            if same:
                yield _listed(same, outcome, shadow)


def _listed(hits: list[Hit], outcome: Strict, shadow: bool) -> Reason:
    """One reason for many words, so that a long list cannot bury the others."""
    words = list(dict.fromkeys(hit.text for hit in hits))
    named = ", ".join(f"“{word}”" for word in words[:WORDS_NAMED])
    more = f" and {len(words) - WORDS_NAMED} more" if len(words) > WORDS_NAMED else ""
    spans = tuple(sorted({span for hit in hits for span in hit.spans})[:SPANS_MAX])
    return Reason("list.block", f"On the block list: {named}{more}", outcome, None, spans, shadow)


def patterned(facts: Facts, policy: Policy, lists: CompiledLists) -> Iterator[Reason]:
    """The site's own patterns."""
    if not lists.batches:
        return
    for hit in lists.matched(see(facts.draft.body)):
        detail = hit.entry.detail or f"Matches pattern {hit.place + 1}"
        shadow = hit.entry.shadow
        yield Reason("list.pattern", detail, hit.entry.outcome, None, hit.spans, shadow)


Rule = Callable[[Facts, Policy, CompiledLists], Iterable[Reason]]

RULES: Final[tuple[Rule, ...]] = (
    banned,
    closed,
    unchecked,
    scored,
    newcomer,
    often_refused,
    linking,
    repeated,
    throwaway,
    signalled,
    listed,
    patterned,
)
"""The policy."""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _domain(email: str) -> str:
    return ascii_domain(email.rpartition("@")[2])
