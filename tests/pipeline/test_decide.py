"""What a policy concludes, rule by rule, and what its authors and moderators are told."""

import ipaddress
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from service.pipeline.bans import CompiledBans
from service.pipeline.checks import told
from service.pipeline.decide import RULES, SEVERITY, conclude, decide, flips, matching_bans
from service.pipeline.policy import check_policy
from service.pipeline.reasons import LABELS, REASONS, TOLD, describe, public_reason
from service.pipeline.words import compile_lists
from service.records import (
    AuthorRecord,
    AuthorRule,
    Ban,
    ClosingRule,
    Draft,
    Facts,
    LinkRule,
    PatternEntry,
    Policy,
    Reason,
    RejectionRule,
    RepeatRule,
    Scored,
    Signal,
    SignalRule,
    Switch,
    Threshold,
    WordEntry,
)

DAY = 86_400_000
NOW = 1_790_000_000_000
QUIET = dict.fromkeys(LABELS, 0.01)
ESTABLISHED = AuthorRecord(approved=1)
KNOWN = AuthorRecord(approved=3, recent_approved=3)


def facts(*, body="Fine words.", name="A", email="a@example.org", scores=None, **changes) -> Facts:
    seen = {"links": changes.pop("links", 0), "signals": changes.pop("signals", ())}
    return Facts(
        draft=Draft(page="/", name=name, email=email, body=body),
        scored=Scored(scores={**QUIET, **(scores or {})}, folded=body.lower(), model="m", **seen),
        **{"author": ESTABLISHED, "now": NOW, **changes},
    )


def judge(policy=None, **changes):
    policy = policy or Policy()
    return decide(facts(**changes), policy, compile_lists(policy))


def codes(verdict):
    return [(reason.code, reason.outcome) for reason in verdict.reasons]


def test_a_quiet_comment_of_an_author_approved_once_is_approved():
    verdict = judge()
    assert (verdict.outcome, verdict.reasons, verdict.model) == ("approve", (), "m")
    assert verdict.checks == {"network": "no_ip"}
    assert told(verdict) == {
        "model": "ran",
        "second_stage": "off",
        "signals": "ran",
        "author": "ran",
        "network": "no_ip",
    }


def test_an_authors_first_comment_is_held():
    verdict = judge(author=AuthorRecord(pending=2, rejected=1))
    assert (verdict.outcome, codes(verdict)) == ("hold", [("author.first", "hold")])


@pytest.mark.parametrize(("approved", "outcome"), [(0, "hold"), (1, "hold"), (2, "approve")])
def test_an_author_is_held_until_enough_comments_are_approved(approved, outcome):
    policy = Policy(authors=AuthorRule(hold_first=2))
    assert judge(policy, author=AuthorRecord(approved=approved)).outcome == outcome


def test_a_policy_may_trust_newcomers():
    assert (
        judge(Policy(authors=AuthorRule(hold_first=0)), author=AuthorRecord()).outcome == "approve"
    )


def test_a_high_spam_score_goes_to_spam():
    assert judge(scores={"spam": 0.95}).outcome == "spam"
    assert judge(scores={"spam": 0.6}).outcome == "hold"


@pytest.mark.parametrize("label", [label for label in LABELS if label != "spam"])
def test_a_toxic_comment_is_held_and_never_rejected_by_the_machine(label):
    verdict = judge(scores={label: 1.0})
    assert codes(verdict) == [(LABELS[label][0], "hold")]
    assert verdict.reasons[0].score == 1.0


@pytest.mark.parametrize(
    ("score", "detail"),
    [(0.95, "Very likely insult"), (0.83, "Likely insult"), (0.6, "Maybe insult")],
)
def test_a_reason_says_how_likely_it_is(score, detail):
    assert judge(scores={"insult": score}).reasons[0].detail == detail


