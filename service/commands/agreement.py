"""How far two judges of the same texts agree, from counts alone: memory does not grow with them.

Scores are counted in steps of a thousandth, theirs down and ours across; every figure but the mean
difference is read off the counts.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import count
from math import isnan, sqrt
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from classifier.metrics import Curve
from service.api.compat.recorded import Recorded, Scores

STEPS: Final = 1000
THRESHOLDS: Final = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Theirs: from which score on a text counts as flagged."""
ERRORS_MAX: Final = 100
"""Bad lines that are kept for `--json`."""
_TINY: Final = 1e-6
"""Brings 0.57 * 1000 = 569.99… to its own step."""

Floats = NDArray[np.float64]


class Pair(Struct, frozen=True, omit_defaults=True):
    """One score of theirs beside ours."""

    line: int
    attribute: str
    theirs: float
    ours: float
    text: str = ""


class Findings:
    """What a comparison has found so far."""

    def __init__(self, *, worst: int, texts: bool) -> None:
        self.calls = 0
        self.bad = 0
        self.errors: list[dict[str, Any]] = []
        self.unknown: Counter[str] = Counter()
        """Attributes we have no score for, or none in the text's language → how often."""
        self._agreements: defaultdict[str, Agreement] = defaultdict(Agreement)
        self._worst: list[tuple[float, int, Pair]] = []
        self._keeps = worst
        self._texts = texts
        self._falling = count(0, -1)

    def reject(self, line: int, why: str) -> None:
        """Counts a line that could not be compared."""
        self.bad += 1
        if len(self.errors) < ERRORS_MAX:
            self.errors.append({"line": line, "detail": why})

    def add(self, calls: Sequence[tuple[int, Recorded, list[Scores]]]) -> None:
        """Counts calls, each with its line and our scores of its texts."""
        pairs: defaultdict[str, list[Pair]] = defaultdict(list)
        for line, recorded, answer in calls:
            self.calls += 1
            for text, theirs, ours in zip(recorded.texts, recorded.theirs, answer, strict=True):
                self.unknown.update(theirs.keys() - ours.keys())
                for name in sorted(theirs.keys() & ours.keys()):
                    shown = text if self._texts else ""
                    pairs[name].append(Pair(line, name, theirs[name], ours[name], shown))
        for name, found in pairs.items():
            self._agreements[name].add([p.theirs for p in found], [p.ours for p in found])
            for pair in found if self._keeps else ():
                self._look_at(pair)

    def _look_at(self, pair: Pair) -> None:
        """Keeps a pair if it is among the farthest apart; of equal ones the first."""
        entry = abs(pair.theirs - pair.ours), next(self._falling), pair
        push = heapq.heappush if len(self._worst) < self._keeps else heapq.heappushpop
        push(self._worst, entry)

    @property
    def worst(self) -> list[Pair]:
        """The pairs that are farthest apart, first the farthest."""
        return [pair for *_, pair in sorted(self._worst, reverse=True)]

    def figures(self) -> dict[str, dict[str, Any]]:
        """Attribute → how far we agree on it."""
        return {name: found.figures() for name, found in sorted(self._agreements.items())}


class Agreement:
    """The scores of one attribute, theirs and ours."""

    def __init__(self) -> None:
        self._counts = np.zeros((STEPS + 1, STEPS + 1), np.uint32)
        self._difference = 0.0

    def add(self, theirs: Sequence[float], ours: Sequence[float]) -> None:
        """Counts pairs of scores from 0 to 1."""
        np.add.at(self._counts, (_steps(theirs), _steps(ours)), 1)
        self._difference += float(np.sum(ours) - np.sum(theirs))

    def figures(self) -> dict[str, Any]:
        """Every figure; None where it is not defined, as with scores that are all the same."""
        counts = self._counts.astype(np.float64)
        n = float(counts.sum())
        return {
            "n": int(n),
            "rank_agreement": _spearman(counts),
            "mean_difference": round(self._difference / n, 4) if n else None,
            "thresholds": [_at(counts, threshold) for threshold in THRESHOLDS],
        }


def _steps(scores: Sequence[float]) -> NDArray[np.intp]:
    return np.floor(np.asarray(scores) * STEPS + _TINY).astype(np.intp)


def _spearman(counts: Floats) -> float | None:
    """Spearman's rank correlation; tied scores have the mean of their ranks."""
    theirs, ours = _ranks(counts.sum(1)), _ranks(counts.sum(0))
    together = theirs @ counts @ ours
    spread = (theirs**2 @ counts.sum(1)) * (ours**2 @ counts.sum(0))
    return round(float(together / sqrt(spread)), 4) if spread > 0 else None


def _ranks(tied: Floats) -> Floats:
    """The rank of each step, counted from the middle of all."""
    return np.asarray(np.cumsum(tied) - (tied + tied.sum()) / 2, np.float64)


def _at(counts: Floats, threshold: float) -> dict[str, Any]:
    """How the two agree where both flag from `threshold` on."""
    step = round(threshold * STEPS)
    both, only_theirs = counts[step:, step:].sum(), counts[step:, :step].sum()
    only_ours, neither = counts[:step, step:].sum(), counts[:step, :step].sum()
    n, theirs = counts.sum(), both + only_theirs
    chance = theirs * (both + only_ours) + (n - theirs) * (only_theirs + neither)
    agreed = (both + neither) / n if n else 0.0
    expected = chance / n**2 if n else 1.0
    return {
        "threshold": threshold,
        "both": int(both),
        "only_theirs": int(only_theirs),
        "only_ours": int(only_ours),
        "agreement": round(float(agreed), 4) if n else None,
        "kappa": round(float((agreed - expected) / (1 - expected)), 4) if expected < 1 else None,
        "auc": _auc(counts[step:].sum(0), counts[:step].sum(0)),
        "same_share_at": _same_share(counts.sum(0), theirs),
    }


def _auc(flagged: Floats, others: Floats) -> float | None:
    """How well our scores tell what they flagged from the rest."""
    area = Curve(np.cumsum(flagged[::-1]), np.cumsum(others[::-1])).auc
    return None if isnan(area) else round(area, 4)


def _same_share(ours: Floats, flagged: float) -> float | None:
    """The score from which on we flag as many as they do, or as near to it as can be.

    Of several that flag as many, the highest. None where they flag nothing, or nearly.
    """
    if not flagged:
        return None
    from_here_on = np.cumsum(ours[::-1])
    nearest = int(np.argmin(np.abs(from_here_on - flagged)))
    return round(1 - nearest / STEPS, 3)
