"""The second stage refines scores, and steps back under load: no comment waits for it long."""

import asyncio

import numpy as np
import pytest
from prometheus_client import REGISTRY

import classifier
from classifier import semantic
from service.pipeline.score import Scorer, load_scorer, load_second_stage
from service.pipeline.second import SecondStage
from service.records import Draft

pytestmark = pytest.mark.skipif(
    bool(semantic.missing_packages()), reason="the extra is not installed: make semantic"
)

RUDE = "You are a pathetic idiot and nobody wants you here."


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def encoder(cache):
    return semantic.load(cache=cache)


@pytest.fixture(scope="module")
def model():
    return classifier.load(classifier.default_artifact())


def draft(body):
    return Draft(page="https://news.example/a", name="A reader", email="a@example.org", body=body)


def counted(outcome):
    sample = REGISTRY.get_sample_value("winnow_second_stage_total", {"outcome": outcome})
    return sample or 0.0


async def test_with_both_stages_the_scores_and_the_version_are_those_of_both(model, encoder):
    scored = await Scorer(model, second=SecondStage(encoder)).score(draft(RUDE))
    both = encoder.refine([RUDE], model.score([RUDE]))[0]
    assert scored.model == f"{model.version}+{encoder.version}"
    assert list(scored.scores.values()) == pytest.approx(both, abs=1e-4)


async def test_a_comment_beyond_the_encoder_keeps_the_first_stages_scores(model, encoder):
    before = counted("unreadable")
    text = "Спасибо за статью"
    scored = await Scorer(model, second=SecondStage(encoder)).score(draft(text))
    assert scored.model == model.version
    assert list(scored.scores.values()) == pytest.approx(
        model.score(["Спасибо за статью"])[0], abs=1e-4
    )
    assert counted("unreadable") == before + 1


async def test_a_full_line_is_not_made_longer(model, encoder):
    before = counted("read"), counted("full")
    scorer = Scorer(model, second=SecondStage(encoder, most_waiting=3, patience_s=30))
    found = await asyncio.gather(*(scorer.score(draft(f"{RUDE} {n}")) for n in range(10)))
    assert [s.model for s in found].count(model.version) == 7
    assert (counted("read"), counted("full")) == (before[0] + 3, before[1] + 7)
    again = await scorer.score(draft(RUDE))
    assert again.model.endswith(encoder.version)


async def test_nobody_waits_longer_than_the_patience(model, encoder):
    before = counted("late")
    scorer = Scorer(model, second=SecondStage(encoder, patience_s=0.001))
    scored = await scorer.score(draft(RUDE * 100))
    assert scored.model == model.version
    assert scored.scores is not None
    assert counted("late") == before + 1


async def test_an_encoder_that_fails_costs_no_comment_its_scores(model):
    class Failing:
        version = "broken"

        def refine(self, texts, scores):
            raise RuntimeError("no")

    before = counted("failed")
    scored = await Scorer(model, second=SecondStage(Failing())).score(draft(RUDE))
    assert list(scored.scores.values()) == pytest.approx(model.score([RUDE])[0], abs=1e-4)
    assert counted("failed") == before + 1


async def test_without_a_usable_encoder_the_first_stage_goes_on_alone(model, cache, tmp_path):
    before = counted("unavailable")
    second = load_second_stage(cache, tmp_path / "nothing here")
    scored = await Scorer(model, second=second).score(draft(RUDE))
    assert scored.model == model.version
    assert counted("unavailable") == before + 1


async def test_the_event_loop_turns_while_the_encoder_reads(model, encoder):
    scorer = Scorer(model, second=SecondStage(encoder, patience_s=30))
    reading = asyncio.ensure_future(scorer.score(draft(RUDE * 150)))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 20


def test_the_second_stage_is_off_unless_asked_for(cache):
    assert load_scorer("").second is None
    assert load_scorer("", semantic=True, cache=cache).second.version
    assert np.isfinite(load_scorer("").model.score(["ok"])).all()