def test_a_known_author_may_score_a_little_higher():
    score = {"toxicity": 0.65}
    assert judge(scores=score, author=KNOWN).outcome == "approve"
    assert judge(scores=score, author=replace(KNOWN, recent_refused=1)).outcome == "hold"
    assert judge(scores=score, author=replace(KNOWN, approved=2)).outcome == "hold"


def test_no_margin_lets_a_certain_score_pass():
    policy = Policy(thresholds={"threat": Threshold(hold=0.95)})
    assert judge(policy, scores={"threat": 1.0}, author=KNOWN).outcome == "hold"


@pytest.mark.parametrize("scores", [None, {}, {"spam": float("nan")}])
def test_nothing_unseen_is_published(scores):
    unseen = replace(facts(author=KNOWN), scored=Scored(scores=scores))
    policy = Policy(thresholds={}, signals={}, authors=AuthorRule(hold_first=0))
    verdict = decide(unseen, policy, compile_lists(policy))
    assert (verdict.outcome, codes(verdict)) == ("hold", [("check.unavailable", "hold")])
    assert told(verdict)["model"] == "unavailable"
    assert verdict.priority < judge(author=AuthorRecord()).priority


def test_more_than_two_links_hold_and_the_reason_says_its_numbers():
    assert judge(links=2).outcome == "approve"
    verdict = judge(links=5)
    assert verdict.outcome == "hold"
    assert verdict.reasons[0].detail == "5 links, 2 allowed"
    assert judge(Policy(links=LinkRule(max=None)), links=99).outcome == "approve"


def test_the_sixth_comment_of_one_text_is_held_unless_the_policy_says_otherwise():
    assert judge(same_text=4).outcome == "approve"
    assert judge(same_text=5).outcome == "hold"
    assert judge(Policy(same_text=RepeatRule(max=1)), same_text=1).outcome == "hold"
    assert judge(Policy(same_text=RepeatRule(max=3)), same_text=2).outcome == "approve"
    assert judge(Policy(same_text=RepeatRule(max=None)), same_text=99).outcome == "approve"


@pytest.mark.parametrize("email", ["a@mailinator.com", "a@x.y.mailinator.com"])
def test_a_throw_away_address_is_held(email):
    assert codes(judge(email=email)) == [("email.disposable", "hold")]
    assert judge(Policy(disposable_email=Switch(enabled=False)), email=email).outcome == "approve"


def test_a_domain_that_only_begins_like_a_throw_away_one_is_fine():
    assert judge(email="a@mailinator.com.example.org").outcome == "approve"


@pytest.mark.parametrize(
    ("approved", "refused", "held"), [(0, 1, False), (2, 2, False), (1, 2, True)]
)
def test_an_author_mostly_refused_lately_is_held(approved, refused, held):
    author = AuthorRecord(approved=5, recent_approved=approved, recent_refused=refused)
    assert [c for c, _ in codes(judge(author=author))] == ["author.rejection_rate"] * held
    off = Policy(rejection_rate=RejectionRule(enabled=False))
    assert judge(off, author=author).outcome == "approve"


def test_a_page_closes_some_days_after_its_first_comment():
    policy = Policy(closing=ClosingRule(days=30))
    assert judge(policy, page_first_at=NOW - 30 * DAY + 1).outcome == "approve"
    assert judge(policy, page_first_at=None).outcome == "approve"
    verdict = judge(policy, page_first_at=NOW - 30 * DAY)
    assert verdict.outcome == "reject"
    assert public_reason(verdict) == "Comments on this page are closed."


def test_signals_count_by_their_code_or_the_longest_prefix():
    signals = (
        Signal("links.hidden", 0.9, "A hidden link", ((0, 4),)),
        Signal("shouting", 1.0, "!"),
    )
    policy = Policy(signals={"links": SignalRule(hold=0.5), "links.hidden": SignalRule(spam=0.9)})
    (reason,) = judge(policy, signals=signals).reasons
    assert (reason.code, reason.outcome, reason.spans) == ("signal.links.hidden", "spam", ((0, 4),))
    by_prefix = Policy(signals={"links": SignalRule(hold=0.5)})
    assert judge(by_prefix, signals=signals).outcome == "hold"


