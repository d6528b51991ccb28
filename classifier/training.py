"""Training: labelled rows in, a model folder out. Reproducible from data and seed.

One logistic regression a label over the joint table of hashed n-grams. Columns are scaled
by inverse document frequency, word columns twice as much, which acts as a weaker penalty on
rare n-grams and on words; the scaling is folded into the shipped weights.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier import artifact, calibrate, dataset
from classifier.artifact import Manifest, SelfTest
from classifier.card import card
from classifier.dataset import Corpus
from classifier.design import feature_matrix
from classifier.evaluation import measure
from classifier.features import FEATURES_VERSION, Shape
from classifier.labels import LABELS
from classifier.metrics import curve
from classifier.model import Classifier
from classifier.sources import SOURCES, Source

Progress = Callable[[str, float], None]
Weights = NDArray[np.float64]

VERSION: Final = "2026.11-1"
SHAPE: Final = Shape(char_bits=17, word_bits=17)
WINDOW: Final = 200  # code points
PENALTIES: Final = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
# Spam is seldom one sentence of a long comment, but long honest ones often cite a link.
LEAST_PENALTY: Final = {"spam": 3.0}
# Inverse penalty of the regression (scikit-learn's C) and whether sources get a column of
# their own, by label: spam sources differ in what spam is, so that a column hides it.
_STRENGTH: Final = {"spam": 10.0, "sexually_explicit": 4.0}
_DEFAULT_STRENGTH: Final = 1.0
_WITHOUT_ORIGINS: Final = ("spam",)
_WORD_SCALE: Final = 2.0
_IDF_UNIT: Final = 7.0  # a middling inverse document frequency, so that scales are near 1
_BATCH: Final = 256  # texts scored at a time
_STEPS: Final = 120  # of the optimiser, a bound on time; most labels use all of them
# Largest gradient left. scikit-learn's own 1e-4 stops rare labels early: sexually_explicit on
# Wikipedia 0.975 instead of 0.992 (measured together with a change of strength).
_TOLERANCE: Final = 1e-6
_RAREST_CLASS: Final = 0.02  # share of a class below which a source counts as one-sided
_WINDOW_COST: Final = 0.002  # ROC-AUC that reading through windows may cost on whole comments
_SELF_TESTS: Final = (
    "Thanks, this fixed my build as well.",
    "You are a complete idiot, get lost.",
    "Buy cheap watches at http://example.com/shop today!!!",
    "ｙｏｕ ѕtupid f.o.o.l",
    "Привет, спасибо за статью",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training run uses besides its data; the defaults make the shipped model."""

    version: str = VERSION
    shape: Shape = SHAPE
    sources: Sequence[Source] = SOURCES
    rounds: int = 100  # bootstrap rounds of the report


def train(
    data: Path,
    out: Path,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    plan: Plan | None = None,
) -> dict[str, Any]:
    """Train on the folder ``data``, write the model to ``out``, return the report.

    The report has ``version``, ``rows`` by part and ``metrics`` (as ``evaluate`` gives them).
    ``progress(stage, share)`` hears how far each stage is. ``FileNotFoundError`` if the folder
    holds no known source.
    """
    plan = plan or Plan()
    tell: Progress = progress or (lambda stage, share: None)
    tell("read", 0.0)
    examples = dataset.read(data, plan.sources, seed=seed)
    parts = {part: dataset.corpus(e for e in examples if e.part == part) for part in dataset.PARTS}
    weights, bias = _fit_all(parts["train"], plan.shape, seed, tell)
    model = _calibrated(_model(weights, bias, plan, seed), parts["calibration"], tell)
    tell("evaluate", 0.0)
    metrics = measure(model, parts["dev"], rounds=plan.rounds, seed=seed)
    rows = {part: len(parts[part]) for part in parts}
    manifest = _replace(
        model.manifest,
        data=dataset.fingerprints(data, plan.sources),
        metrics={"rows": rows, "dev": metrics},
        self_test=_self_tests(model),
    )
    text = card(manifest, parts["train"])
    artifact.save(out, manifest, model.weights, text)
    tell("done", 1.0)
    return {"version": manifest.version, "rows": rows, "metrics": metrics}


def _fit_all(train: Corpus, shape: Shape, seed: int, tell: Progress) -> tuple[Weights, Weights]:
    """Weights (rows, 8) and biases (8) of all labels."""
    matrix = feature_matrix(_clipped(train.texts), shape, lambda share: tell("hash", share))
    scale = column_scale(matrix, shape)
    matrix.data *= scale[matrix.indices]
    weights = np.zeros((matrix.shape[1], len(LABELS)))
    bias = np.zeros(len(LABELS))
    for place, label in enumerate(LABELS):
        tell(f"fit {label}", place / len(LABELS))
        found, bias[place] = _fit(matrix, train, place, seed)
        weights[:, place] = found * scale
    weights[0] = 0.0
    return weights, bias


def column_scale(matrix: Any, shape: Shape) -> NDArray[np.float32]:
    """Scale of each column: smoothed inverse document frequency, doubled for words."""
    held = np.bincount(matrix.indices, minlength=matrix.shape[1])
    scale = (np.log((1 + matrix.shape[0]) / (1 + held)) + 1) / _IDF_UNIT
    scale[1 << shape.char_bits :] *= _WORD_SCALE
    return np.asarray(scale, np.float32)


