"""Disguised abuse is measured against the same abuse as it was, innocents against the policy."""

import numpy as np
import pytest

from classifier.dataset import Corpus
from classifier.evasion import caught, innocents_held, kept
from classifier.labels import LABELS, column
from classifier.outside import Judged
from classifier.scored import scored

TOXICITY = column("toxicity")


class Words:
    """A model that knows one rude word and scores texts by their number besides."""

    version = "words"

    def score(self, texts):
        scores = np.zeros((len(texts), len(LABELS)), np.float32)
        scores[:, TOXICITY] = [0.5 * ("moron" in t) + 0.001 * (len(t) % 97) for t in texts]
        return scores

    def spans(self, text, label, limit=5):
        place = text.find("moron")
        return [(place, place + 5)] if place >= 0 else []


def rows(langs="en", source="forum"):
    texts = [f"you moron, number {n}" for n in range(40)]
    texts += [f"you fine person, number {n}" for n in range(300)]
    targets = np.full((340, len(LABELS)), np.nan, np.float32)
    targets[:, TOXICITY] = [n < 40 for n in range(340)]
    corpus = Corpus(
        texts=texts,
        sources=np.full(340, source),
        langs=np.full(340, langs),
        weights=np.ones(340, np.float32),
        targets=targets,
    )
    return scored(Words(), Judged(corpus, {}))


def disguised(text, kind, draw, words=None):
    for word in words or text.split():
        new = {"dots": ".".join(word), "coin": word if draw.random() < 0.5 else "m_", "no": word}
        text = text.replace(word, new[kind])
    return text


def test_texts_are_taken_that_the_model_catches_where_one_percent_of_their_set_is_held():
    found = caught(rows(), most=25)
    scores, truth = rows().column("toxicity")
    limit = np.sort(scores[truth == 0])[::-1][3]
    assert len(found) == 25
    assert all("moron" in text and at == limit for text, at in found)


def test_the_same_seed_takes_the_same_texts():
    assert caught(rows(), most=5, seed=3) == caught(rows(), most=5, seed=3)
    assert caught(rows(), most=5, seed=3) != caught(rows(), most=5, seed=4)


def test_other_languages_and_made_up_rows_are_not_taken():
    assert caught(rows(langs="tr")) == []
    assert caught(rows(source="identity_templates")) == []


def test_each_kind_of_disguise_tells_which_share_is_still_caught():
    found = kept(Words(), caught(rows()), ("no", "dots", "coin"), disguised)
    assert found["n"] == 40
    assert found["kinds"]["no"][0] == 1.0
    assert found["kinds"]["no"][1] > 0.9
    assert found["kinds"]["dots"][0] == 0.0
    value, low, high = found["kinds"]["coin"]
    assert low < value < high
    assert found == kept(Words(), caught(rows()), ("no", "dots", "coin"), disguised)


def test_only_the_words_that_tell_are_disguised():
    seen = []

    def spy(text, kind, draw, words=None):
        seen.append(words)
        return text

    kept(Words(), [("you moron moron", 0.4), ("nothing to see", 0.0)], ("no",), spy)
    assert seen == [["moron"], None]


def test_innocents_are_held_by_the_thresholds_given_and_named():
    texts = ["moron is the Greek for foolish", "a fine day", "a fine evening"]
    found = innocents_held(Words(), texts, {"toxicity": 0.5})
    assert (found["n"], found["texts"]) == (3, texts[:1])
    assert found["held"][0] == pytest.approx(1 / 3, abs=1e-4)
    assert innocents_held(Words(), texts, {})["held"][0] == 0.0
