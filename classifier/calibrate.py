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
    centre, spread = margins.mean(), max(float(margins.std()), 1e-6)
    rows = np.stack(((margins - centre) / spread, np.ones_like(margins)))
    share = positive / (positive + negative)
    found = np.array([1.0, np.log((share + 1e-9) / (1 - share + 1e-9))])
    loss = _loss(found, rows, soft, weights)
    for _ in range(_STEPS):
        found, better = _newton_step(found, loss, rows, soft, weights)
        if loss - better < 1e-10 * (1 + abs(loss)):
            break
        loss = better
    slope = max(float(found[0]) / spread, 1e-3)
    return slope, float(found[1]) - slope * float(centre)


def _newton_step(
    found: Floats, loss: float, rows: Floats, soft: Floats, weights: Floats
) -> tuple[Floats, float]:
    """A Newton step, halved until the loss does not grow; full steps can run away."""
    chance = 0.5 + 0.5 * np.tanh(0.5 * (found @ rows))
    gradient = rows @ (weights * (chance - soft))
    curvature = (rows * (weights * chance * (1 - chance))) @ rows.T + np.eye(2) * 1e-9
    step = np.linalg.solve(curvature, gradient)
    for _ in range(40):
        better = _loss(found - step, rows, soft, weights)
        if better <= loss:
            return found - step, better
        step = step / 2
    return found, loss


def _loss(found: Floats, rows: Floats, soft: Floats, weights: Floats) -> float:
    """Weighted log loss of the curve."""
    margins = found @ rows
    return float((weights * (np.logaddexp(0, margins) - soft * margins)).sum())