def _fit(matrix: Any, train: Corpus, place: int, seed: int) -> tuple[Weights, float]:
    """Weights of the columns and bias of one label."""
    from scipy.sparse import hstack
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    truth = train.targets[:, place]
    judged = np.flatnonzero(~np.isnan(truth))
    width = matrix.shape[1]
    if len(np.unique(truth[judged])) < 2:
        return np.zeros(width), -5.0  # never seen: as good as never
    rows, label = matrix[judged], LABELS[place]
    if label not in _WITHOUT_ORIGINS:
        rows = hstack([rows, _origin_columns(train.sources[judged], truth[judged])], format="csr")
    strength = _STRENGTH.get(label, _DEFAULT_STRENGTH)
    model = LogisticRegression(C=strength, max_iter=_STEPS, tol=_TOLERANCE, random_state=seed)
    with warnings.catch_warnings():  # stopping after _STEPS is meant
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, truth[judged], sample_weight=train.weights[judged])
    return model.coef_[0][:width], float(model.intercept_[0])


def _origin_columns(sources: NDArray[np.str_], truth: NDArray[np.float32]) -> Any:
    """One column a source that holds both classes, 1 in its rows; dropped after fitting.

    It takes up how frequent the label is in that source, so that the n-grams need not: else
    a source's topic and style would count as abuse or innocence. Sources of one class share
    the intercept, because a column of their own would explain all of their labels.
    (Tried: columns for English sources only. It costs 0.007 on Wikipedia, 0.02 on chats.)
    """
    from scipy.sparse import csr_matrix, hstack

    names = [name for name in np.unique(sources) if _mixed(truth[sources == name])]
    columns = [csr_matrix((sources == name).astype(np.float32)[:, None]) for name in names]
    if not columns:
        return csr_matrix((len(sources), 0), dtype=np.float32)
    return hstack(columns, format="csr")


def _mixed(truth: NDArray[np.float32]) -> bool:
    return _RAREST_CLASS < float(truth.mean()) < 1 - _RAREST_CLASS


def _model(weights: Weights, bias: Weights, plan: Plan, seed: int) -> Classifier:
    """The uncalibrated model, weights already rounded as they ship."""
    scale = np.maximum(np.abs(weights).max(0), 1e-9) / np.iinfo(np.int16).max
    whole = np.round(weights / scale).astype(np.int16)
    manifest = Manifest(
        format=artifact.FORMAT, version=plan.version, features_version=FEATURES_VERSION,
        labels=list(LABELS), char_bits=plan.shape.char_bits, word_bits=plan.shape.word_bits,
        scale=scale.tolist(), bias=bias.tolist(), slope=[1.0] * 8, offset=[0.0] * 8,
        window=WINDOW, window_penalty=[0.0] * 8, shape=list(whole.shape), dtype="<i2",
        sha256={}, self_test=[], seed=seed,
    )  # fmt: skip
    return Classifier(manifest, whole)


def _calibrated(model: Classifier, rows: Corpus, tell: Progress) -> Classifier:
    tell("calibrate", 0.0)
    whole, windows = _read_margins(model, rows)
    penalties, slopes, offsets = [], [], []
    for place, label in enumerate(LABELS):
        weights = calibrate.prior_weights(rows, label)
        used = weights > 0
        truth = rows.targets[used, place].astype(np.float64)
        pair = whole[used, place], windows[used, place]
        tried = [p for p in PENALTIES if p >= LEAST_PENALTY.get(label, 0.0)]
        penalty, slope, offset = _curve(*pair, truth, weights[used], tried)
        penalties.append(penalty)
        slopes.append(slope)
        offsets.append(offset)
    changes = {"window_penalty": penalties, "slope": slopes, "offset": offsets}
    return Classifier(_replace(model.manifest, **changes), model.weights)


def _read_margins(model: Classifier, rows: Corpus) -> tuple[Weights, Weights]:
    """Margins of the whole texts and of their strongest windows, float64 (n, 8) each."""
    texts = _clipped(rows.texts)
    pairs = [model.read_margins(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)]
    if not pairs:
        return np.zeros((0, len(LABELS))), np.zeros((0, len(LABELS)))
    whole = np.concatenate([w for w, _ in pairs])
    windows = np.concatenate([np.full_like(w, -np.inf) if s is None else s for w, s in pairs])
    return whole.astype(np.float64), windows.astype(np.float64)


def _curve(
    whole: Weights, windows: Weights, truth: Weights, weights: Weights, tried: list[float]
) -> tuple[float, float, float]:
    """Window penalty, slope and offset of one label.

    The penalty is the smallest one at which windows cost whole comments next to no accuracy.
    """
    if len(np.unique(truth)) < 2:
        return tried[-1], 1.0, 0.0
    areas = [curve(np.maximum(whole, windows - p), truth, weights).auc for p in tried]
    good = [p for p, area in zip(tried, areas, strict=True) if area > max(areas) - _WINDOW_COST]
    margins = np.maximum(whole, windows - good[0])
    return good[0], *calibrate.platt(margins, truth, weights)


def _self_tests(model: Classifier) -> list[SelfTest]:
    scores = model.score(_SELF_TESTS)
    return [
        SelfTest(text, [round(float(s), 6) for s in row])
        for text, row in zip(_SELF_TESTS, scores, strict=True)
    ]


def _clipped(texts: list[str]) -> list[str]:
    return [text[: dataset.LONGEST] for text in texts]


def _replace(manifest: Manifest, **changes: Any) -> Manifest:
    import msgspec

    return msgspec.structs.replace(manifest, **changes)
