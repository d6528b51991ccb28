"""Every comment says which checks looked at it; one bad text costs only itself its scores."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

import classifier
from classifier import Classifier
from service.pipeline.checks import CHECKS, OUTCOMES, RESCORED, told
from service.pipeline.deadline import TookTooLong, deadline
from service.pipeline.decide import decide_text
from service.pipeline.reasons import REASONS
from service.pipeline.score import Scorer, load_second_stage
from service.pipeline.words import compile_lists
from service.records import Draft, Policy, Scored, Verdict

LATE = re.compile(r"(a+)+$")
SLOW = "a" * 40 + "!"
"""What `LATE` needs years for."""


class Moody(Classifier):
    """The shipped model; it fails on `poison`, and takes years over a long row of one letter."""

    def score(self, texts: Sequence[str], languages: Sequence[str | None] = ()) -> Any:
        for text in texts:
            if "poison" in text:
                raise ValueError("no")
            if text == SLOW:
                LATE.match(text)
        return super().score(texts, languages)


@pytest.fixture
def scorer() -> Scorer:
    model = classifier.load(classifier.default_artifact())
    model.__class__ = Moody
    return Scorer(model)


def draft(body: str, **more: Any) -> Draft:
    plain = {"email": "a@example.org", "ip": "203.0.113.9"} | more
    return Draft(page="https://news.example/a", name="A reader", body=body, **plain)


def judged(draft: Draft, scored: Scored) -> Verdict:
    return decide_text(draft, scored, Policy(), compile_lists(Policy()), now=0)


def counted(check: str, why: str) -> float:
    labels = {"check": check, "why": why}
    return REGISTRY.get_sample_value("winnow_checks_missed_total", labels) or 0.0


async def test_a_text_the_model_fails_on_costs_no_other_of_its_batch_its_scores(
    scorer: Scorer,
) -> None:
    before = counted("model", "failed")
    texts = [f"I agree with point {i}." for i in range(40)]
    texts[7] = texts[31] = "poison"
    found = await asyncio.gather(*(scorer.score(draft(text)) for text in texts))
    assert [i for i, one in enumerate(found) if one.scores is None] == [7, 31]
    assert [i for i, one in enumerate(found) if one.checks] == [7, 31]
    verdict = judged(draft("poison"), found[7])
    assert (verdict.outcome, verdict.reasons[0].code) == ("hold", "check.unavailable")
    assert told(verdict)["model"] == "failed"
    assert counted("model", "failed") == before + 2


async def test_a_text_that_takes_too_long_is_held_and_the_others_are_not(scorer: Scorer) -> None:
    scorer.patience_s = 0.3
    before, began = counted("model", "timeout"), time.monotonic()
    texts = [f"I agree with point {i}." for i in range(20)] + [SLOW]
    found = await asyncio.gather(*(scorer.score(draft(text)) for text in texts))
    assert time.monotonic() - began < 20
    assert [one.scores is None for one in found] == [False] * 20 + [True]
    verdict = judged(draft(SLOW), found[-1])
    assert (verdict.outcome, verdict.reasons[0].code) == ("hold", "check.timeout")
    assert verdict.checks == {"model": "timeout"}
    assert counted("model", "timeout") == before + 1
    again = await scorer.score(draft(texts[0]))
    assert again.scores == found[0].scores


async def test_signals_that_fail_hold_the_comment_and_keep_its_scores(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(given: Any) -> None:
        raise ValueError("no")

    monkeypatch.setattr(classifier, "examine", broken)
    scored = await scorer.score(draft("I agree."))
    assert scored.scores is not None
    verdict = judged(draft("I agree."), scored)
    assert (verdict.outcome, verdict.checks) == ("hold", {"signals": "failed"})


async def test_a_second_stage_that_is_missing_although_wanted_holds(
    scorer: Scorer, tmp_path: Any
) -> None:
    pytest.importorskip("onnxruntime")
    scorer.second = load_second_stage(tmp_path, tmp_path / "nothing here")
    scored = await scorer.score(draft("I agree."))
    assert scored.scores is not None
    verdict = judged(draft("I agree."), scored)
    assert [reason.code for reason in verdict.reasons] == ["check.second_stage"]
    assert told(verdict)["second_stage"] == "unavailable"


@pytest.mark.parametrize(
    ("missed", "code"),
    [
        ({"second_stage": "unavailable"}, "check.second_stage"),
        ({"second_stage": "failed"}, "check.second_stage"),
        ({"second_stage": "full"}, None),
        ({"second_stage": "late"}, None),
        ({"second_stage": "unreadable"}, None),
        ({"signals": "timeout"}, "check.timeout"),
        ({}, None),
    ],
)
def test_under_load_the_first_stage_stands_alone_and_otherwise_a_human_looks(
    missed: dict[str, str], code: str | None
) -> None:
    scored = Scored(scores={"spam": 0.01}, model="m", checks=missed)
    verdict = judged(draft("I agree."), scored)
    assert [reason.code for reason in verdict.reasons] == ([code] if code else [])
    assert told(verdict) | missed == told(verdict)


def test_what_runs_as_it_should_costs_nothing() -> None:
    plain = Verdict(outcome="approve", reasons=(), policy_version=1, model="m")
    size = len(msgspec.msgpack.encode(plain))
    spelt = msgspec.structs.replace(plain, checks={"model": "ran", "signals": "ran"})
    late = msgspec.structs.replace(plain, checks={"second_stage": "late"})
    assert b"checks" not in msgspec.msgpack.encode(plain)
    assert len(msgspec.msgpack.encode(spelt)) == size + 30
    assert len(msgspec.msgpack.encode(late)) == size + 26
    assert set(told(plain)) == set(CHECKS)


def test_a_verdict_of_an_earlier_release_and_an_import_tell_their_checks() -> None:
    plain = Verdict(outcome="hold", reasons=(), policy_version=1, model="m+s")
    older = msgspec.structs.replace(plain, checks={"model": "ran", "signals": "ran"})
    assert set(told(older).values()) == {"ran"}
    imported = msgspec.structs.replace(plain, checks={"model": "skipped", "signals": "skipped"})
    assert set(told(imported).values()) == {"skipped"}


def test_every_reason_for_holding_is_one_that_moderators_know() -> None:
    assert set(RESCORED) <= set(REASONS)
    assert "ran" in OUTCOMES


def test_an_alarm_that_rings_too_late_hurts_nobody() -> None:
    for _ in range(200):
        with deadline(0.0005):
            pass
        time.sleep(0.0004)
    with pytest.raises(TookTooLong), deadline(0.05):
        LATE.match(SLOW)