def test_a_filled_honeypot_is_spam_by_default():
    assert judge(signals=(Signal("honeypot", 1.0, "Filled"),)).outcome == "spam"


def test_blocked_words_are_named_in_one_reason_per_outcome():
    words = [WordEntry(f"bad{n}") for n in range(7)] + [WordEntry("worse", outcome="reject")]
    body = " ".join(word.text for word in words)
    rejecting, holding = judge(Policy(block=tuple(words)), body=body).reasons
    assert (rejecting.outcome, rejecting.detail) == ("reject", "On the block list: “worse”")
    assert holding.detail.endswith("“bad4” and 2 more")
    assert len(holding.spans) == 7


def test_blocked_words_in_the_name_count_without_spans():
    (reason,) = judge(Policy(block=(WordEntry("casino"),)), name="Best Casino").reasons
    assert (reason.code, reason.spans) == ("list.block", ())


def test_patterns_give_their_own_detail():
    policy = Policy(patterns=(PatternEntry("x{3}", "reject", "Three of them"), PatternEntry("x")))
    verdict = judge(policy, body="xxx")
    assert verdict.outcome == "reject"
    assert [r.detail for r in verdict.reasons] == ["Three of them", "Matches pattern 2"]


SHADOWED = Policy(
    thresholds={"spam": Threshold(hold=0.5, spam=0.9, shadow=True)},
    authors=AuthorRule(shadow=True),
    rejection_rate=RejectionRule(shadow=True),
    links=LinkRule(shadow=True),
    same_text=RepeatRule(shadow=True),
    disposable_email=Switch(shadow=True),
    closing=ClosingRule(days=1, shadow=True),
    signals={"honeypot": SignalRule(reject=0.5, shadow=True)},
    block=(WordEntry("fine", shadow=True),),
    patterns=(PatternEntry("words", shadow=True),),
)
EVERYTHING = {
    "email": "a@mailinator.com",
    "scores": {"spam": 0.99},
    "author": AuthorRecord(recent_refused=5),
    "links": 9,
    "signals": (Signal("honeypot", 1.0, "Filled"),),
    "same_text": 5,
    "page_first_at": 0,
}


def test_rules_in_shadow_only_report():
    verdict = judge(SHADOWED, **EVERYTHING)
    assert verdict.outcome == "approve"
    assert len(verdict.reasons) == 10
    assert all(reason.shadow for reason in verdict.reasons)


def test_all_rules_run_whatever_the_first_ones_found():
    policy = replace(Policy(), closing=ClosingRule(days=1), block=(WordEntry("fine"),))
    ban = Ban(id="1", kind="domain", value="mailinator.com")
    verdict = judge(policy, bans=(ban,), **EVERYTHING)
    assert verdict.outcome == "reject"
    assert [code for code, _ in codes(verdict)] == [
        "ban.domain",
        "page.closed",
        "spam",
        "signal.honeypot",
        "list.block",
        "author.rejection_rate",
        "links.too_many",
        "text.repeated",
        "email.disposable",
        "author.first",
    ]


def test_the_strongest_reason_is_listed_first_and_shadows_last():
    reasons = [
        Reason("ban", "d", "reject", shadow=True),
        Reason("author.first", "d"),
        Reason("toxicity.threat", "d"),
        Reason("spam", "d", "spam"),
    ]
    verdict = conclude(facts(), Policy(), reasons)
    assert [reason.code for reason in verdict.reasons] == [
        "spam",
        "toxicity.threat",
        "author.first",
        "ban",
    ]


_REASON = st.builds(
    Reason,
    st.sampled_from(sorted(REASONS)),
    st.just("d"),
    st.sampled_from(SEVERITY),
    shadow=st.booleans(),
)


