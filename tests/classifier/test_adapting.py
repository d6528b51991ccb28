"""A model takes on what one site decided, where that helps, and stays a model like any other."""

import random

import numpy as np
import pytest

from classifier import ArtifactError, adapt, default_artifact, load
from classifier.adapting import FEWEST, Judgement
from classifier.labels import column

LOCAL = ["zorbing", "flumpet", "quandle"]  # words that mean spam on this site and nowhere else
PLAIN = ["garden", "bread", "window", "train", "music"]
SENTENCE = "the weather was fine and we walked along the river with our old friends today"
FILLER = SENTENCE.split()


def judged(count, *, seed=1, label="spam", flip=False):
    """Decisions that follow the site's own words."""
    draw = random.Random(seed)
    rows = []
    for at in range(count):
        spam = at % 2 == 0
        word = draw.choice(LOCAL if spam else PLAIN)
        words = [*draw.sample(FILLER, 8), word, draw.choice(FILLER)]
        draw.shuffle(words)
        rows.append(Judgement(" ".join(words), {label: float(spam != flip)}, at))
    return rows


def texts(seed):
    return [row.text for row in judged(200, seed=seed)]


def spam_scores(folder, rows):
    return load(folder).score(rows)[:, column("spam")]


def test_what_a_site_decided_is_learnt_and_holds_for_new_texts(tiny_model, tmp_path):
    (learnt,) = adapt(tiny_model, judged(400), tmp_path / "out", name="blog")
    assert learnt.kept
    assert learnt.after["log_loss"] < learnt.before["log_loss"]
    assert learnt.after["auc"] > 0.95 > learnt.before["auc"]
    fresh = spam_scores(tmp_path / "out", texts(seed=2))
    assert np.median(fresh[::2]) > 0.7 > 0.3 > np.median(fresh[1::2])


def test_labels_that_were_not_judged_score_as_before(tiny_model, tmp_path):
    adapt(tiny_model, judged(400), tmp_path / "out", name="blog")
    before, after = load(tiny_model).score(texts(3)), load(tmp_path / "out").score(texts(3))
    others = [k for k in range(before.shape[1]) if k != column("spam")]
    assert np.array_equal(before[:, others], after[:, others])


def test_the_adapted_model_explains_itself_exactly(tiny_model, tmp_path):
    adapt(tiny_model, judged(400), tmp_path / "out", name="blog")
    model, text = load(tmp_path / "out"), texts(4)[0]
    found = model.explain(text, "spam")
    total = found.bias - found.penalty + sum(token.weight for token in found.tokens)
    assert total == pytest.approx(found.margin, abs=1e-4)
    strongest = max(found.tokens, key=lambda token: token.weight)
    assert text[strongest.start : strongest.end] in LOCAL


def test_the_same_decisions_give_the_same_model(tiny_model, tmp_path):
    rows = judged(300)
    adapt(tiny_model, rows, tmp_path / "a", name="blog")
    adapt(tiny_model, reversed(rows), tmp_path / "b", name="blog")
    assert (tmp_path / "a" / "SHA256SUMS").read_bytes() == (
        tmp_path / "b" / "SHA256SUMS"
    ).read_bytes()


def test_the_version_and_the_card_tell_what_was_added(tiny_model, tmp_path):
    adapt(tiny_model, judged(300), tmp_path / "out", name="blog")
    assert load(tmp_path / "out").version == "test-1.blog"
    card = (tmp_path / "out" / "CARD.md").read_text()
    assert "| spam | general | 300 |" in card
    assert (tiny_model / "CARD.md").read_text() in card


@pytest.mark.parametrize("rows", [[], judged(2 * FEWEST - 2), judged(200, label="rudeness")])
def test_too_little_to_learn_from_writes_nothing(tiny_model, tmp_path, rows):
    report = adapt(tiny_model, rows, tmp_path / "out", name="blog")
    assert not any(learnt.kept for learnt in report)
    assert all("fewer than 30" in learnt.why for learnt in report)
    assert bool(report) == any("spam" in row.labels for row in rows)
    assert not (tmp_path / "out").exists()


def test_what_does_not_help_on_the_newest_decisions_is_not_used(tiny_model, tmp_path):
    older = judged(300)
    newer = [Judgement(r.text, r.labels, r.at + 1000) for r in judged(75, seed=9, flip=True)]
    (learnt,) = adapt(tiny_model, [*older, *newer], tmp_path / "out", name="blog")
    assert not learnt.kept
    assert "newest" in learnt.why
    assert not (tmp_path / "out").exists()


def test_a_later_decision_on_a_text_replaces_the_earlier(tiny_model, tmp_path):
    wrong = [Judgement(r.text, {"spam": 1 - r.labels["spam"]}, r.at - 1000) for r in judged(400)]
    (learnt,) = adapt(tiny_model, [*judged(400), *wrong], tmp_path / "out", name="blog")
    assert learnt.judged == 400
    assert learnt.kept


def test_one_template_cannot_fill_the_training(tiny_model, tmp_path):
    campaign = [
        Judgement(f"buy cheap zorbing shoes right now {n}", {"spam": 1.0}, n) for n in range(500)
    ]
    (learnt,) = adapt(tiny_model, [*judged(200), *campaign], tmp_path / "out", name="blog")
    assert learnt.judged <= 200 + 25


def test_a_label_is_learnt_by_the_head_that_scores_it(tmp_path):
    words = [
        "Bugün",
        "hava",
        "çok",
        "güzel",
        "ve",
        "biz",
        "parkta",
        "arkadaşlarla",
        "birlikte",
        "yürüdük",
    ]
    draw = random.Random(3)
    rows = []
    for at in range(200):
        bad = at % 2 == 0
        text = " ".join([*draw.sample(words, 8), draw.choice(LOCAL if bad else PLAIN)])
        rows.append(Judgement(text, {"toxicity": float(bad), "spam": float(bad)}, at))
    report = adapt(default_artifact(), rows, tmp_path / "out", name="blog")
    assert {(one.label, one.language) for one in report} == {
        ("toxicity", "tr"),
        ("spam", "general"),
    }
    assert all(one.judged == 200 for one in report)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ArtifactError):
        adapt(tmp_path, judged(100), tmp_path / "out", name="blog")
