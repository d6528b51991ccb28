"""Figures of merit, from one pass over the scores in order (NumPy only).

All of them count tied scores together. Intervals are 95 % percentile bootstrap intervals
over rows (Efron 1979), from a seeded generator.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FALSE_HOLDS = (0.01, 0.05)  # false positive rates at which recall is given
_BINS = 15  # of the calibration error
_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Curve:
    """Counts of true and false positives at each distinct threshold, strictest first."""

    true: Floats
    false: Floats

    @property
    def auc(self) -> float:
        """Area under the ROC curve, 0..1; NaN with only one class."""
        if not self.true[-1] or not self.false[-1]:
            return float("nan")
        true = np.concatenate(([0.0], self.true)) / self.true[-1]
        false = np.concatenate(([0.0], self.false)) / self.false[-1]
        return float(np.trapezoid(true, false))

    @property
    def average_precision(self) -> float:
        """Sum of precision times gain in recall, 0..1."""
        gains = np.diff(np.concatenate(([0.0], self.true)))
        precision = self.true / np.maximum(self.true + self.false, 1e-12)
        return float((gains * precision).sum() / max(self.true[-1], 1e-12))

    def recall_at(self, rate: float) -> float:
        """Largest recall whose false positive rate is at most ``rate``."""
        allowed = self.false <= rate * self.false[-1]
        return float(self.true[allowed].max(initial=0.0) / max(self.true[-1], 1e-12))


def curve(scores: Floats, truth: Floats, weights: Floats | None = None) -> Curve:
    """The curve of ``scores`` against ``truth`` (0 or 1), optionally weighted."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    weights = np.ones(len(scores)) if weights is None else weights
    return _accumulate(truth[order], weights[order], _tie_ends(ordered))


def summary(scores: Floats, truth: Floats, *, rounds: int = 200, seed: int = 0) -> dict[str, Any]:
    """n, positives and each figure as ``[value, low, high]``."""
    order = np.argsort(-scores, kind="stable")
    ordered, truth = scores[order], truth[order]
    ends = _tie_ends(ordered)
    draw = np.random.default_rng(seed)
    value = _figures(_accumulate(truth, np.ones(len(truth)), ends))
    samples = []
    for _ in range(rounds):
        weights = np.bincount(draw.integers(0, len(truth), len(truth)), minlength=len(truth))
        samples.append(_figures(_accumulate(truth, weights.astype(np.float64), ends)))
    figures = {name: _interval(value[name], [s[name] for s in samples]) for name in value}
    ece = round(calibration_error(ordered, truth), 4)
    return {"n": len(truth), "positives": int(truth.sum()), **figures, "ece": ece}


def calibration_error(scores: Floats, truth: Floats, weights: Floats | None = None) -> float:
    """Expected calibration error over 15 equal-width bins (Naeini et al. 2015)."""
    weights = np.ones(len(scores)) if weights is None else weights
    bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    gap = np.bincount(bins, weights * (scores - truth), minlength=_BINS)
    return float(np.abs(gap).sum() / weights.sum())


def _tie_ends(ordered: Floats) -> NDArray[np.intp]:
    return np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))


def _accumulate(truth: Floats, weights: Floats, ends: NDArray[np.intp]) -> Curve:
    return Curve(np.cumsum(weights * truth)[ends], np.cumsum(weights * (1 - truth))[ends])


def _figures(found: Curve) -> dict[str, float]:
    recalls = {f"recall_at_{rate:.0%}": found.recall_at(rate) for rate in FALSE_HOLDS}
    return {"auc": found.auc, "average_precision": found.average_precision, **recalls}


def _interval(value: float, samples: list[float]) -> list[float]:
    finite = [s for s in samples if np.isfinite(s)] or [value]
    low, high = np.percentile(finite, _INTERVAL)
    return [round(value, 4), round(float(low), 4), round(float(high), 4)]