@given(st.lists(_REASON, max_size=6))
def test_the_strictest_counting_reason_wins(reasons):
    verdict = conclude(facts(), Policy(), reasons)
    counted = [SEVERITY.index(r.outcome) for r in reasons if not r.shadow]
    assert verdict.outcome == (SEVERITY[min(counted)] if counted else "approve")
    assert sorted(verdict.reasons, key=str) == sorted(reasons, key=str)
    assert 0 <= verdict.priority <= 9
    assert public_reason(verdict)


_SCORES = st.dictionaries(st.sampled_from(sorted(LABELS)), st.floats(0, 1), min_size=1)


@given(_SCORES, st.integers(0, 9), st.integers(0, 5))
def test_one_more_point_of_score_never_makes_a_verdict_milder(scores, links, approved):
    order = [*reversed(SEVERITY)]
    author = AuthorRecord(approved=approved)
    mild = judge(scores=scores, links=links, author=author)
    hard = judge(scores=dict.fromkeys(scores, 1.0), links=links, author=author)
    rank = {outcome: place for place, outcome in enumerate(["approve", *order])}
    assert rank[hard.outcome] >= rank[mild.outcome]


def test_a_shadow_ban_hides_and_tells_its_author_nothing():
    ban = Ban(id="1", kind="author", value="x", shadow=True)
    verdict = judge(bans=(ban,))
    assert (verdict.outcome, verdict.hidden) == ("reject", True)
    assert public_reason(verdict) == TOLD["pending"]


def test_urgent_comments_come_first_and_quiet_newcomers_last():
    newcomer = AuthorRecord()
    order = [
        judge(scores={"threat": 0.9}, author=newcomer),
        judge(scores={"identity_attack": 0.9}),
        judge(scores={"insult": 0.9}, author=newcomer),
        judge(scores={"spam": 0.6}),
        judge(scores={"spam": 0.4}, author=newcomer),
        judge(author=newcomer),
    ]
    assert [verdict.priority for verdict in order] == [0, 1, 3, 5, 8, 9]


def test_the_public_sentence_reveals_no_rule():
    assert public_reason(judge(scores={"insult": 0.9})) == TOLD["pending"]
    assert public_reason(judge(scores={"spam": 0.99})) == TOLD["spam"]
    assert public_reason(judge()) == TOLD["approved"]
    assert "first comment" in public_reason(judge(author=AuthorRecord()))


def test_a_humans_decision_is_not_explained_by_the_machine():
    held = judge(author=AuthorRecord())
    assert public_reason(held, "rejected") == TOLD["rejected"]
    assert public_reason(held, "pending") == public_reason(held)


def test_every_reason_is_in_the_table():
    """Each label, ban and signal has an entry of its own or one it continues."""
    assert {code for code, _ in LABELS.values()} <= set(REASONS)
    assert describe("ban.cidr") is REASONS["ban"]
    assert describe("signal.links.hidden") is REASONS["signal"]
    priorities = [text.priority for text in REASONS.values()]
    assert priorities == sorted(priorities)


def test_every_rule_says_what_it_is_for():
    assert all(rule.__doc__ for rule in RULES)


def bans(*bans, author_id="author", email_domain="mail.example.org", ip="203.0.113.9", now=NOW):
    found = matching_bans(bans, author_id=author_id, email_domain=email_domain, ip=ip, now=now)
    return [ban.value for ban in found]


