"""A tiny world for the classifier's tests: generated data and a model trained on it."""

import gzip
import json
import random
from pathlib import Path

import pytest

from classifier import Classifier, default_artifact, load
from classifier.features import Shape
from classifier.sources import SOURCES
from classifier.training import Plan, train

_FRIENDLY = [
    "thanks",
    "build",
    "works",
    "great",
    "article",
    "nice",
    "weather",
    "garden",
    "release",
    "music",
    "friend",
]
_RUDE = ["stupid", "idiot", "moron", "fool", "pathetic", "loser", "trash", "disgusting"]
_SPAM = ["casino", "viagra", "cheap", "pills", "bonus", "loans", "discount"]


def _sentence(words, draw):
    filler = [f"word{draw.randrange(400)}" for _ in range(4)]
    chosen = [draw.choice(words) for _ in range(4)]
    mixed = filler + chosen
    draw.shuffle(mixed)
    return " ".join(mixed)


def _write(folder: Path, name: str, rows: list[dict]) -> None:
    with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")


def _jigsaw_row(draw):
    toxic = draw.random() < 0.4
    row = {"text": _sentence(_RUDE if toxic else _FRIENDLY, draw), "label": int(toxic)}
    names = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
    return (
        row | {name: int(toxic and draw.random() < 0.7) for name in names} | {"toxic": int(toxic)}
    )


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    draw = random.Random(1)
    _write(folder, "jigsaw_subsample_multilabel", [_jigsaw_row(draw) for _ in range(900)])
    spam = [{"text": _sentence(_SPAM, draw), "label": 1, "blog": "a"} for _ in range(300)]
    ham = [{"text": _sentence(_FRIENDLY, draw), "label": 0, "blog": "a"} for _ in range(300)]
    held = [row | {"blog": "binfalse.de"} for row in spam[:40]]
    _write(folder, "blog3_rejected", spam[40:] + held)
    held = [row | {"blog": "binfalse.de"} for row in ham[:40]]
    _write(folder, "blog3_approved", ham[40:] + held)
    return folder


@pytest.fixture(scope="session")
def tiny_plan():
    names = ("jigsaw_subsample_multilabel", "blog3_rejected", "blog3_approved")
    sources = tuple(source for source in SOURCES if source.name in names)
    return Plan(version="test-1", shape=Shape(12, 11), sources=sources, rounds=5)


@pytest.fixture(scope="session")
def tiny_model(tiny_data, tiny_plan, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "tiny"
    train(tiny_data, out, plan=tiny_plan)
    return out


@pytest.fixture(scope="session")
def shipped() -> Classifier:
    return load(default_artifact())
