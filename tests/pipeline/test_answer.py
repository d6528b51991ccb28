"""Requirements of `answer`: one question, is it spam?, from a verdict or a comment's standing."""

from __future__ import annotations

from typing import Any

import pytest

from service.pipeline.answer import SURE, Answer, of_standing, of_verdict
from service.records import Entry, Reason, Site, Status, StoredComment, Verdict
from tests.store.builders import build


def verdict(outcome: str, *reasons: Reason) -> Verdict:
    return Verdict(outcome=outcome, reasons=reasons, policy_version=1, model="m")  # type: ignore[arg-type]


SPAM = Reason("spam", "", "spam", 0.95)
HELD = Reason("spam", "", "hold", 0.6)
RUDE = Reason("toxicity", "", "hold", 0.9)


@pytest.mark.parametrize(
    ("given", "score", "answer"),
    [
        (verdict("approve"), 0.1, Answer(False)),
        (verdict("hold", RUDE), 0.1, Answer(False)),
        (verdict("hold", HELD), 0.6, Answer(True)),
        (verdict("approve", Reason("spam", "", "spam", 0.6, shadow=True)), 0.6, Answer(False)),
        (verdict("spam", SPAM), 0.95, Answer(True)),
        (verdict("spam", SPAM), SURE, Answer(True, sure=True)),
        (verdict("reject", Reason("list.block", "", "reject")), 0.1, Answer(True)),
        (verdict("reject", Reason("ban.ip", "", "reject")), 0.1, Answer(True, sure=True)),
        (verdict("hold", Reason("ban.ip", "", "hold")), 0.1, Answer(False)),
        (verdict("spam", SPAM, Reason("ban.ip", "", "hold")), 0.95, Answer(True)),
        (verdict("spam", Reason("signal.honeypot", "", "spam")), 0.1, Answer(True, sure=True)),
        (verdict("spam", Reason("signal.links", "", "spam")), 0.1, Answer(True)),
        (verdict("hold", Reason("signal.honeypot", "", "hold")), SURE, Answer(False)),
    ],
)
def test_of_a_verdict(given: Verdict, score: float, answer: Answer) -> None:
    assert of_verdict(given, {"spam": score}) == answer


def test_without_scores_nothing_is_sure_but_traps() -> None:
    assert of_verdict(verdict("spam", SPAM), None) == Answer(True)


@pytest.mark.parametrize(
    ("status", "by_human", "given", "answer"),
    [
        ("approved", False, verdict("approve"), Answer(False)),
        ("approved", True, verdict("spam", SPAM), Answer(False)),
        ("pending", False, verdict("hold", RUDE), Answer(False, waits=True)),
        ("pending", False, verdict("hold", HELD), Answer(True)),
        ("pending", True, verdict("hold", RUDE), Answer(False, waits=True)),
        ("spam", False, verdict("spam", SPAM), Answer(True, sure=True)),
        ("spam", True, verdict("spam", SPAM), Answer(True)),
        ("rejected", True, verdict("approve"), Answer(True)),
        ("erased", False, verdict("approve"), Answer(False)),
    ],
)
def test_of_how_a_comment_stands(
    status: Status, by_human: bool, given: Verdict, answer: Answer
) -> None:
    made: dict[str, Any] = {"verdict": given, "scores": {"spam": 1.0}}
    decision = Entry(version=2, at=0, actor="m", action="spam", after="spam") if by_human else None
    site = Site(id="blog", number=1)
    stored = StoredComment(comment=build(site, **made), status=status, version=1, decision=decision)
    assert of_standing(stored) == answer
