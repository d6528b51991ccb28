"""How word lists and patterns read a comment, and which policies are refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Invalid
from service.pipeline.needles import LOOKS_MAX, see
from service.pipeline.policy import POLICY_CODES, check_policy
from service.pipeline.price import price
from service.pipeline.words import SPANS_MAX, PolicyError, compile_lists
from service.records import AllowEntry, PatternEntry, Policy, SignalRule, Threshold, WordEntry


def hits(text, *entries, match="word", allow=(), folded=""):
    block = tuple(WordEntry(entry, match=match) for entry in entries)
    lists = compile_lists(Policy(block=block, allow=tuple(AllowEntry(word) for word in allow)))
    return [(hit.text, hit.spans) for hit in lists.blocked(see(text), folded)]


def found(text, *entries, **options):
    return [text[a:b] for _, spans in hits(text, *entries, **options) for a, b in spans]


@pytest.mark.parametrize(
    ("entry", "match", "text", "expected"),
    [
        ("press", "exact", "WordPress presses", ["Press", "press"]),
        ("press", "word", "WordPress press, PRESS!", ["press", "PRESS"]),
        ("as", "word", "class as_is has", ["as"]),
        ("ёлка", "word", "Ёлка ёлками", ["Ёлка"]),
        ("हिन्दी", "word", "हिन्दी", ["हिन्दी"]),
        ("हिन्द", "word", "हिन्दी", []),
        ("傻瓜", "word", "你是傻瓜吗", ["傻瓜"]),
        ("spam", "word", "买spam吧", ["spam"]),
        ("buy now", "word", "Buy now!", ["Buy now"]),
        ("f*k", "wildcard", "fk folk Folk's funkier f-k", ["fk", "folk", "Folk"]),
        ("*gra", "wildcard", "viagra grapes", ["viagra"]),
        ("c.t*", "wildcard", "cat c.tx", ["c.tx"]),
        ("a", "word", "İİ a", ["a"]),
        ("ΛΟΓΟΣ", "word", "λόγος λογος", ["λογος"]),
        ("a|b", "exact", "xa|bx ab", ["a|b"]),
        ("aa", "exact", "aaa", ["aa", "aa"]),
    ],
)
def test_each_kind_of_entry_matches_what_it_says(entry, match, text, expected):
    assert found(text, entry, match=match) == expected


def test_invisible_characters_hide_nothing_and_spans_point_at_the_original():
    text = "x v\u200bia\u202egra y"
    assert hits(text, "viagra") == [("viagra", ((2, 10),))]


def test_a_disguised_word_is_found_in_the_folded_text_without_spans():
    assert hits("v.i.a.g.r.a", "viagra", folded="viagra") == [("viagra", ())]


def test_entries_are_folded_like_comments():
    lists = compile_lists(Policy(block=(WordEntry("l33t"),)), lambda t: t.replace("3", "e"))
    assert lists.blocked(see("nothing"), "leet") != []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("WordPress", []), ("WordPress press", ["press"]), ("wordpresss", ["press"])],
)
def test_a_blocked_word_inside_an_allowed_word_is_void(text, expected):
    assert found(text, "press", match="exact", allow=["WordPress"]) == expected


def test_the_allow_list_holds_for_the_folded_text_too():
    options = {"match": "exact", "allow": ["wordpress"], "folded": "wordpress"}
    assert hits("word\u00b7press", "press", **{**options, "folded": ""}) != []
    assert hits("W0rdpre55", "press", **options) == []


_WORD = st.text("abßİΣς*é中 ", min_size=1, max_size=5)


@given(st.lists(_WORD, max_size=6), st.text("abßİΣς é中.\u200b", max_size=30))
def test_spans_lie_within_the_text_and_every_exact_entry_is_found(entries, text):
    """One search for all entries never loses an entry that is there."""
    block = tuple(WordEntry(entry, match="exact") for entry in entries)
    found = compile_lists(Policy(block=block)).blocked(see(text))
    assert all(0 <= a < b <= len(text) for hit in found for a, b in hit.spans)
    visible = see(text).text
    there = {entry for entry in entries if entry.strip() and entry.strip() in visible}
    assert there <= {hit.text for hit in found}


def test_words_are_found_in_every_part_of_a_long_list():
    block = tuple(WordEntry(f"word{n:04}x", match="word") for n in range(2_500))
    lists = compile_lists(Policy(block=block))
    assert [hit.text for hit in lists.blocked(see("Word2499X word1700x word0000x"))] == [
        "word0000x",
        "word1700x",
        "word2499x",
    ]


def test_a_list_too_large_for_one_search_is_searched_in_parts():
    block = tuple(WordEntry(f"{n:04}" + "é" * 190) for n in range(2_000))
    lists = compile_lists(Policy(block=block))
    assert len(lists.searches) > 1
    assert [hit.text for hit in lists.blocked(see(block[1_999].text))] == [block[1_999].text]


def test_patterns_run_on_the_text_as_seen():
    entries = (PatternEntry(r"(?i)call\s+\d{3,}", outcome="spam"), PatternEntry("nothing"))
    (hit,) = compile_lists(Policy(patterns=entries)).matched(see("now CA\u200bLL 5551234"))
    assert (hit.place, hit.entry.outcome, hit.spans) == (0, "spam", ((4, 17),))


def test_patterns_may_share_group_names():
    entries = (PatternEntry("(?P<a>x)"), PatternEntry("(?P<a>y)"), PatternEntry("z"))
    hits = compile_lists(Policy(patterns=entries)).matched(see("x y z"))
    assert [hit.place for hit in hits] == [0, 1, 2]


def test_a_flag_of_one_pattern_does_not_leak_into_the_next():
    entries = (PatternEntry("(?i)one"), PatternEntry("two"))
    assert compile_lists(Policy(patterns=entries)).matched(see("TWO")) == []


def test_patterns_too_large_together_are_refused():
    entries = tuple(PatternEntry(rf"\pL{{1,30}}{n}end") for n in range(500))
    with pytest.raises(PolicyError) as caught:
        compile_lists(Policy(patterns=entries))
    assert [error.code for error in caught.value.errors] == ["too_costly"]


def test_patterns_that_do_not_fit_into_one_search_still_match():
    entries = tuple(PatternEntry(rf"\pL{{1,9}}{n}(?P<n>end)") for n in range(4))
    hits = compile_lists(Policy(patterns=entries)).matched(see("abc3end"))
    assert [hit.place for hit in hits] == [3]


def test_a_bad_pattern_is_named_with_re2s_own_words():
    policy = Policy(patterns=(PatternEntry("fine"), PatternEntry("(")))
    with pytest.raises(PolicyError) as caught:
        compile_lists(policy)
    (error,) = caught.value.errors
    assert (error.pointer, error.code) == ("/patterns/1/pattern", "invalid_pattern")
    assert "missing )" in error.detail


@given(st.text(max_size=40))
def test_any_pattern_compiles_or_is_refused(pattern):
    """Only PolicyError leaves, whatever is written into a pattern."""
    if pattern:
        try:
            compile_lists(Policy(patterns=(PatternEntry(pattern),)))
        except PolicyError as error:
            assert {e.code for e in error.errors} <= set(POLICY_CODES)  # noqa: PT017


def refusals(policy):
    """What both doors say of a policy; they must agree."""
    said = []
    for door in (check_policy, compile_lists):
        with pytest.raises(PolicyError) as caught:
            door(policy)
        said.append([(error.pointer, error.code) for error in caught.value.errors])
    assert said[0] == said[1]
    return said[0]


@pytest.mark.parametrize("name", ["block", "allow"])
def test_a_wildcard_re2_cannot_hold_is_refused_when_saved(name):
    entry = {"block": WordEntry, "allow": AllowEntry}[name]("x*" * 100, match="wildcard")
    policy = Policy(**{name: (entry,)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.pipeline.needles.PATTERN_MEMORY", 1 << 14)
        assert refusals(policy) == [(f"/{name}/0/text", "too_costly")]


def test_every_wildcard_accepted_can_be_searched():
    policy = Policy(block=(WordEntry("ab*" * 60, match="wildcard"),))
    check_policy(policy)
    assert compile_lists(policy).blocked(see("ab" * 60)) != []


def test_wildcards_too_large_together_are_refused():
    stars = "*a*b*c*d*e*f*g*h"
    block = tuple(WordEntry(f"{n:03}{stars}", match="wildcard") for n in range(561))
    ((pointer, code),) = refusals(Policy(block=block))
    assert (pointer.startswith("/block/"), code) == (True, "too_costly")


def test_a_thousand_plain_wildcards_are_accepted():
    check_policy(Policy(block=tuple(WordEntry(f"w{n}*x", match="wildcard") for n in range(1_000))))


@pytest.mark.parametrize("source", [r"[^x]{1,200}y", r"((a{0,30}){0,30})b", r"a[ab]{12}b[ab]{12}c"])
def test_patterns_that_would_stall_a_process_are_refused(source):
    patterns = tuple(PatternEntry(f"{source}{n}") for n in range(60))
    ((_, code),) = refusals(Policy(patterns=patterns))
    assert code == "too_costly"


@pytest.mark.parametrize(
    "source", [r"(?i)\bbuy%d\s+now\b", r"%d\d{3}-\d{4}", r"(?i)https?://[a-z0-9.-]+\.ru/%d"]
)
def test_a_hundred_ordinary_patterns_are_accepted(source):
    check_policy(Policy(patterns=tuple(PatternEntry(source % n) for n in range(100))))


@pytest.mark.parametrize(
    ("pattern", "cost"),
    [
        ("plain words|others", 0),
        (r"\d{3}-\d{4}", 7),
        (r"(?:[]a]\pL\p{Greek}){2}", 6),
        (r"\Q[a]{9}\E{2}", 2),
        (r"(abc){2,4}", 60),
        (r"[[:alpha:]-]{1,20}", 100),
    ],
)
def test_a_pattern_costs_what_its_repeats_add_up_to(pattern, cost):
    assert price(pattern) == cost


def test_a_text_of_nothing_but_hits_is_looked_at_only_so_far():
    entries = [WordEntry("a" * n, match="word") for n in range(1, 201)]
    (hit,) = compile_lists(Policy(block=tuple(entries))).blocked(see("a" * (LOOKS_MAX + 2)))
    assert (hit.text, hit.spans) == ("a", ())


def test_no_more_places_are_told_than_are_shown():
    ((_, spans),) = hits("a b " * 999, "a", allow=["c"])
    assert len(spans) == SPANS_MAX


def test_overlapping_allowed_words_do_not_join_into_one():
    assert found("abcd", "bc", match="exact", allow=["x", "abcd"]) == []
    lists = Policy(
        block=(WordEntry("bc", match="exact"),),
        allow=tuple(AllowEntry(w, match="exact") for w in ("ab", "cd", "abc")),
    )
    assert compile_lists(lists).blocked(see("abcd")) == []
    lists = msgspec.structs.replace(lists, allow=lists.allow[:2])
    assert compile_lists(lists).blocked(see("abcd")) != []


def test_the_default_policy_makes_sense():
    check_policy(Policy())


def test_everything_wrong_with_a_policy_is_told_at_once():
    policy = Policy(
        thresholds={"spam": Threshold(hold=0.9, spam=0.5), "love": Threshold(hold=0.5)},
        signals={"Links!": SignalRule(hold=0.5), "links": SignalRule(hold=0.5, reject=0.4)},
        block=(WordEntry("a"), WordEntry("A "), WordEntry("\u200b"), WordEntry("*")),
        allow=(AllowEntry("**", match="wildcard"),),
        patterns=(PatternEntry("a*"), PatternEntry("(?<=a)b"), PatternEntry("a*")),
    )
    with pytest.raises(Invalid) as caught:
        check_policy(policy)
    assert sorted((e.pointer, e.code) for e in caught.value.errors) == sorted(
        [
            ("/thresholds/spam/spam", "out_of_order"),
            ("/thresholds/love", "unknown_label"),
            ("/signals/Links!", "invalid_signal"),
            ("/signals/links/reject", "out_of_order"),
            ("/block/1/text", "duplicate"),
            ("/block/2/text", "empty"),
            ("/allow/0/text", "empty"),
            ("/patterns/0/pattern", "matches_everything"),
            ("/patterns/1/pattern", "invalid_pattern"),
            ("/patterns/2/pattern", "duplicate"),
            ("/patterns/2/pattern", "matches_everything"),
        ]
    )
    assert {e.code for e in caught.value.errors} <= set(POLICY_CODES)


def test_a_policy_survives_json():
    policy = Policy(block=(WordEntry("x"),))
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy
