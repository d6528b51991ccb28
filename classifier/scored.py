"""A model's scores of many labelled rows, made once and measured in many ways."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.identities import Masks
from classifier.labels import LABELS, column
from classifier.metrics import Floats
from classifier.model import Classifier, Scores
from classifier.outside import Judged
from classifier.sources import MADE

FEWEST: Final = 20  # rows of each class below which a figure says nothing
BLOGS: Final = "held-out blogs"  # approved and rejected comments of unseen blogs, taken together
_BATCH: Final = 256  # texts scored at a time: they fit the processor's cache


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows with the scores a model gave them, float64 (n, 8) in 0..1."""

    model: Classifier
    judged: Judged
    scores: Floats

    def sets(self) -> Masks:
        """The rows of each set, by its name; all blogs also as one set."""
        sources = self.judged.corpus.sources
        sets = {str(name): sources == name for name in np.unique(sources)}
        blogs = np.char.startswith(sources, "blog") if len(sources) else np.zeros(0, np.bool_)
        return sets | ({BLOGS: blogs} if blogs.any() else {})

    def languages(self) -> Masks:
        """The rows of each language, by its code, without made-up ones."""
        langs, written = self.judged.corpus.langs, self.written()
        return {str(name): written & (langs == name) for name in np.unique(langs)}

    def identities(self) -> Masks:
        """The rows that name each group of people, without made-up ones."""
        written = self.written()
        return {name: written & mask for name, mask in self.judged.identities.items()}

    def written(self) -> NDArray[np.bool_]:
        """The rows that somebody wrote in earnest: not from a source that we make up."""
        return ~np.isin(self.judged.corpus.sources, MADE)

    def column(self, label: str) -> tuple[Floats, Floats]:
        """Scores and judgements (NaN = not judged) of one label, for every row."""
        place = column(label)
        return self.scores[:, place], self.judged.corpus.targets[:, place].astype(np.float64)


def scored(model: Classifier, judged: Judged) -> Scored:
    """The rows with the model's scores."""
    return Scored(model, judged, score_all(model, judged.corpus.texts).astype(np.float64))


def score_all(model: Classifier, texts: list[str]) -> Scores:
    """Scores of any number of texts, float32 (n, 8), in batches."""
    batches = [model.score(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)]
    return np.concatenate(batches) if batches else np.zeros((0, len(LABELS)), np.float32)


def slices(rows: Scored, masks: Masks) -> Iterator[tuple[str, str, Floats, Floats]]:
    """Slice, label, scores and truth wherever a slice holds enough judged rows of each class."""
    for name, mask in masks.items():
        for label in LABELS:
            scores, truth = rows.column(label)
            used = mask & ~np.isnan(truth)
            positives = int(truth[used].sum())
            if min(positives, int(used.sum()) - positives) >= FEWEST:
                yield name, label, scores[used], truth[used]


def held(scores: NDArray[np.floating], holds: Mapping[str, float]) -> NDArray[np.bool_]:
    """Which rows (n, 8) reach the threshold of any label, as the service holds comments."""
    limits = np.array([holds.get(label, np.inf) for label in LABELS])
    return np.asarray((scores >= limits).any(1), np.bool_)
