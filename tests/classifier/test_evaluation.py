"""A model is measured by set, language and group, on rows it never saw, and against another."""

import dataclasses
import gzip
import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from classifier import calibrate, dataset, load, report, tables
from classifier.card import card
from classifier.compare import compare, differences
from classifier.dataset import Corpus
from classifier.evaluation import (
    Choice,
    at_prior,
    elsewhere,
    evaluate,
    full_report,
    measure,
    prior_weights,
    score_all,
)
from classifier.evaluation import report as reported
from classifier.identities import named_groups
from classifier.labels import LABELS, column
from classifier.outside import Judged, judged
from classifier.probes import Probes
from classifier.scored import BLOGS, Scored, scored

TOXICITY, SPAM = column("toxicity"), column("spam")


def write(path, rows):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def model(tiny_model):
    return load(tiny_model)


@pytest.fixture(scope="module")
def rows(tiny_data, model):
    return scored(model, judged(tiny_data))


@pytest.fixture
def probes():
    """Few made-up rows, so that a test of the whole report is quick."""
    groups = ("women", "men")
    said = [(f"{g} are stupid fool number {n}", 1, g) for g in groups for n in range(12)]
    said += [(f"{g} make great music number {n}", 0, g) for g in groups for n in range(12)]
    return Probes(
        identities=[{"text": text, "label": label, "group": g} for text, label, g in said],
        dialects=[("you are a fool", "u r a fool", "informal", 1)] * 12,
        kinds=("capitals",),
        disguise=lambda text, kind, draw, words=None: text.upper(),
        innocents=["I live in Scunthorpe."],
    )


def made(scores, targets, *, sources="one", langs="en", texts=None):
    """Scored rows from columns, without a model; `targets` is of toxicity unless (n, 8)."""
    count = len(scores)
    columns = np.full((count, len(LABELS)), np.nan, np.float32)
    columns[:, TOXICITY] = targets
    corpus = Corpus(
        texts=texts or [f"text {n}" for n in range(count)],
        sources=np.broadcast_to(np.array(sources), count).astype(np.str_),
        langs=np.broadcast_to(np.array(langs), count).astype(np.str_),
        weights=np.ones(count, np.float32),
        targets=columns,
    )
    table = np.zeros((count, len(LABELS)))
    table[:, TOXICITY] = scores
    version = dataclasses.make_dataclass("Model", ["version"])("made")
    return Scored(version, Judged(corpus, named_groups(corpus.texts, corpus.langs)), table)


def noisy(count=600, noise=0.2, seed=1):
    draw = np.random.default_rng(seed)
    truth = (draw.random(count) < 0.4).astype(np.float64)
    return np.clip(0.3 + 0.4 * truth + draw.normal(0, noise, count), 0, 1), truth


# ------------------------------------------------------------------------------- figures


def test_the_figures_of_a_set_are_those_of_scikit_learn(model, tiny_data, rows):
    corpus = rows.judged.corpus
    found = measure(model, corpus, rounds=3, seed=0)
    scores = score_all(model, corpus.texts)
    assert {"jigsaw_subsample_multilabel", BLOGS} <= found.keys()
    for name, labels in found.items():
        mask = rows.sets()[name]
        for label, figures in labels.items():
            truth = corpus.targets[:, column(label)]
            used = mask & ~np.isnan(truth)
            pair = truth[used], scores[used, column(label)]
            assert figures["n"] == used.sum()
            assert figures["auc"][0] == pytest.approx(roc_auc_score(*pair), abs=1e-4)
            precision = average_precision_score(*pair)
            assert figures["average_precision"][0] == pytest.approx(precision, abs=1e-4)


def test_every_figure_carries_its_interval(rows):
    figures = measure(rows.model, rows.judged.corpus, rounds=20, seed=0)[BLOGS]["spam"]
    names = ("auc", "average_precision", "recall_at_1%", "recall_at_5%", "ece")
    for name in names:
        value, low, high = figures[name]
        assert low <= value <= high
    assert set(figures) == {"n", "positives", *names}


