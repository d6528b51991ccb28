"""From margins to probabilities: Platt's logistic curve, fitted at the natural prior.

The calibration part is weighted so that each label is as frequent as on a real site. The
priors are those of the Jigsaw 2018 training set (a natural sample of Wikipedia talk) and,
for spam, an assumed one in five, which a site can only estimate for itself.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from classifier.dataset import Corpus
from classifier.heads import HeadRecord
from classifier.labels import column
from classifier.metrics import curve

if TYPE_CHECKING:
    from classifier.model import Classifier

Floats = NDArray[np.float64]

LONGEST = 1500  # code points of a text that are read
MIXES = (0.0, 0.1, 0.2, 0.3)
PENALTIES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
# Spam is seldom one sentence of a long comment, but long honest ones often cite a link.
LEAST_PENALTY = {"spam": 3.0}
_WINDOW_COST = 0.001  # ROC-AUC that windows which decide alone may cost on whole comments
_BATCH = 64
_ABUSE_SHARE = 0.2  # assumed share of abuse where a language's sources are not natural samples
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

    Where the label's own sources are absent, as in other languages, every judged row counts,
    at one in five.
    """
    prior = PRIORS[label]
    judged = ~np.isnan(corpus.targets[:, column(label)])
    truth = corpus.targets[:, column(prior.by)]
    usable = judged & ~np.isnan(truth) & np.isin(corpus.sources, prior.sources)
    if not usable.any():
        return _weighted(judged, corpus.targets[:, column(label)], _ABUSE_SHARE)
    return _weighted(usable, truth, prior.share)


def _weighted(usable: NDArray[np.bool_], truth: NDArray[np.float32], share: float) -> Floats:
    positive, negative = usable & (truth == 1), usable & (truth == 0)
    if not positive.any() or not negative.any():
        return usable.astype(np.float64)
    weights = np.zeros(len(truth))
    weights[positive] = share / positive.sum()
    weights[negative] = (1 - share) / negative.sum()
    return weights * float(usable.sum())


def calibrated(model: "Classifier", place: int, record: HeadRecord, rows: Corpus) -> HeadRecord:
    """The record of a head with windows weighed and Platt's curves fitted to ``rows``."""
    whole, window = _margins(model, place, rows.texts)
    found: dict[str, list[float]] = {"mix": [], "penalty": [], "slope": [], "offset": []}
    for k, label in enumerate(record.labels):
        weights = prior_weights(rows, label)
        used = weights > 0
        truth = rows.targets[used, column(label)].astype(np.float64)
        pair = whole[used, k], window[used, k]
        least = LEAST_PENALTY.get(label, 0.0)
        for name, value in _curve(*pair, truth, weights[used], least).items():
            found[name].append(value)
    return msgspec.structs.replace(record, **found)


def _margins(model: "Classifier", place: int, texts: list[str]) -> tuple[Floats, Floats]:
    """Margins of the whole texts and of their strongest windows, float64 (n, k) each."""
    wholes, windows, first = [], [], 0
    while first < len(texts):
        clipped = [text[:LONGEST] for text in texts[first : first + _BATCH]]
        vocabulary, readings = model.read(clipped)
        whole, window = model.read_margins(vocabulary, place, readings)
        wholes.append(whole)
        windows.append(window)
        first += len(readings)
    return np.concatenate(wholes).astype(np.float64), np.concatenate(windows).astype(np.float64)


def _curve(
    whole: Floats, window: Floats, truth: Floats, weights: Floats, least: float
) -> dict[str, float]:
    """How far windows count for one label, and its logistic curve.

    ``mix`` is the best for the order of the rows; the penalty is the smallest at which a
    window that decides alone costs next to nothing.
    """
    if len(np.unique(truth)) < 2:
        return {"mix": 0.0, "penalty": PENALTIES[-1], "slope": 1.0, "offset": 0.0}
    mixed = {mix: whole + mix * (window - whole) for mix in MIXES}
    mix = max(MIXES, key=lambda mix: curve(mixed[mix], truth, weights).auc)
    tried = {p: np.maximum(mixed[mix], window - p) for p in PENALTIES if p >= least}
    areas = {p: curve(margins, truth, weights).auc for p, margins in tried.items()}
    penalty = min(p for p, area in areas.items() if area > max(areas.values()) - _WINDOW_COST)
    slope, offset = platt(tried[penalty], truth, weights)
    return {"mix": mix, "penalty": penalty, "slope": slope, "offset": offset}


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