@pytest.mark.parametrize(
    ("kind", "value", "matches"),
    [
        ("author", "author", True),
        ("author", "other", False),
        ("address", "author", True),
        ("domain", "example.org", True),
        ("domain", "@Mail.Example.org", True),
        ("domain", "*.example.org", True),
        ("domain", "ample.org", False),
        ("ip", "203.0.113.9", True),
        ("ip", "::ffff:203.0.113.9", True),
        ("ip", "203.0.113.10", False),
        ("cidr", "203.0.113.0/24", True),
        ("cidr", "203.0.113.77/24", True),
        ("cidr", "::ffff:203.0.113.0/120", True),
        ("cidr", "2001:db8::/32", False),
        ("cidr", "::/0", False),
        ("cidr", "0.0.0.0/0", True),
        ("cidr", "nonsense", False),
        ("ip", "", False),
    ],
)
def test_a_ban_matches_what_it_names(kind, value, matches):
    assert bans(Ban(id="1", kind=kind, value=value)) == [value] * matches


def test_an_address_unknown_or_empty_matches_no_ban():
    everyone = Ban(id="1", kind="cidr", value="0.0.0.0/0")
    nobody = Ban(id="2", kind="author", value="")
    assert bans(everyone, nobody, ip="", author_id="") == []


def test_an_international_domain_is_banned_in_either_form():
    ban = Ban(id="1", kind="domain", value="müller.example")
    assert bans(ban, email_domain="xn--mller-kva.example") == ["müller.example"]
    ban = Ban(id="1", kind="domain", value="xn--mller-kva.example")
    assert bans(ban, email_domain="müller.example") == ["xn--mller-kva.example"]


def test_a_ban_ends_when_it_expires():
    ban = Ban(id="1", kind="author", value="author", expires_at=NOW)
    assert bans(ban, now=NOW - 1) == ["author"]
    assert bans(ban, now=NOW) == []


def test_a_flip_is_another_outcome_or_another_answer_to_the_author():
    assert flips(judge(), judge(links=9))
    assert not flips(judge(links=9), judge(links=8))


def test_the_default_policy_passes_its_own_check():
    check_policy(Policy())


def test_matches_are_in_the_order_of_the_bans_however_they_are_found():
    several = [
        Ban(id="1", kind="cidr", value="203.0.0.0/16"),
        Ban(id="2", kind="domain", value="example.org"),
        Ban(id="3", kind="ip", value="203.0.113.9"),
        Ban(id="4", kind="author", value="author"),
        Ban(id="5", kind="cidr", value="203.0.113.0/24"),
        Ban(id="6", kind="author", value="author"),
    ]
    assert bans(*several) == [ban.value for ban in several]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128), st.booleans())),
    st.tuples(st.integers(0, 2**128 - 1), st.booleans()),
)
def test_a_network_matches_exactly_the_addresses_inside_it(ranges, address):
    def network(number, prefix, four):
        kind, bits = (ipaddress.IPv4Network, 32) if four else (ipaddress.IPv6Network, 128)
        return kind((number >> (128 - bits), min(prefix, bits)), strict=False)

    networks = [network(*given) for given in ranges]
    asked = network(address[0], 128, address[1])
    compiled = CompiledBans(Ban(id="", kind="cidr", value=str(one)) for one in networks)
    inside = [str(n) for n in networks if n.version == asked.version and asked.subnet_of(n)]
    assert bans(*compiled, ip=str(asked.network_address)) == inside


def test_a_hundred_thousand_bans_cost_a_comment_microseconds():
    many = [Ban(id="", kind="domain", value=f"{i}.example") for i in range(40_000)]
    many += [Ban(id="", kind="author", value=f"a{i}") for i in range(30_000)]
    many += [Ban(id="", kind="ip", value=f"10.{i >> 8}.{i & 255}.1") for i in range(20_000)]
    many += [
        Ban(id="", kind="cidr", value=f"11.{i >> 8}.{i & 255}.0/{20 + i % 5}")
        for i in range(10_000)
    ]
    compiled = CompiledBans(many)
    begun = time.perf_counter()
    for i in range(1000):
        matching_bans(
            compiled, author_id=f"a{i}", email_domain="x.7.example", ip="10.0.7.1", now=NOW
        )
    assert time.perf_counter() - begun < 0.5
