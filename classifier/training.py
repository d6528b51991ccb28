"""Training: labelled rows in, a model folder out. Reproducible from data and seed.

First the words are counted (``lexicon``), since reading needs them; a teacher may add what it
thinks of the texts (``teaching``); then one logistic regression a label is fitted for the general
head, and for each language with rows of its own one a label that they judge; last, margins are
turned into probabilities (``calibration``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from classifier import artifact, calibrate, dataset, lexicon, teaching
from classifier.artifact import Manifest, SelfTest
from classifier.card import card
from classifier.dataset import Corpus
from classifier.design import TokenRows, design, token_rows
from classifier.evaluation import Choice, report
from classifier.features import FEATURES_VERSION, Shape
from classifier.heads import HeadRecord
from classifier.labels import LABELS, column
from classifier.lexicon import Lexicon
from classifier.model import Classifier
from classifier.reading import text_tokens
from classifier.repair import Repairs
from classifier.sources import SOURCES, TEMPLATES, Source
from classifier.teaching import Teacher

Progress = Callable[[str, float], None]
Weights = NDArray[np.float64]

VERSION: Final = "2026.11-4"
GENERAL: Final = "general"
ENGLISH: Final = ("en", "mul")
# Languages with a head of their own, and the sizes of its tables: script and rows decide.
HEADS: Final = {
    "tr": Shape(16, 16), "zh": Shape(8, 17), "ko": Shape(17, 16), "pt": Shape(16, 15),
    "de": Shape(17, 17), "fr": Shape(15, 14), "ar": Shape(15, 14), "ur-Latn": Shape(15, 15),
}  # fmt: skip
MARKED: Final = ("tr", "pt", "de", "fr", "ur-Latn", "id")
SHAPE: Final = Shape(char_bits=18, word_bits=18)
# Inverse penalty of the regression (scikit-learn's C).
_STRENGTH: Final = {"spam": 12.0, "sexually_explicit": 4.0}
_DEFAULT_STRENGTH: Final = 2.0
_OTHER_TASK: Final = 0.3  # weight of comments from toxicity sources as examples of no spam
_TEMPLATES_TASK: Final = 0.15  # the same of sentences made up about people, which say still less
_FEWEST: Final = 100  # positive rows of a label that a language's own head learns
_SELF_TESTS: Final = (
    "Thanks, this fixed my build as well.",
    "You are a complete idiot, get lost.",
    "Buy cheap watches at http://example.com/shop today!!!",
    "ｙｏｕ ѕtupid f.o.o.l, you id*ot and a b a s t a r d",
    "이 기사는 정말 좋습니다 감사합니다",  # none of them needs the library for languages
    "Sen tam bir aptalsın, defol git buradan",
    "",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training run uses besides its data; the defaults make the shipped model."""

    version: str = VERSION
    shape: Shape = SHAPE
    sources: Sequence[Source] = SOURCES
    rounds: int = 100  # bootstrap rounds of the report


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A head without calibration: its record and its weights as they ship."""

    record: HeadRecord
    weights: NDArray[np.int16]


def train(
    data: Path,
    out: Path,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    plan: Plan | None = None,
    teacher: Teacher | None = None,
) -> dict[str, Any]:
    """Train on the folder ``data``, write the model to ``out``, return the report.

    A ``teacher`` adds its judgements to those of the rows (``teaching``).
    The report has ``version``, ``rows`` by part and ``metrics`` (as ``evaluate`` gives them).
    ``progress(stage, share)`` hears how far each stage is. ``FileNotFoundError`` if the folder
    holds no known source.
    """
    plan = plan or Plan()
    tell: Progress = progress or (lambda stage, share: None)
    tell("read", 0.0)
    examples = dataset.read(data, plan.sources, seed=seed)
    parts = {part: dataset.corpus(e for e in examples if e.part == part) for part in dataset.PARTS}
    tell("count", 0.0)
    words = _lexicon(parts["train"])
    taught = parts["train"]
    if teacher:
        taught = teaching.taught(taught, teacher, seed=seed, tell=tell)
    fitted = _heads(parts["train"], taught, words, plan, tell)
    model = _calibrated(_model(fitted, words, plan, seed), parts["calibration"], tell)
    tell("evaluate", 0.0)
    found = report(model, parts["dev"], Choice(rounds=plan.rounds, seed=seed))
    metrics = found.pop("sets")
    found.pop("rows", None)
    rows = {part: len(parts[part]) for part in parts}
    manifest = _replace(
        model.manifest,
        data=dataset.fingerprints(data, plan.sources),
        teacher=teacher.version if teacher else "",
        metrics={"rows": rows, "dev": metrics, **found},
        self_test=_self_tests(model),
    )
    tables = [head.table.weights for head in model.heads]
    artifact.save(out, manifest, tables, words, card(manifest, parts["train"]))
    tell("done", 1.0)
    return {"version": manifest.version, "rows": rows, "metrics": metrics}


def _lexicon(train: Corpus) -> Lexicon:
    """The words of the training rows."""
    counts, known = lexicon.Counts(), dict[str, tuple[str, ...]]()
    toxic = train.targets[:, column("toxicity")]
    for text, lang, truth in zip(_clipped(train.texts), train.langs, toxic.tolist(), strict=True):
        words = set(text_tokens(text, None, known))
        counts.add(words, str(lang), None if np.isnan(truth) else truth)
    abusive = dataset.known_abuse(train)
    return lexicon.learn(counts, ("en", *MARKED), abusive)


def _heads(
    train: Corpus, taught: Corpus, words: Lexicon, plan: Plan, tell: Progress
) -> list[_Fitted]:
    """The general head first, then one for each language with rows enough.

    ``taught`` begins with the rows of ``train``: what a teacher adds is for the general head.
    """
    english = np.isin(taught.langs, ENGLISH)
    rows = _read(taught, words.repairs(), english)
    targets = taught.targets.copy()
    targets[~english, 1:] = np.nan
    tell("fit general", 0.0)
    found = [_fit_head(GENERAL, plan.shape, rows, replace(taught, targets=targets), LABELS)]
    for place, (language, shape) in enumerate(HEADS.items()):
        tell(f"fit {language}", place / len(HEADS))
        own = np.flatnonzero(train.langs == language)
        labels = [label for label in LABELS[1:] if _learnable(train.targets[own, column(label)])]
        if labels:
            part = _part(train, own)
            found.append(_fit_head(language, shape, rows.pick(own), part, labels))
    return found


def _learnable(truth: NDArray[np.float32]) -> bool:
    return int((truth == 1).sum()) >= _FEWEST and int((truth == 0).sum()) >= _FEWEST


def _read(train: Corpus, repairs: Repairs, english: NDArray[np.bool_]) -> TokenRows:
    """The texts as the model will read them: disguises are undone in English alone."""
    known: tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]] = ({}, {})
    return token_rows(
        text_tokens(text, repairs if repaired else None, known[repaired])
        for text, repaired in zip(_clipped(train.texts), english.tolist(), strict=True)
    )


def _fit_head(
    language: str, shape: Shape, rows: TokenRows, train: Corpus, labels: Iterable[str]
) -> _Fitted:
    features = design(rows, shape)
    names = list(labels)
    weights, bias = np.zeros((shape.rows, len(names))), np.zeros(len(names))
    for place, label in enumerate(names):
        truth = train.targets[:, column(label)]
        judged = np.flatnonzero(~np.isnan(truth))
        weights[:, place], bias[place] = _fit(features, truth, judged, train, label)
    weights[0] = 0.0
    scale = np.maximum(np.abs(weights).max(0), 1e-9) / np.iinfo(np.int16).max
    flat = [0.0] * len(names)
    record = HeadRecord(
        language=language, labels=names, char_bits=shape.char_bits, word_bits=shape.word_bits,
        scale=scale.tolist(), bias=bias.tolist(), mix=flat, penalty=[100.0] * len(names),
        slope=[1.0] * len(names), offset=flat,
    )  # fmt: skip
    return _Fitted(record, np.round(weights / scale).astype(np.int16))


def _fit(
    features: Any, truth: Any, judged: NDArray[np.intp], train: Corpus, label: str
) -> tuple[Weights, float]:
    """Weights of the rows and bias of one label."""
    from classifier.fitting import FactoredLogisticRegression

    if len(np.unique(truth[judged])) < 2:
        return np.zeros(len(features.scale)), -5.0  # never seen: as good as never
    fit = FactoredLogisticRegression(C=_STRENGTH.get(label, _DEFAULT_STRENGTH))
    fit.fit(features.pick(judged), truth[judged], _row_weights(train, label)[judged])
    return fit.coef_ * features.scale, fit.intercept_


def _row_weights(train: Corpus, label: str) -> Weights:
    """Weights of the rows; sources that are about abuse say less of what is not spam."""
    weights = train.weights.astype(np.float64)
    if label == "spam":
        of_spam = [source.name for source in SOURCES if source.task == "spam"]
        weights[~np.isin(train.sources, of_spam)] *= _OTHER_TASK
        weights[train.sources == TEMPLATES] = _TEMPLATES_TASK
    return weights


def _model(fitted: list[_Fitted], words: Lexicon, plan: Plan, seed: int) -> Classifier:
    """The uncalibrated model, weights already rounded as they ship."""
    manifest = Manifest(
        format=artifact.FORMAT, version=plan.version, features_version=FEATURES_VERSION,
        heads=[head.record for head in fitted], marked=list(MARKED), sha256={}, self_test=[],
        seed=seed,
    )  # fmt: skip
    return Classifier(manifest, [head.weights for head in fitted], words)


def _calibrated(model: Classifier, rows: Corpus, tell: Progress) -> Classifier:
    """The model with its margins turned into probabilities, head by head."""
    tell("calibrate", 0.0)
    records = []
    for place, record in enumerate(model.manifest.heads):
        of_head = np.isin(rows.langs, ENGLISH if place == 0 else (record.language,))
        if place == 0:
            of_head |= ~np.isnan(rows.targets[:, 0]) & (rows.targets[:, 0] == 1)
        part = _part(rows, np.flatnonzero(of_head))
        records.append(calibrate.calibrated(model, place, record, part) if len(part) else record)
    manifest = _replace(model.manifest, heads=records)
    return Classifier(manifest, [head.table.weights for head in model.heads], model.lexicon)


def _part(rows: Corpus, picked: NDArray[np.intp]) -> Corpus:
    return Corpus(
        texts=[rows.texts[k] for k in picked.tolist()], sources=rows.sources[picked],
        langs=rows.langs[picked], weights=rows.weights[picked], targets=rows.targets[picked],
    )  # fmt: skip


def _self_tests(model: Classifier) -> list[SelfTest]:
    scores = model.score(_SELF_TESTS)
    return [
        SelfTest(text, [round(float(s), 6) for s in row])
        for text, row in zip(_SELF_TESTS, scores, strict=True)
    ]


def _clipped(texts: list[str]) -> list[str]:
    return [text[: dataset.LONGEST] for text in texts]


def _replace(manifest: Manifest, **changes: Any) -> Manifest:
    return msgspec.structs.replace(manifest, **changes)
