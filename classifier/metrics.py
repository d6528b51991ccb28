"""Figures of merit, from one pass over the scores in order (NumPy only).

All of them count tied scores together. Intervals are 95 % percentile bootstrap intervals
over rows (Efron 1979), from a seeded generator. Rows are drawn by their place in the input,
so that two models measured on the same rows with one seed are resampled alike: the
difference of their samples is the paired bootstrap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Sampled = dict[str, tuple[float, Floats]]

FALSE_HOLDS = (0.01, 0.05)  # false positive rates at which recall is given
BINS = 15  # of the calibration error
_INTERVAL = (2.5, 97.5)
_AT_ONCE = 1 << 18  # resampled rows worked on together: a few MiB, so that they stay in cache
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Curve:
    """Counts of true and false positives at each distinct threshold, strictest first."""

    true: Floats
    false: Floats

    @property
    def auc(self) -> float:
        """Area under the ROC curve, 0..1; NaN with only one class."""
        return float(areas(self.true[None], self.false[None])[0])

    @property
    def average_precision(self) -> float:
        """Sum of precision times gain in recall, 0..1."""
        return float(_average_precisions(self.true[None], self.false[None])[0])

    def recall_at(self, rate: float) -> float:
        """Largest recall whose false positive rate is at most ``rate``."""
        return float(_recalls(self.true[None], self.false[None], rate)[0])


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows in falling order of score; ``places`` tells each input row's place in it."""

    scores: Floats
    truth: Floats
    weights: Floats
    places: Places
    ends: Places

    def resampled(self, draws: Places) -> Floats:
        """Weights (rounds, rows) in falling order, from drawn input rows (rounds, rows)."""
        return counts_of(self.places[draws]) * self.weights

    def curves(self, weights: Floats) -> tuple[Floats, Floats]:
        """True and false positives (rounds, thresholds) under weights (rounds, rows)."""
        true = np.cumsum(weights * self.truth, axis=1)[:, self.ends]
        return true, np.cumsum(weights, axis=1)[:, self.ends] - true

    def figures(self, weights: Floats) -> dict[str, Floats]:
        """Each figure (rounds,) under weights (rounds, rows)."""
        true, false = self.curves(weights)
        recalls = {f"recall_at_{rate:.0%}": _recalls(true, false, rate) for rate in FALSE_HOLDS}
        return {
            "auc": areas(true, false),
            "average_precision": _average_precisions(true, false),
            **recalls,
            "ece": self._calibration_errors(weights),
        }

    def _calibration_errors(self, weights: Floats) -> Floats:
        bins = _bins(self.scores)
        starts = np.flatnonzero(np.append(True, bins[1:] != bins[:-1]))
        gaps = np.add.reduceat(weights * (self.scores - self.truth), starts, axis=1)
        return np.asarray(np.abs(gaps).sum(1) / np.maximum(weights.sum(1), _TINY), np.float64)


def ranked(scores: Floats, truth: Floats, weights: Floats | None = None) -> Ranked:
    """The rows in order; ``weights`` multiply whatever a resampling draws (default 1)."""
    order = np.argsort(-scores, kind="stable")
    places = np.empty(len(order), np.intp)
    places[order] = np.arange(len(order))
    weights = np.ones(len(scores)) if weights is None else weights
    ordered = scores[order]
    return Ranked(ordered, truth[order], weights[order], places, tie_ends(ordered))


def curve(scores: Floats, truth: Floats, weights: Floats | None = None) -> Curve:
    """The curve of ``scores`` against ``truth`` (0 or 1), optionally weighted."""
    rows = ranked(scores, truth, weights)
    true, false = rows.curves(rows.weights[None])
    return Curve(true[0], false[0])


def summary(
    scores: Floats,
    truth: Floats,
    *,
    rounds: int = 200,
    seed: int = 0,
    weights: Floats | None = None,
) -> dict[str, Any]:
    """n, positives and each figure as ``[value, low, high]``; ``scores`` are probabilities."""
    found = sampled(scores, truth, rounds=rounds, seed=seed, weights=weights)
    figures = {
        name: interval(value, _unbiased(value, samples) if name == "ece" else samples)
        for name, (value, samples) in found.items()
    }
    return {"n": len(truth), "positives": int(truth.sum()), **figures}


def sampled(
    scores: Floats,
    truth: Floats,
    *,
    rounds: int = 200,
    seed: int = 0,
    weights: Floats | None = None,
) -> Sampled:
    """Each figure's value and its resampled values (rounds,), in the order of the draws."""
    rows = ranked(scores, truth, weights)
    values = rows.figures(rows.weights[None])
    parts = [rows.figures(rows.resampled(d)) for d in draws(len(truth), rounds, seed)]
    return {
        name: (float(value[0]), np.concatenate([part[name] for part in parts] or [value]))
        for name, value in values.items()
    }


