"""Does the model still see abuse that hides, and does it leave innocent look-alikes alone?

Texts that the model catches as they are get the words that gave them away disguised, one way
at a time; the share still caught is what the disguise leaves of the recall. Innocent texts
that look like disguises or abuse ("Scunthorpe", spelled-out words) must not be held.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from classifier.labels import column
from classifier.metrics import share, threshold
from classifier.model import Classifier
from classifier.scored import FEWEST, Scored, held, score_all

Disguise = Callable[..., str]
"""``disguise(text, kind, draw, words=None)``: the text with the words (default all) hidden."""

MOST: Final = 60  # texts of one set: enough for the interval, and little time
RATE: Final = 0.01  # share of a set's innocent rows that may be held
_WORDS: Final = 5  # the words that speak most for the label
_SHOWN: Final = 10  # innocent texts named in the report


def caught(
    rows: Scored, *, label: str = "toxicity", most: int = MOST, seed: int = 0
) -> list[tuple[str, float]]:
    """English texts of ``label`` that score above 99 % of their set's other rows.

    Up to ``most`` of each set, drawn with ``seed``, each with the score it has to exceed.
    """
    draw = np.random.default_rng(seed)
    corpus = rows.judged.corpus
    scores, truth = rows.column(label)
    english = (corpus.langs == "en") & rows.written()
    found: dict[str, float] = {}
    for mask in rows.sets().values():
        ours = mask & english
        ham, positive = scores[ours & (truth == 0)], ours & (truth == 1)
        if min(len(ham), int(positive.sum())) >= FEWEST:
            limit = threshold(ham, RATE)
            places = draw.permutation(np.flatnonzero(positive & (scores > limit)))[:most]
            found |= {corpus.texts[place]: limit for place in places.tolist()}
    return list(found.items())


def kept(
    model: Classifier,
    texts: Sequence[tuple[str, float]],
    kinds: Sequence[str],
    disguise: Disguise,
    *,
    label: str = "toxicity",
    seed: int = 0,
) -> dict[str, Any]:
    """The share of caught ``texts`` that each kind of disguise leaves caught.

    ``{"n": texts, "kinds": {kind: [share, low, high]}}`` with Wilson's intervals.
    """
    place = column(label)
    limits = np.array([limit for _, limit in texts])
    words = [_telling(model, text, label) for text, _ in texts]
    found = {}
    for kind in kinds:
        draw = random.Random(f"{seed} {kind}")  # noqa: S311 - reproducible, not secret
        hidden = [
            disguise(text, kind, draw, words=ours)
            for (text, _), ours in zip(texts, words, strict=True)
        ]
        found[kind] = share(score_all(model, hidden)[:, place] > limits)
    return {"label": label, "n": len(texts), "kinds": found}


def innocents_held(
    model: Classifier, texts: Sequence[str], holds: Mapping[str, float]
) -> dict[str, Any]:
    """How many innocent ``texts`` the thresholds hold: ``n``, ``held``, the first ``texts``."""
    hits = held(score_all(model, list(texts)), holds)
    named = [text for text, hit in zip(texts, hits.tolist(), strict=True) if hit]
    return {"n": len(texts), "held": share(hits), "texts": named[:_SHOWN]}


def _telling(model: Classifier, text: str, label: str) -> list[str] | None:
    """The words that speak most for the label; None (all words) where the model names none."""
    words = [text[start:end] for start, end in model.spans(text, label, _WORDS)]
    return list(dict.fromkeys(words)) or None