def test_only_rows_that_training_left_out_count(tiny_data, tiny_model, rows):
    dev = [e for e in dataset.read(tiny_data, seed=0) if e.part == "dev"]
    assert len(rows.judged) == len(dev)
    assert evaluate(tiny_model, tiny_data, rounds=2)["rows"] == len(dev)


def test_a_row_that_one_of_two_models_trained_on_does_not_count(tiny_data):
    one, two = (set(judged(tiny_data, seeds=[seed]).corpus.texts) for seed in (0, 1))
    both = set(judged(tiny_data, seeds=[0, 1]).corpus.texts)
    assert both == one & two
    assert both < one


def test_languages_and_groups_are_pooled_over_sets_and_made_up_rows_left_out():
    scores, truth = noisy(400)
    texts = ["a woman wrote this" if n % 2 else "nobody wrote this" for n in range(400)]
    sources = np.array(["one", "two", "two", "identity_templates"] * 100)
    langs = np.array(["en", "en", "de", "en"] * 100)
    rows = made(scores, truth, sources=sources, langs=langs, texts=texts)
    assert rows.languages()["en"].sum() == 200
    assert rows.languages()["de"].sum() == 100
    assert rows.identities()["gender: women"].sum() == 100
    assert set(rows.sets()) == {"one", "two", "identity_templates"}


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("Black people and a black car", {"race", "race: black"}),
        ("a black car, straight ahead, blind spot", set()),
        ("Muslims, Jews!", {"religion", "religion: muslim", "religion: jewish"}),
        ("the African-American author", {"race", "race: black", "nationality",
                                         "nationality: american"}),
        ("He is deaf.", {"disability", "disability: deaf"}),
    ],
)  # fmt: skip
def test_a_group_is_named_by_its_words_and_by_colours_only_next_to_people(text, groups):
    found = named_groups([text, text], np.array(["en", "tr"]))
    assert set(found) == groups
    assert all(mask.tolist() == [True, False] for mask in found.values())


# ---------------------------------------------------------------------- prior and elsewhere


def test_calibration_at_the_prior_weighs_rows_as_on_a_real_site(rows):
    weights = prior_weights(rows, "spam")
    scores, truth = rows.column("spam")
    used = weights > 0
    assert weights[truth == 1].sum() / weights[used].sum() == pytest.approx(0.2, abs=1e-6)
    found = at_prior(rows, Choice(rounds=5))
    gap = calibration_gap(scores[used], truth[used], weights[used])
    assert found["spam"]["ece"][0] == pytest.approx(gap, abs=1e-4)
    assert found["spam"]["share"] == calibrate.PRIORS["spam"].share
    assert "toxicity" not in found  # its own source is not in this folder


def calibration_gap(scores, truth, weights):
    bins = np.minimum((scores * 15).astype(int), 14)
    gaps = [abs((weights * (scores - truth))[bins == b].sum()) for b in range(15)]
    return sum(gaps) / weights.sum()


def test_spam_is_also_looked_for_where_one_in_a_hundred_other_comments_may_be_held():
    draw = np.random.default_rng(4)
    ham, spam = draw.random(500) * 0.5, draw.random(100)
    rows = made(np.zeros(600), np.nan, sources=["news"] * 500 + ["mails"] * 100)
    rows.scores[:, SPAM] = np.append(ham, spam)
    rows.judged.corpus.targets[500:, SPAM] = 1
    found = elsewhere(rows, Choice(rounds=50, references=("news", "absent")))
    value, low, high = found["news"]["mails"]["recall_at_1%"]
    limit = np.sort(ham)[-6]  # five of 500 lie above
    assert value == pytest.approx((spam > limit).mean())
    assert low <= value <= high
    assert set(found) == {"news"}


# -------------------------------------------------------------------------- other folders


def test_another_folder_is_measured_whole(tmp_path):
    write(tmp_path / "forum.jsonl", [{"text": f"row {n}", "label": n % 2} for n in range(50)])
    write(tmp_path / "more_spam.jsonl.gz", [{"text": f"buy {n}", "label": 1} for n in range(30)])
    (tmp_path / "notes.txt").write_text("no rows")
    found = judged(tmp_path).corpus
    assert len(found) == 80
    assert set(found.sources) == {"forum", "more_spam"}
    assert np.nansum(found.targets[:, TOXICITY]) == 25
    assert np.nansum(found.targets[:, SPAM]) == 30
    assert np.isnan(found.targets[:50, SPAM]).all()


