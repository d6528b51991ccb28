"""Scoring: rows of the weight table summed, scaled to probabilities.

A text's margin for a label is the bias plus the sum of the weights of its distinct n-grams
over the root of their number. A long text is also read through overlapping windows, and the
passage with the highest margin decides, less a small penalty learnt for having looked more
often. The score is the calibrated margin.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier import artifact, explain
from classifier.artifact import Manifest
from classifier.errors import ArtifactError
from classifier.explain import Explanation
from classifier.features import Shape, distinct_rows
from classifier.labels import LABELS, column
from classifier.passages import Passage, passages
from classifier.text import Span, fold

Scores = NDArray[np.float32]

LONGEST: Final = 20_000  # code points read of one text; the rest is ignored
_SELF_TEST_TOLERANCE: Final = 1e-3


class Classifier:
    """A loaded model. Immutable and safe to share between threads and forked processes."""

    def __init__(self, manifest: Manifest, weights: NDArray[np.int16]) -> None:
        self.manifest = manifest
        self.weights = weights
        self.shape = Shape(manifest.char_bits, manifest.word_bits)
        self.bias = np.array(manifest.bias, np.float32)
        self.scale = np.array(manifest.scale, np.float32)
        self._slope = np.array(manifest.slope, np.float32)
        self._offset = np.array(manifest.offset, np.float32)
        self._penalty = np.array(manifest.window_penalty, np.float32)

    @property
    def version(self) -> str:
        """Name of the model, for example ``2026.11-1``."""
        return self.manifest.version

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the score columns."""
        return LABELS

    def score(self, texts: Sequence[str]) -> Scores:
        """Calibrated probabilities, float32 (n, 8) in 0..1, one row a text."""
        return self.calibrated(self.margins(texts))

    def margins(self, texts: Sequence[str]) -> Scores:
        """Uncalibrated scores, float32 (n, 8): of each label's strongest passage."""
        whole, windows = self.read_margins(texts)
        return whole if windows is None else np.maximum(whole, windows - self._penalty)

    def read_margins(self, texts: Sequence[str]) -> tuple[Scores, Scores | None]:
        """Margins of each whole text, and of its strongest window (-inf where it has none).

        No windows at all are given as None: most batches hold short texts only.
        """
        folded = [fold(text[:LONGEST]) for text in texts]
        whole = self.passage_margins(folded)
        found = [passages(text, self.manifest.window)[1:] for text in folded]
        long = [row for row, windows in enumerate(found) if windows]
        if not long:
            return whole, None
        parts = [folded[row][p.start : p.end] for row in long for p in found[row]]
        firsts = np.cumsum([0] + [len(found[row]) for row in long[:-1]])
        strongest = np.full_like(whole, -np.inf)
        strongest[long] = np.maximum.reduceat(self.passage_margins(parts), firsts, axis=0)
        return whole, strongest

    def passage_margins(self, folded: Sequence[str]) -> Scores:
        """Margins of texts in normal form, each as one passage, without windows."""
        totals = np.empty((len(folded), len(LABELS)), np.float32)
        for row, rows in enumerate(distinct_rows(folded, self.shape)):
            picked = self.weights.take(rows, 0).astype(np.float32)
            totals[row] = _sum(picked) / root(len(rows))
        return totals * self.scale + self.bias

    def calibrated(self, margins: Scores) -> Scores:
        """Probabilities of margins: a logistic curve a label (Platt)."""
        half = 0.5 * (margins * self._slope + self._offset)
        scores: Scores = 0.5 + 0.5 * np.tanh(half)  # the logistic function, without overflow
        return scores.astype(np.float32, copy=False)

    def explain(self, text: str, label: str) -> Explanation:
        """Why ``text`` scores what it scores for ``label``; ``ValueError`` for another label."""
        return explain.explain(self, text, column(label))

    def spans(self, text: str, label: str, limit: int = 5) -> list[Span]:
        """Places in ``text`` of the words that speak most for ``label``, strongest first."""
        return explain.spans(self, text, column(label), limit)

    def deciding(self, folded: str, label: int) -> Passage:
        """The passage of a text in normal form whose margin is the text's for the label."""
        found = passages(folded, self.manifest.window)
        margins = self.passage_margins([folded[p.start : p.end] for p in found])[:, label]
        margins[1:] -= self._penalty[label]
        return found[int(margins.argmax())]

    def penalty(self, passage: Passage, label: int) -> float:
        """What the passage's margin loses for being one window of many."""
        return 0.0 if passage.whole else float(self._penalty[label])


def root(count: int) -> float:
    """What a passage of ``count`` distinct n-grams is divided by."""
    return math.sqrt(max(count, 1))


def _sum(picked: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum of the rows; as a product it runs in BLAS, several times faster than ``sum(0)``."""
    return np.ones(len(picked), np.float32) @ picked


def load(folder: Path) -> Classifier:
    """The model in ``folder``; ``ArtifactError`` if it is missing, altered or misbehaves."""
    classifier = Classifier(*artifact.read(folder))
    vectors = classifier.manifest.self_test
    scores = classifier.score([vector.text for vector in vectors])
    expected = np.array([vector.scores for vector in vectors], np.float32)
    if expected.shape != scores.shape or not np.allclose(
        scores, expected, atol=_SELF_TEST_TOLERANCE
    ):
        raise ArtifactError(f"{folder}: the model does not reproduce its self-test")
    return classifier
