"""Training is reproducible and what it writes can be loaded and measured."""

import json

import numpy as np
import pytest

from classifier import ArtifactError, evaluate, load, train
from classifier.labels import LABELS
from classifier.training import HEADS
from classifier.training import train as train_with_plan


def test_a_trained_model_loads_and_tells_the_classes_apart(tiny_model):
    model = load(tiny_model)
    scores = model.score(
        ["you stupid idiot moron fool", "cheap casino pills bonus", "thanks great music"]
    )
    toxicity, spam = LABELS.index("toxicity"), LABELS.index("spam")
    assert scores.shape == (3, 8)
    assert scores.dtype == np.float32
    assert scores[:, toxicity].argmax() == 0
    assert scores[:, spam].argmax() == 1
    assert model.version == "test-1"


def test_evaluation_reports_figures_with_intervals_on_rows_left_out(tiny_model, tiny_data):
    report = evaluate(tiny_model, tiny_data, rounds=10)
    figures = report["sets"]["held-out blogs"]["spam"]
    value, low, high = figures["auc"]
    assert report["version"] == "test-1"
    assert figures["n"] == 80
    assert 0.9 < low <= value <= high <= 1.0
    assert {"average_precision", "recall_at_1%", "recall_at_5%", "ece"} <= figures.keys()


def test_the_same_data_and_seed_give_the_same_model(tiny_model, tiny_data, tiny_plan, tmp_path):
    again = tmp_path / "again"
    train_with_plan(tiny_data, again, plan=tiny_plan)
    for name in ("weights.npy", "manifest.json", "CARD.md"):
        assert (again / name).read_bytes() == (tiny_model / name).read_bytes()


def test_training_reports_its_progress_stage_by_stage(tiny_data, tiny_plan, tmp_path):
    stages = []
    train_with_plan(
        tiny_data,
        tmp_path / "m",
        plan=tiny_plan,
        progress=lambda stage, share: stages.append(stage),
    )
    assert [s for i, s in enumerate(stages) if s not in stages[:i]] == [
        "read", "count", "fit general", *(f"fit {language}" for language in HEADS),
        "calibrate", "evaluate", "done",
    ]  # fmt: skip


def test_a_folder_without_known_sources_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"jsonl\.gz"):
        train(tmp_path, tmp_path / "m")


def test_a_new_model_replaces_an_older_one_whole(tiny_model, tiny_data, tiny_plan, tmp_path):
    out = tmp_path / "model"
    out.mkdir()
    (out / "stale.txt").write_text("old")
    train_with_plan(tiny_data, out, plan=tiny_plan)
    names = {path.name for path in out.iterdir()}
    assert names == {"CARD.md", "SHA256SUMS", "lexicon.tsv", "manifest.json", "weights.npy"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_card_names_every_source_with_its_licence(tiny_model, tiny_plan):
    card = (tiny_model / "CARD.md").read_text(encoding="utf-8")
    for source in tiny_plan.sources:
        assert source.name in card
        assert source.licence in card


def test_the_manifest_holds_data_fingerprints_and_metrics(tiny_model):
    manifest = json.loads((tiny_model / "manifest.json").read_bytes())
    assert set(manifest["data"]) == {
        "jigsaw_subsample_multilabel.jsonl.gz", "blog3_rejected.jsonl.gz",
        "blog3_approved.jsonl.gz",
    }  # fmt: skip
    assert manifest["metrics"]["rows"]["dev"] > 0


def test_a_missing_model_is_an_artifact_error(tmp_path):
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        load(tmp_path / "nowhere")
