"""A teacher softens what people judged, judges what they did not, and passages besides."""

import json

import numpy as np
import pytest

from classifier import semantic
from classifier.dataset import Corpus
from classifier.labels import LABELS, column
from classifier.teaching import taught
from classifier.training import train

SPAM, TOXICITY, INSULT = column("spam"), column("toxicity"), column("insult")
LONG = "one two three four five six seven eight nine ten " * 6


class Strict:
    """A teacher that takes whatever is told "you" for abuse, and knows no French."""

    version = "strict-1"

    def margins(self, texts):
        found = np.full((len(texts), len(LABELS)), -20.0, np.float32)
        for row, text in enumerate(texts):
            found[row, TOXICITY] = 20.0 if "you" in text else -20.0
            if "bonjour" in text:
                found[row] = np.nan
        return found


def rows(texts, langs=None, sources="forum"):
    targets = np.full((len(texts), len(LABELS)), np.nan, np.float32)
    targets[:, TOXICITY] = targets[:, SPAM] = 1.0
    return Corpus(
        texts=list(texts),
        sources=np.full(len(texts), sources),
        langs=np.array(langs or ["en"] * len(texts)),
        weights=np.full(len(texts), 0.2, np.float32),
        targets=targets,
    )


def taught_by(teacher, corpus, **options):
    return taught(corpus, teacher, **{"seed": 0, "tell": lambda *_: None, **options})


def test_a_judgement_is_halfway_between_peoples_and_the_teachers_but_for_spam():
    found = taught_by(Strict(), rows(["hello you", "hello all", "bonjour"]))
    assert found.targets[:, TOXICITY].tolist() == [1.0, 0.5, 1.0]
    assert found.targets[:, SPAM].tolist() == [1.0, 1.0, 1.0]


def test_what_nobody_judged_the_teacher_judges_and_what_neither_did_stays_out():
    found = taught_by(Strict(), rows(["hello you", "bonjour"])).targets[:, INSULT]
    assert found[0] == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(found[1])


def test_rows_in_other_languages_and_made_up_ones_are_not_asked_about():
    texts = ["hello all", "hallo alle"]
    assert taught_by(Strict(), rows(texts, ["en", "de"])).targets[:, TOXICITY].tolist() == [0.5, 1]
    made = taught_by(Strict(), rows(texts, sources="reactions"))
    assert made.targets[:, TOXICITY].tolist() == [1.0, 1.0]


def test_long_texts_are_followed_by_passages_of_them_that_weigh_less():
    corpus = rows([LONG, "too short"])
    found = taught_by(Strict(), corpus)
    assert len(found) == 3
    assert found.texts[:2] == corpus.texts
    assert found.texts[2] in LONG
    assert 6 <= len(found.texts[2].split()) <= 24
    assert found.weights[2] == 0.25
    assert found.targets[2, TOXICITY] == pytest.approx(0.0, abs=1e-6)


def test_the_same_seed_asks_the_same_and_tells_how_far_it_is():
    heard = []
    corpus = rows([LONG + str(n) for n in range(40)])
    first = taught_by(Strict(), corpus, tell=lambda stage, share: heard.append((stage, share)))
    assert first.texts == taught_by(Strict(), corpus).texts
    assert first.texts != taught_by(Strict(), corpus, seed=1).texts
    assert heard == [("teach", 0.0)]


@pytest.mark.skipif(
    bool(semantic.missing_packages()), reason="the extra is not installed: make semantic"
)
def test_a_model_taught_by_the_encoder_says_so_and_differs(
    tiny_model, tiny_data, tiny_plan, tmp_path, monkeypatch
):
    monkeypatch.setattr("classifier.teaching.TEXTS", 60)
    monkeypatch.setattr("classifier.teaching.PASSAGES", 20)
    encoder = semantic.load(cache=tmp_path / "cache")
    for name in ("once", "again"):
        train(tiny_data, tmp_path / name, plan=tiny_plan, teacher=encoder)
    once, again = (tmp_path / name / "weights.npy" for name in ("once", "again"))
    assert once.read_bytes() == again.read_bytes()
    assert once.read_bytes() != (tiny_model / "weights.npy").read_bytes()
    manifest = json.loads((tmp_path / "once" / "manifest.json").read_bytes())
    assert manifest["teacher"] == encoder.version
    assert "those of the encoder" in (tmp_path / "once" / "CARD.md").read_text(encoding="utf-8")
