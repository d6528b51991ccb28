"""Why a text scored what it scored: exact shares of the margin, not samples.

The model is linear, so the deciding passage's margin is the bias plus one share per distinct
n-gram. A share goes in equal parts to the places where its n-gram stands, and from there to
the word that holds most of them; what is left (n-grams of punctuation) is kept apart.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from classifier.features import CHAR_ORDERS, Grams, grams
from classifier.labels import LABELS
from classifier.links import without_links
from classifier.passages import Passage
from classifier.text import Folded, Span, fold_traced

if TYPE_CHECKING:
    from classifier.model import Classifier

Shares = NDArray[np.float64]

_NOTICEABLE = 0.1  # share of the strongest word's weight below which a word is not shown


@dataclass(frozen=True, slots=True)
class Token:
    """One word of the original text, ``text[start:end]``, and its share of the margin."""

    start: int
    end: int
    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text has its score for one label.

    ``margin`` = ``bias`` + the sum of ``tokens``' weights + ``rest`` (n-grams outside of any
    word) - ``penalty`` (for being one window of many). ``passage`` is the stretch of the
    original that decided. ``without_links`` is the score with the links taken out, None if
    there are none.
    """

    label: str
    score: float
    margin: float
    bias: float
    rest: float
    penalty: float
    passage: Span
    tokens: tuple[Token, ...]
    without_links: float | None


def explain(model: "Classifier", text: str, label: int) -> Explanation:
    """The explanation of ``text`` for the label with that column."""
    traced, passage, tokens, rest = _attribute(model, text, label)
    bias = float(model.bias[label])
    penalty = model.penalty(passage, label)
    margin = bias + sum(token.weight for token in tokens) + rest - penalty
    return Explanation(
        label=LABELS[label],
        score=_calibrated(model, margin, label),
        margin=margin,
        bias=bias,
        rest=rest,
        penalty=penalty,
        passage=traced.origin(passage.start, passage.end),
        tokens=tuple(tokens),
        without_links=_without_links(model, text, label),
    )


def spans(model: "Classifier", text: str, label: int, limit: int) -> list[Span]:
    """Up to ``limit`` spans of the words that raise the margin most, strongest first."""
    tokens = _attribute(model, text, label)[2]
    ranked = sorted((t for t in tokens if t.weight > 0), key=lambda t: -t.weight)
    floor = ranked[0].weight * _NOTICEABLE if ranked else 0.0
    return [(t.start, t.end) for t in ranked[:limit] if t.weight >= floor]


def _attribute(
    model: "Classifier", text: str, label: int
) -> tuple[Folded, Passage, list[Token], float]:
    from classifier.model import LONGEST

    traced = fold_traced(text[:LONGEST])
    passage = model.deciding(traced.text, label)
    batch = grams([traced.text[passage.start : passage.end]], model.shape)
    shares, rest = _word_shares(model, batch, label)
    starts = (batch.starts - 1 + passage.start).tolist()
    ends = (batch.ends - 1 + passage.start).tolist()
    tokens = []
    for start, end, weight in zip(starts, ends, shares.tolist(), strict=True):
        low, high = traced.origin(start, end)
        tokens.append(Token(low, high, text[low:high], weight))
    return traced, passage, tokens, rest


def _word_shares(model: "Classifier", batch: Grams, label: int) -> tuple[Shares, float]:
    """Share of the margin of each word, and of what belongs to no word."""
    words = batch.words.astype(np.int64)
    words[words > 0] += 1 << model.shape.char_bits
    chars = batch.chars.astype(np.int64)
    rows = np.concatenate((chars.ravel(), words.ravel()))
    owners = np.concatenate((_char_owners(batch).ravel(), _word_owners(batch).ravel()))
    shares = _place_shares(model, rows, label)
    totals = np.asarray(np.bincount(owners + 1, shares, len(batch.starts) + 1), np.float64)
    return totals[1:], float(totals[0])


def _place_shares(model: "Classifier", rows: NDArray[np.int64], label: int) -> Shares:
    """Share of the margin of each occurrence: its row's share over the row's occurrences."""
    distinct, where, counts = np.unique(rows, return_inverse=True, return_counts=True)
    weights = model.weights[distinct, label] * float(model.scale[label])
    weights[distinct == 0] = 0.0
    count = int((distinct != 0).sum())
    shares: Shares = (weights / np.sqrt(max(count, 1)) / counts)[where]
    return shares


def _char_owners(batch: Grams) -> NDArray[np.int64]:
    """The word that the middle of each character n-gram falls into, -1 for none."""
    positions = np.arange(batch.chars.shape[1]) + np.array(CHAR_ORDERS)[:, None] // 2
    owners = np.searchsorted(batch.starts, positions, side="right") - 1
    if not len(batch.ends):
        return np.full(positions.shape, -1)
    outside = (owners < 0) | (positions > batch.ends[owners])
    return np.where(outside, -1, owners)


def _word_owners(batch: Grams) -> NDArray[np.int64]:
    """The word that each word n-gram starts at."""
    count = len(batch.starts)
    return np.tile(np.arange(count), (len(batch.words), 1))


def _calibrated(model: "Classifier", margin: float, label: int) -> float:
    margins = np.zeros((1, len(LABELS)), np.float32)
    margins[0, label] = margin
    return float(model.calibrated(margins)[0, label])


def _without_links(model: "Classifier", text: str, label: int) -> float | None:
    bare = without_links(text)
    return None if bare == text else float(model.score([bare])[0, label])
