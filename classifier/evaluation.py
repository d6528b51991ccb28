"""Measuring a model on the rows that its training left out."""

from pathlib import Path
from typing import Any

import numpy as np

from classifier import dataset
from classifier.dataset import Corpus
from classifier.labels import LABELS
from classifier.metrics import summary
from classifier.model import Classifier, Scores, load

_FEWEST = 20  # rows of each class below which a figure says nothing
BLOGS = "held-out blogs"  # approved and rejected comments of unseen blogs, taken together


def evaluate(
    artifact: Path, data: Path, *, seed: int | None = None, rounds: int = 200
) -> dict[str, Any]:
    """Figures of the model in ``artifact`` on the dev rows of the folder ``data``.

    Returns ``{"version", "rows", "sets": {set: {label: {n, positives, auc, average_precision,
    recall_at_1%, recall_at_5%, ece}}}}``; figures are ``[value, low, high]``. ``seed`` must be
    the one the model was trained with (the default takes it from the manifest), or rows that
    training saw would count. ``ArtifactError`` for a bad model, ``FileNotFoundError`` for a
    folder without known sources.
    """
    model = load(artifact)
    seed = model.manifest.seed if seed is None else seed
    rows = dataset.corpus(e for e in dataset.read(data, seed=seed) if e.part == "dev")
    return {
        "version": model.version,
        "rows": len(rows),
        "sets": measure(model, rows, rounds=rounds, seed=seed),
    }


def measure(model: Classifier, rows: Corpus, *, rounds: int, seed: int) -> dict[str, Any]:
    """Figures by set and label; sets and labels with too few rows of a class are left out."""
    scores = score_all(model, rows.texts)
    sets = {str(name): rows.sources == name for name in np.unique(rows.sources)}
    sets[BLOGS] = np.char.startswith(rows.sources, "blog")
    found = {name: _by_label(scores, rows, mask, rounds, seed) for name, mask in sets.items()}
    return {name: figures for name, figures in found.items() if figures}


def score_all(model: Classifier, texts: list[str]) -> Scores:
    """Scores of any number of texts, in batches that fit the processor's cache."""
    batches = [model.score(texts[first : first + 256]) for first in range(0, len(texts), 256)]
    return np.concatenate(batches) if batches else np.zeros((0, len(LABELS)), np.float32)


def _by_label(scores: Scores, rows: Corpus, mask: Any, rounds: int, seed: int) -> dict[str, Any]:
    figures = {}
    for place, label in enumerate(LABELS):
        used = mask & ~np.isnan(rows.targets[:, place])
        truth = rows.targets[used, place].astype(np.float64)
        if min(truth.sum(), (1 - truth).sum()) >= _FEWEST:
            values = scores[used, place].astype(np.float64)
            figures[label] = summary(values, truth, rounds=rounds, seed=seed)
    return figures
