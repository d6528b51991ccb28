"""Each stage alone and both together, measured on the rows that training left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import numpy as np

from classifier.labels import LABELS, column
from classifier.metrics import summary
from classifier.semantic.encoder import Encoder, log_odds, logistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    import classifier
    from classifier.dataset import Corpus, Example

MEASURED: Final = ("toxicity", "spam", "identity_attack")
BLOGS: Final = "held-out blogs"
_FEWEST: Final = 20  # rows of each class below which a figure says nothing
_ROUNDS: Final = 200  # bootstrap rounds


@dataclass(frozen=True, slots=True)
class Stages:
    """The two stages that are compared."""

    first: classifier.Classifier
    second: Encoder

    def scores(self, texts: list[str]) -> dict[str, NDArray[np.float32]]:
        """Probabilities of each stage alone and of both; the second alone is NaN beyond it."""
        first, second = self.first.score(texts), self.second.margins(texts)
        both = self.second.combine(log_odds(first), second)
        return {"first": first, "second": logistic(second), "both": both}


def sampled(examples: Iterable[Example], most: int) -> Iterator[Example]:
    """``most`` rows of each source, drawn by their text; blogs whole."""
    taken: Counter[str] = Counter()
    for example in sorted(examples, key=lambda e: crc32(e.text.encode("utf-8", "replace"))):
        taken[example.source] += 1
        if taken[example.source] <= most or example.source.startswith("blog"):
            yield example


def measure(stages: Stages, rows: Corpus) -> dict[str, Any]:
    """``{label: {set: {"n", "positives", stage: [auc, low, high]}, "mean": {stage: auc}}}``.

    Intervals are 95 % bootstrap intervals. The mean is over the sets.
    """
    scores = stages.scores(rows.texts)
    scores["second"] = np.nan_to_num(scores["second"], nan=0.5)
    sets = {str(name): rows.sources == name for name in np.unique(rows.sources)}
    sets[BLOGS] = np.char.startswith(rows.sources, "blog")
    return {label: _of_label(label, rows, sets, scores) for label in MEASURED}


def _of_label(label: str, rows: Corpus, sets: Any, scores: Any) -> dict[str, Any]:
    truth = rows.targets[:, column(label)].astype(np.float64)
    found: dict[str, Any] = {}
    for name, mask in sets.items():
        used = mask & ~np.isnan(truth)
        if min(truth[used].sum(), (1 - truth[used]).sum()) >= _FEWEST:
            found[name] = _figures(label, truth[used], {s: v[used] for s, v in scores.items()})
    means = {stage: _mean(found, stage) for stage in scores} if found else {}
    return {**found, "mean": means}


def _figures(label: str, truth: NDArray[np.float64], scores: Any) -> dict[str, Any]:
    place = LABELS.index(label)
    areas = {
        stage: summary(values[:, place].astype(np.float64), truth, rounds=_ROUNDS)["auc"]
        for stage, values in scores.items()
    }
    return {"n": len(truth), "positives": int(truth.sum()), **areas}


def _mean(found: dict[str, Any], stage: str) -> float:
    return round(float(np.mean([figures[stage][0] for figures in found.values()])), 4)
