"""Why a text scored what it scored: exact shares of the margin, not samples.

The model is linear, so the margin is the bias plus what each token adds: its own n-grams and
its pair with the token before, where they stand first, over the root of the number of
n-grams. Where the strongest window has a say, its tokens' shares weigh in as it does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.labels import LABELS
from classifier.language import ENGLISH, UNKNOWN
from classifier.links import without_links
from classifier.passages import WINDOW, passage_margins, running, window_starts
from classifier.text import Span, fold_traced

if TYPE_CHECKING:
    from classifier.heads import Head
    from classifier.model import Classifier, Reading
    from classifier.vocabulary import Vocabulary

Shares = NDArray[np.float64]

_NOTICEABLE = 0.1  # share of the strongest word's weight below which a word is not shown


@dataclass(frozen=True, slots=True)
class Token:
    """One token of the original text, ``text[start:end]``, and its share of the margin."""

    start: int
    end: int
    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text has its score for one label.

    ``margin`` = ``bias`` + the sum of ``tokens``' weights - ``penalty`` (for being one window
    of many). ``passage`` is the stretch of the original that decided, the whole text or a
    window. ``without_links`` is the score with the links taken out, None if there are none.
    """

    label: str
    score: float
    margin: float
    bias: float
    penalty: float
    passage: Span
    tokens: tuple[Token, ...]
    without_links: float | None


class Parts(NamedTuple):
    """Shares of the tokens, what is taken off, and the tokens that decided."""

    shares: Shares
    penalty: float
    passage: tuple[int, int]


def explain(model: "Classifier", text: str, label: int) -> Explanation:
    """The explanation of ``text`` for the label with that column."""
    head, read, parts = _attribute(model, text, label)
    found = zip(read.places(), parts.shares.tolist(), strict=True)
    tokens = [Token(low, high, text[low:high], weight) for (low, high), weight in found]
    place = head.places[label]
    bias = float(head.bias[place])
    margin = bias + float(parts.shares.sum()) - parts.penalty
    odds = margin * float(head.slope[place]) + float(head.offset[place])
    first, last = parts.passage
    return Explanation(
        label=LABELS[label],
        score=0.5 + 0.5 * float(np.tanh(0.5 * odds)),
        margin=margin,
        bias=bias,
        penalty=parts.penalty,
        passage=(tokens[first].start, tokens[last - 1].end) if tokens else (0, 0),
        tokens=tuple(tokens),
        without_links=_without_links(model, text, label),
    )


def spans(model: "Classifier", text: str, label: int, limit: int) -> list[Span]:
    """Up to ``limit`` spans of the words that raise the margin most, strongest first."""
    _, read, parts = _attribute(model, text, label)
    weights = parts.shares.tolist()
    floor = max(weights, default=0.0) * _NOTICEABLE
    if floor <= 0:
        return []
    ranked = sorted((-weight, k) for k, weight in enumerate(weights) if weight >= floor)
    order = [k for _, k in ranked]
    places = read.places_of(order)
    kept = dict.fromkeys(places[k] for k in order)
    return list(kept)[:limit]


class _Read(NamedTuple):
    """A text that was read, for asking where its tokens stand."""

    vocabulary: "Vocabulary"
    text: str
    reading: "Reading"

    @property
    def _repaired(self) -> bool:
        return self.reading.language in (ENGLISH, UNKNOWN)

    def places(self) -> list[Span]:
        """Where each token comes from."""
        if not len(self.reading.ids):
            return []
        if not self.reading.joined:
            return self.vocabulary.places(self.text, repaired=self._repaired)
        traced = fold_traced(self.text)
        found = self.vocabulary.places(traced.text, repaired=self._repaired)
        return [traced.origin(low, high) for low, high in found]

    def places_of(self, tokens: Sequence[int]) -> dict[int, Span]:
        """Where some of the tokens come from."""
        if self.reading.joined:
            every = self.places()
            return {k: every[k] for k in tokens}
        return self.vocabulary.places_of(self.text, tokens, repaired=self._repaired)


def _attribute(model: "Classifier", text: str, label: int) -> tuple["Head", _Read, Parts]:
    """The head that scores the label, what was read, and each token's share."""
    from classifier.model import LONGEST

    text = text[:LONGEST]
    vocabulary, reading = model.reading(text)
    which = model.head_for(reading, label)
    head = model.heads[which]
    place = head.places[label]
    read, count = _Read(vocabulary, text, reading), len(reading.ids)
    if not count:
        return head, read, Parts(np.zeros(0), 0.0, (0, 0))
    sums = reading.sums.get(which)
    if sums is None:
        sums = running(model.additions(vocabulary, which, reading.ids, [0, count]))
    parts = _shares(head, place, sums[:, [place, -1]])
    return head, read, parts


def _shares(head: "Head", place: int, sums: NDArray[np.float64]) -> Parts:
    """Each token's share of the margin: of the whole text, and of its strongest window.

    ``sums`` are running sums (T + 1, 2) of what the tokens add to the label, and of n-grams.
    """
    added, count = sums[1:, 0] - sums[:-1, 0], len(sums) - 1
    whole = added / np.sqrt(max(sums[-1, 1], 1.0))
    starts = window_starts(count)
    if not len(starts):
        return Parts(whole, 0.0, (0, count))
    totals = sums[starts + WINDOW] - sums[starts]
    best = int(passage_margins(totals)[:, 0].argmax())
    first, last = int(starts[best]), int(starts[best]) + WINDOW
    window = np.zeros(count)
    window[first:last] = added[first:last] / np.sqrt(max(totals[best, 1], 1.0))
    mix, penalty = float(head.mix[place]), float(head.penalty[place])
    mixed = (1 - mix) * whole + mix * window
    if window.sum() - penalty > mixed.sum():
        return Parts(window, penalty, (first, last))
    return Parts(mixed, 0.0, (0, count))


def _without_links(model: "Classifier", text: str, label: int) -> float | None:
    bare = without_links(text)
    return None if bare == text else float(model.score([bare])[0, label])
