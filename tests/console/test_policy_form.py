"""The policy as a form: nothing is lost on the way, and what is wrong is said at its field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from litestar.datastructures import FormMultiDict

from service.console.policy_form import PARTS, box, differences, filled, read
from service.console.room import Form
from service.records import (
    AllowEntry,
    AuthorRule,
    ClosingRule,
    LinkRule,
    PatternEntry,
    Policy,
    SignalRule,
    Threshold,
    WordEntry,
)

RICH = Policy(
    thresholds={"spam": Threshold(0.25, 0.5, 0.999, shadow=True), "insult": Threshold(reject=1.0)},
    authors=AuthorRule(hold_first=0, known_after=7, known_margin=0.123456789),
    links=LinkRule(max=None, outcome="spam", shadow=True),
    closing=ClosingRule(days=14),
    signals={"links.raw_ip": SignalRule(hold=0.0), "honeypot": SignalRule(spam=0.5)},
    block=(WordEntry("a => b"), WordEntry("cas*no", "wildcard", "spam", shadow=True)),
    allow=(AllowEntry("press"),),
    patterns=(PatternEntry("a+ # b", detail="d"),),
)


def form(values: dict[str, Any]) -> Form:
    return Form(FormMultiDict(values))


@pytest.mark.parametrize("policy", [Policy(), RICH])
def test_a_policy_that_goes_through_the_form_is_the_same(policy: Policy) -> None:
    found = read(form(filled(policy)))
    assert found.errors == {}
    assert found.policy == policy
    assert differences(policy, policy) == []


def test_the_form_has_a_field_for_everything_a_policy_says() -> None:
    named = {part.name for part in PARTS} | {"thresholds", "signals", "block", "allow", "patterns"}
    assert named | {"version"} == set(Policy.__struct_fields__)
    for part in PARTS:
        rule = getattr(Policy(), part.name)
        assert {knob.name for knob in part.knobs} == set(rule.__struct_fields__)
        for knob in part.knobs:
            assert box(part.name, knob.name).kind in ("tick", "pick", "number")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("links.max", "-1", "A whole number from 0 to 100, or nothing"),
        ("links.max", "2.5", "A whole number from 0 to 100, or nothing"),
        ("links.outcome", "explode", "Choose one"),
        ("authors.hold_first", "", "A whole number from 0 to 100"),
        ("limits.body_max", "10001", "A whole number from 1 to 10000"),
        ("thresholds.spam.hold", "1.5", "A number from 0 to 1, or nothing"),
        ("thresholds.spam.hold", "nan", "A number from 0 to 1, or nothing"),
        ("thresholds.spam.spam", "0.1", "A stricter outcome needs a threshold at least as high"),
        ("thresholds.wit.hold", "0.1", "There is no such label"),
        ("signals.<b>.hold", "0.1", "This is not the name of a signal or of a group of signals"),
        ("block", "one\n\none", "Line 3: this entry is in the list already."),
        ("block", "one => maybe", "Line 1: there is no option 'maybe'."),
        ("patterns", "ok\n(", "Line 2: "),
        ("patterns", ".*", "Line 1: this pattern matches every text."),
        ("allow", "***", "Line 1: nothing is left to look for."),
    ],
)
def test_a_wrong_value_is_named_at_its_field(field: str, value: str, said: str) -> None:
    found = read(form(filled(Policy()) | {field: value}))
    assert found.policy is None
    place = field if field in found.errors else field.rpartition(".")[0]
    assert list(found.errors) == [place]
    assert found.errors[place].startswith(said)


def test_every_wrong_field_is_named_at_once() -> None:
    found = read(form({}))
    assert {"authors.hold_first", "links.outcome", "limits.body_max"} <= set(found.errors)


def test_an_empty_row_is_no_rule() -> None:
    values = filled(Policy()) | {"thresholds.spam.hold": "", "thresholds.spam.spam": ""}
    found = read(form(values))
    assert found.policy is not None
    assert "spam" not in found.policy.thresholds


def test_differences_are_told_in_words() -> None:
    after = msgspec.structs.replace(
        Policy(),
        thresholds=Policy().thresholds | {"spam": Threshold(hold=0.4, spam=0.9)},
        links=LinkRule(max=None),
        block=(WordEntry("casino"),),
    )
    told = [tuple(each) for each in differences(Policy(), after)]
    assert told == [
        ("Links: links that are fine", "2", "none"),
        ("Spam: hold from", "0.5", "0.4"),
        ("Block list", "", "casino"),
    ]