def test_fields_named_like_labels_judge_and_a_plain_label_judges_what_is_asked_for(tmp_path):
    given = [
        {"text": "a", "label": 1, "insult": 0.7, "threat": None, "spam": False},
        {"text": "b", "label": "0", "profanity": "true", "toxicity": 0.2},
        {"text": "c", "note": "not judged"},
        {"text": "", "label": 1},
        {"label": 1},
    ]
    write(tmp_path / "x.jsonl", given)
    found = judged(tmp_path, label="identity_attack").corpus
    rows = [dict(zip(LABELS, row, strict=True)) for row in found.targets.tolist()]
    kept = [{label: v for label, v in row.items() if not np.isnan(v)} for row in rows]
    assert kept == [
        {"identity_attack": 1, "insult": 1, "spam": 0},
        {"identity_attack": 0, "profanity": 1, "toxicity": 0},
    ]


def test_language_and_identity_fields_make_slices(tmp_path):
    write(tmp_path / "x.jsonl", [
        {"text": "one", "label": 1, "lang": "pt", "identity": "aunts"},
        {"text": "two", "label": 0, "identity": ["aunts", "uncles"]},
        {"text": "a gay man", "label": 0},
    ])  # fmt: skip
    found = judged(tmp_path)
    assert found.corpus.langs.tolist() == ["pt", "en", "en"]
    assert found.identities["aunts"].tolist() == [True, True, False]
    assert found.identities["uncles"].tolist() == [False, True, False]
    assert found.identities["orientation: gay"].tolist() == [False, False, True]


def test_a_folder_without_labelled_rows_a_bad_line_and_a_wrong_label_are_refused(tmp_path):
    write(tmp_path / "x.jsonl", [{"text": "not judged"}])
    with pytest.raises(FileNotFoundError, match=r"jsonl\.gz"):
        judged(tmp_path)
    with pytest.raises(ValueError, match="'nice' is not one of"):
        judged(tmp_path, label="nice")
    (tmp_path / "x.jsonl").write_text('{"text": "a", "label": 1}\n{broken\n')
    with pytest.raises(ValueError, match="line 2"):
        judged(tmp_path)


# ------------------------------------------------------------------------------ comparison


def test_a_model_is_the_same_as_itself(tiny_model, tiny_data):
    found = compare(tiny_model, tiny_model, tiny_data, rounds=5)
    assert found["rows"] > 0
    for of in found["sets"].values():
        assert of["verdict"] == "same"
        assert all(f["auc"]["difference"] == [0, 0, 0] for f in of["labels"].values())


def test_a_better_model_is_told_from_a_worse_one():
    scores, truth = noisy(noise=0.2)
    good, bad = made(scores, truth), made(np.clip(scores + noisy(seed=9)[0] * 0.6, 0, 1), truth)
    assert differences(bad, good, rounds=100, seed=0)["sets"]["one"]["verdict"] == "better"
    worse = differences(good, bad, rounds=100, seed=0)["sets"]["one"]["labels"]["toxicity"]
    assert worse["verdict"] == "worse"
    drop = roc_auc_score(truth, bad.scores[:, TOXICITY]) - roc_auc_score(truth, scores)
    assert worse["auc"]["difference"][0] == pytest.approx(drop, abs=1e-4)


def test_a_paired_interval_is_narrower_than_those_of_the_models():
    scores, truth = noisy()
    near = np.clip(scores + np.random.default_rng(3).normal(0, 0.01, len(scores)), 0, 1)
    found = differences(made(scores, truth), made(near, truth), rounds=100, seed=0)
    _, low, high = found["sets"]["one"]["labels"]["toxicity"]["auc"]["difference"]
    alone = full_interval(scores, truth)
    assert high - low < (alone[2] - alone[1]) / 3


