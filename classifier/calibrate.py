"""From margins to probabilities: Platt's logistic curve, fitted at the natural prior.

The calibration part is weighted so that each label is as frequent as on a real site. The
priors are those of the Jigsaw 2018 training set (a natural sample of Wikipedia talk) and,
for spam, an assumed one in five, which a site can only estimate for itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.dataset import Corpus
from classifier.labels import column

Floats = NDArray[np.float64]

_STEPS = 60
_BLOGS = (
    "blog_comments_rejected",
    "blog_comments_approved",
    "blog3_rejected",
    "blog3_approved",
)


@dataclass(frozen=True, slots=True)
class Prior:
    """Where a label is calibrated: on rows of ``sources``, weighted by ``by`` to ``share``."""

    sources: tuple[str, ...]
    by: str
    share: float


_TALK = Prior(("jigsaw_subsample_multilabel",), "toxicity", 0.0958)
PRIORS: dict[str, Prior] = {
    "spam": Prior(_BLOGS, "spam", 0.2),
    "toxicity": Prior(("jigsaw_train_head_binary",), "toxicity", 0.0971),
    "severe_toxicity": _TALK,
    "identity_attack": _TALK,
    "insult": _TALK,
    "profanity": _TALK,
    "threat": _TALK,
    "sexually_explicit": _TALK,
}


def prior_weights(corpus: Corpus, label: str) -> Floats:
    """Weight of each row when ``label`` is calibrated: 0 for rows that do not count.

    Falls back on every judged row, unweighted, when the label's own sources are absent.
    """
    prior = PRIORS[label]
    judged = ~np.isnan(corpus.targets[:, column(label)])
    truth = corpus.targets[:, column(prior.by)]
    usable = judged & ~np.isnan(truth) & np.isin(corpus.sources, prior.sources)
    positive, negative = usable & (truth == 1), usable & (truth == 0)
    if not positive.any() or not negative.any():
        return judged.astype(np.float64)
    weights = np.zeros(len(corpus))
    weights[positive] = prior.share / positive.sum()
    weights[negative] = (1 - prior.share) / negative.sum()
    return weights * float(usable.sum())


def platt(margins: Floats, truth: Floats, weights: Floats) -> tuple[float, float]:
    """Slope and offset of the logistic curve through the weighted rows (Platt 1999).

    Newton's method on the log loss with Platt's softened targets, which keep the curve
    finite when the classes separate.
    """
    positive, negative = (weights * truth).sum(), (weights * (1 - truth)).sum()
    soft = np.where(truth == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    rows = np.stack((margins, np.ones_like(margins)))
    found = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(found @ rows, -60, 60)))
        gradient = rows @ (weights * (chance - soft))
        curvature = (rows * (weights * chance * (1 - chance))) @ rows.T + np.eye(2) * 1e-9
        step = np.linalg.solve(curvature, gradient)
        found = found - np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return float(max(found[0], 1e-3)), float(found[1])