def draws(count: int, rounds: int, seed: int) -> Iterator[Places]:
    """Row numbers drawn with replacement, (some rounds, count) at a time, ``rounds`` in all."""
    draw = np.random.default_rng(seed)
    at_once = max(1, _AT_ONCE // max(count, 1))
    for first in range(0, rounds, at_once):
        yield draw.integers(0, count, (min(at_once, rounds - first), count))


def counts_of(drawn: Places) -> Floats:
    """How often each row was drawn, (rounds, rows), from draws (rounds, rows)."""
    rounds, rows = drawn.shape
    flat = (drawn + np.arange(rounds)[:, None] * rows).ravel()
    return np.bincount(flat, minlength=rounds * rows).reshape(rounds, rows).astype(np.float64)


def mean_samples(values: Floats, *, rounds: int, seed: int) -> Floats:
    """Resampled means (rounds,) of ``values``."""
    parts = [values[drawn].mean(1) for drawn in draws(len(values), rounds, seed)]
    return np.concatenate(parts) if parts and len(values) else np.zeros(0)


def mean(values: Floats, *, rounds: int, seed: int) -> list[float]:
    """The mean of ``values`` as ``[value, low, high]``; zeros if there are none."""
    if not len(values):
        return [0.0, 0.0, 0.0]
    return interval(float(values.mean()), mean_samples(values, rounds=rounds, seed=seed))


def share(hits: NDArray[np.bool_]) -> list[float]:
    """The share of true values as ``[value, low, high]``: Wilson's score interval (1927).

    Unlike a bootstrap it stays honest near 0 and 1, where every resample says the same.
    """
    if not len(hits):
        return [0.0, 0.0, 1.0]
    part = float(hits.mean())
    return [round(value, 4) for value in (part, *_wilson(part, len(hits)))]


def interval(value: float, samples: Floats) -> list[float]:
    """``[value, low, high]``, rounded to four digits; samples that are not finite are left out."""
    finite = samples[np.isfinite(samples)]
    low, high = np.percentile(finite if len(finite) else [value], _INTERVAL)
    return [round(value, 4), round(float(low), 4), round(float(high), 4)]


def areas(true: Floats, false: Floats) -> Floats:
    """Areas under ROC curves (rounds,) from counts (rounds, thresholds); NaN for one class."""
    steps = np.diff(false, axis=1, prepend=0.0)
    heights = true - np.diff(true, axis=1, prepend=0.0) / 2
    whole = true[:, -1] * false[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((steps * heights).sum(1) / whole, np.float64)


def threshold(ham: Floats, rate: float) -> float:
    """The score above which at most a share ``rate`` of ``ham`` lies (held if greater)."""
    if not len(ham):
        return float("nan")
    allowed = int(rate * len(ham))
    return float(np.sort(ham)[::-1][min(allowed, len(ham) - 1)])


def calibration_error(scores: Floats, truth: Floats, weights: Floats | None = None) -> float:
    """Expected calibration error over 15 equal-width bins (Naeini et al. 2015)."""
    weights = np.ones(len(scores)) if weights is None else weights
    gap = np.bincount(_bins(scores), weights * (scores - truth), minlength=BINS)
    return float(np.abs(gap).sum() / weights.sum())


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of like score: which bin, how many, mean score, share of positives with interval."""

    number: int
    count: int
    score: float
    share: list[float]


def reliability(scores: Floats, truth: Floats, weights: Floats | None = None) -> list[Bin]:
    """The bins of the calibration error that hold rows, lowest scores first.

    With weights the interval is Wilson's for the effective number of rows, (sum w)^2 / sum w^2
    (Kish 1965).
    """
    weights = np.ones(len(scores)) if weights is None else weights
    bins, found = _bins(scores), []
    for number in np.unique(bins):
        rows = bins == number
        w = weights[rows]
        if w.sum() > 0:
            score, part = (float((w * of[rows]).sum() / w.sum()) for of in (scores, truth))
            effective = max(int(w.sum() ** 2 / (w**2).sum()), 1)
            low, high = _wilson(part, effective)
            found.append(Bin(int(number), int(rows.sum()), score, [part, low, high]))
    return found


def tie_ends(ordered: Floats) -> Places:
    """The last place of each run of equal values."""
    return np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))


def _wilson(part: float, count: int) -> tuple[float, float]:
    z = 1.96
    middle = part + z * z / (2 * count)
    reach = z * (part * (1 - part) / count + z * z / (4 * count**2)) ** 0.5
    whole = 1 + z * z / count
    return max((middle - reach) / whole, 0.0), min((middle + reach) / whole, 1.0)


def _bins(scores: Floats) -> Places:
    return np.clip((scores * BINS).astype(np.intp), 0, BINS - 1)


def _average_precisions(true: Floats, false: Floats) -> Floats:
    gains = np.diff(true, axis=1, prepend=0.0)
    precision = true / np.maximum(true + false, _TINY)
    return np.asarray((gains * precision).sum(1) / np.maximum(true[:, -1], _TINY), np.float64)


def _recalls(true: Floats, false: Floats, rate: float) -> Floats:
    allowed = false <= rate * false[:, -1:]
    best = np.where(allowed, true, 0.0).max(1)
    return np.asarray(best / np.maximum(true[:, -1], _TINY), np.float64)


def _unbiased(value: float, samples: Floats) -> Floats:
    """Samples of a calibration error, shifted so that their mean is the value, at least 0.

    Resampled bins scatter, and the error counts scatter as miscalibration: without this the
    interval of a well calibrated model lies above its value (Bröcker 2012).
    """
    return np.asarray(np.maximum(samples - samples.mean() + value, 0.0), np.float64)