def full_interval(scores, truth):
    rows = made(scores, truth)
    return measure_made(rows)["one"]["toxicity"]["auc"]


def measure_made(rows):
    from classifier.evaluation import _figures

    return _figures(rows, rows.sets(), Choice(rounds=100))


# --------------------------------------------------------------------- report, card, files


def test_the_report_is_json_and_becomes_a_page_with_plots(rows, probes, tmp_path):
    found = {"version": "test-1"} | full_report(rows, Choice(rounds=5, probes=probes))
    written = report.write(tmp_path / "out", rows, found)
    names = {path.name for path in written}
    assert {"REPORT.md", "report.json", "reliability-spam.svg"} <= names
    assert names == {path.name for path in (tmp_path / "out").iterdir()}
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == found
    page = (tmp_path / "out" / "REPORT.md").read_text()
    titles = ("by set", "by language", "natural prior", "groups in made-up", "dialects", "Evasion")
    assert [title for title in titles if title not in page] == []
    assert "![precision-recall-spam](precision-recall-spam.svg)" in page


def test_the_card_tells_of_languages_few_examples_fairness_and_disguises(rows, probes):
    found = reported(rows.model, rows.judged.corpus, Choice(rounds=5, probes=probes))
    found["evasion"]["disguised"]["kinds"] = {"leet": [0.5, 0.4, 0.6]}
    found["languages"]["xx"] = {"toxicity": found["languages"]["en"]["toxicity"] | {
        "auc": [0.7, 0.6, 0.8], "positives": 30}}  # fmt: skip
    manifest = dataclasses.make_dataclass(
        "Manifest", ["version", "seed", "metrics", "data", "teacher"]
    )
    metrics = {"rows": {"dev": 1}, "dev": found["sets"]} | {
        name: part for name, part in found.items() if name not in ("rows", "sets")
    }
    train = rows.judged.corpus
    text = card(manifest("test-1", 0, metrics, {}, "encoder-1"), train)
    weak = text.partition("## Labels")[0]
    assert "Few examples to learn from" in weak
    assert "`threat`" in weak
    assert "xx (0.70)" in " ".join(weak.split())
    assert "leet (50%)" in " ".join(weak.split())
    assert "| xx | toxicity |" in text
    assert "| few examples |" in text
    for title in ("Figures by language", "Calibration at the natural prior", "Fairness: groups"):
        assert f"## {title}" in text


def test_what_has_too_few_rows_is_left_out_of_the_report(probes):
    empty = dataclasses.replace(probes, identities=[], dialects=[], innocents=[])
    rows = made(np.zeros(5), np.nan)
    rows = dataclasses.replace(rows, model=Silent())
    found = full_report(rows, Choice(rounds=2, probes=empty))
    assert (found["sets"], found["fairness"], found["at_prior"]) == ({}, {}, {})
    json.dumps(found, allow_nan=False)
    assert "##" not in "".join(tables.figures(found))


class Silent:
    """A model that finds nothing."""

    version = "silent"

    def score(self, texts):
        return np.zeros((len(texts), len(LABELS)), np.float32)


def test_a_card_needs_no_more_than_the_figures_by_set(rows):
    manifest = dataclasses.make_dataclass(
        "Manifest", ["version", "seed", "metrics", "data", "teacher"]
    )
    dev = measure(rows.model, rows.judged.corpus, rounds=2, seed=0)
    text = card(manifest("test-1", 0, {"dev": dev}, {}, ""), rows.judged.corpus)
    assert "## Figures by set" in text
    assert "## Evasion" not in text


def test_a_blocked_promotion_and_a_comparison_are_shown_first(rows, probes):
    found = {"version": "b"} | full_report(rows, Choice(rounds=2, probes=probes))
    found["against"] = differences(rows, rows, rounds=2, seed=0)
    found["gate"] = {"passed": False, "reasons": ["it is worse"]}
    page = report.text(found, [])
    assert "- it is worse" in page
    assert page.index("Compared with") < page.index("## Promotion") < page.index("## Figures")
    assert tables.gate({"passed": True, "reasons": []}).startswith("## Promotion")
