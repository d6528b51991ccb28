"""Adapting: what one site's own decisions add to a model, as a model of the same kind.

For each label that the site judged often enough, a second regression is fitted on top of the
model's own log-odds and its weights are added to the model's: the adapted model is as fast
and explains itself as exactly as the one it came from. The newest fifth of the judgements is
kept aside and decides, label by label, whether what was learnt is used at all.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from classifier import artifact
from classifier.artifact import Manifest, SelfTest
from classifier.dataset import GROUP_CAP, LONGEST, group_key, text_key
from classifier.design import Design, TokenRows, design, token_rows
from classifier.heads import HeadRecord
from classifier.labels import LABELS, column
from classifier.metrics import curve
from classifier.model import Classifier, load

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Weights = NDArray[np.int16]

FEWEST: Final = 30
"""Judgements of each kind, 1 and 0, below which a label is left as it is."""
HELD_OUT: Final = 0.2
"""Share of the judgements, the newest, that measure and decide."""
STRENGTH: Final = 2.0
"""Inverse strength of the penalty on what is added (`C`)."""
AUC_GIVEN: Final = 0.005
"""ROC-AUC that better probabilities may cost on the newest judgements."""
_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a site said of one text; ``labels`` maps labels to 0 or 1; ``at`` orders them."""

    text: str
    labels: dict[str, float]
    at: int = 0


@dataclass(slots=True)
class Learnt:
    """What became of one label: figures on the newest judgements, before and after.

    ``before`` and ``after`` hold ``auc``, ``log_loss`` and ``agreement``: the share of
    judgements that a threshold of 0.5 agrees with.
    """

    label: str
    language: str
    judged: int
    positives: int
    held_out: int = 0
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)
    kept: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Judged texts as one head reads them, oldest first."""

    features: Design
    margins: Floats  # calibrated log-odds of the base model (n, 8)
    truth: Floats  # (n, 8), NaN for "not judged"
    newest: NDArray[np.bool_]


def adapt(
    base: Path,
    judged: Iterable[Judgement],
    out: Path,
    *,
    name: str,
    tell: "Callable[[str, float], None] | None" = None,
) -> list[Learnt]:
    """Write the model in ``base`` to ``out``, with what these judgements add to it.

    ``name`` becomes part of the version. Nothing is written where nothing was learnt; the
    report says why. The same judgements give the same model.

    Raises ``ArtifactError`` if ``base`` is no model that can be loaded.
    """
    tell = tell or (lambda stage, share: None)
    model = load(base)
    rows = [(one, _places(model, one)) for one in _distinct(judged)]
    tables: list[Weights] = [head.table.weights for head in model.heads]
    records, report = list(model.manifest.heads), []
    for place, record in enumerate(model.manifest.heads):
        tell(f"learn {record.language}", place / len(records))
        own = _rows_of(model, place, rows)
        if own is not None:
            found, records[place], tables[place] = _learn(own, record, tables[place], model, place)
            report += found
    tell("write", 1.0)
    if any(learnt.kept for learnt in report):
        manifest = _manifest(model, f"{model.version}.{name}", records, tables, report)
        card = _card(base, manifest.version, report)
        artifact.save(out, manifest, tables, model.lexicon, card)
    return report


def _distinct(judged: Iterable[Judgement]) -> list[Judgement]:
    """One judgement a text, the newest, oldest first; no more than some of one template."""
    newest: dict[str, Judgement] = {}
    for one in sorted(judged, key=lambda one: (one.at, one.text)):
        key = text_key(one.text)
        if key:
            earlier = newest.pop(key, None)
            labels = (earlier.labels if earlier else {}) | one.labels
            newest[key] = Judgement(one.text[:LONGEST], labels, one.at)
    groups: Counter[str] = Counter()
    kept = []
    for one in reversed(newest.values()):
        group = group_key(one.text)
        groups[group] += 1
        if groups[group] <= GROUP_CAP:
            kept.append(one)
    return kept[::-1]


def _places(model: Classifier, one: Judgement) -> dict[str, int]:
    """Which head scores each label that was judged of a text."""
    reading = model.read([one.text])[1][0]
    return {
        label: model.head_for(reading, column(label)) for label in one.labels if label in LABELS
    }


def _rows_of(
    model: Classifier, place: int, rows: Sequence[tuple[Judgement, dict[str, int]]]
) -> _Rows | None:
    """The texts of which a head scores a label that was judged; None where there are none."""
    mine = [(one, places) for one, places in rows if place in places.values()]
    if not mine:
        return None
    truth = np.full((len(mine), len(LABELS)), np.nan)
    for k, (one, places) in enumerate(mine):
        for label in (label for label, scored_by in places.items() if scored_by == place):
            truth[k, column(label)] = float(one.labels[label] >= 0.5)
    own = [one for one, _ in mine]
    texts = [one.text for one in own]
    margins = np.concatenate(
        [model.log_odds(texts[k : k + _BATCH]) for k in range(0, len(texts), _BATCH)]
    )
    features = design(_tokens(model, texts), model.manifest.heads[place].shape)
    return _Rows(features, margins.astype(np.float64), truth, _newest(own))


def _tokens(model: Classifier, texts: Sequence[str]) -> TokenRows:
    """The texts' tokens as the model reads them."""

    def read() -> Iterable[list[str]]:
        for text in texts:
            vocabulary, (reading,) = model.read([text])
            yield [vocabulary.tokens[k] for k in reading.ids.tolist()]

    return token_rows(read())


def _newest(rows: Sequence[Judgement]) -> NDArray[np.bool_]:
    """Which rows measure: the newest, but none of a template that older ones belong to."""
    first = len(rows) - int(len(rows) * HELD_OUT)
    met = {group_key(one.text) for one in rows[:first]}
    return np.array([k >= first and group_key(one.text) not in met for k, one in enumerate(rows)])


def _enough(truth: Floats) -> bool:
    return min(int((truth == 1).sum()), int((truth == 0).sum())) >= FEWEST


def _learn(
    rows: _Rows, record: HeadRecord, table: Weights, model: Classifier, place: int
) -> tuple[list[Learnt], HeadRecord, Weights]:
    """What became of each label of a head, and the head with what is kept of it."""
    weights = table.astype(np.float32) * np.array(record.scale, np.float32)
    bias, report = list(record.bias), []
    for at, label in enumerate(record.labels):
        truth = rows.truth[:, column(label)]
        learnt = Learnt(
            label, record.language, int((~np.isnan(truth)).sum()), int((truth == 1).sum())
        )
        if learnt.judged:
            report.append(learnt)
        if not _enough(truth):
            learnt.why = f"fewer than {FEWEST} judgements of each kind"
            continue
        _measure(learnt, rows, label)
        if learnt.kept:
            added, shift = _fit(rows, label, ~np.isnan(truth))
            weights[:, at] += added / record.slope[at]
            bias[at] += shift / record.slope[at]
    if not any(learnt.kept for learnt in report):
        return report, record, table
    weights[0] = 0.0
    scale = np.maximum(np.abs(weights).max(0), 1e-9) / np.iinfo(np.int16).max
    changed = msgspec.structs.replace(record, scale=scale.tolist(), bias=bias)
    return report, changed, np.round(weights / scale).astype(np.int16)


def _measure(learnt: Learnt, rows: _Rows, label: str) -> None:
    """Fits on the older judgements and measures on the newest."""
    at = column(label)
    judged = ~np.isnan(rows.truth[:, at])
    held, older = np.flatnonzero(judged & rows.newest), judged & ~rows.newest
    learnt.held_out, truth = len(held), rows.truth[held, at]
    if len(np.unique(truth)) < 2 or len(np.unique(rows.truth[older, at])) < 2:
        learnt.why = "the newest judgements, or the older ones, are all alike"
        return
    added, shift = _fit(rows, label, older)
    before = rows.margins[held, at]
    after = before + rows.features.pick(held).unscaled(added) + shift
    learnt.before, learnt.after = _figures(before, truth), _figures(after, truth)
    better = learnt.after["log_loss"] < learnt.before["log_loss"]
    learnt.kept = better and learnt.after["auc"] >= learnt.before["auc"] - AUC_GIVEN
    learnt.why = "" if learnt.kept else "it did not help on the newest judgements"


def _fit(rows: _Rows, label: str, used: NDArray[np.bool_]) -> tuple[NDArray[np.float32], float]:
    """Weights of the n-grams, and a shift, to add to the log-odds of one label."""
    from classifier.fitting import FactoredLogisticRegression

    at, places = column(label), np.flatnonzero(used)
    features = rows.features.pick(places)
    fit = FactoredLogisticRegression(C=STRENGTH)
    fit.fit(features, rows.truth[places, at], np.ones(len(places)), rows.margins[places, at])
    return (fit.coef_ * features.scale).astype(np.float32), fit.intercept_


def _figures(margins: Floats, truth: Floats) -> dict[str, float]:
    signs = np.where(truth > 0.5, 1.0, -1.0)
    return {
        "auc": round(curve(margins, truth).auc, 4),
        "log_loss": round(float(np.logaddexp(0, -signs * margins).mean()), 4),
        "agreement": round(float(((margins > 0) == (truth > 0.5)).mean()), 4),
    }


def _manifest(
    model: Classifier,
    version: str,
    records: list[HeadRecord],
    tables: list[Weights],
    report: list[Learnt],
) -> Manifest:
    """The manifest of the adapted model; its self-test asks the texts of the base model's."""
    figures = [asdict(learnt) for learnt in report]
    manifest = msgspec.structs.replace(
        model.manifest,
        version=version,
        heads=records,
        metrics={**model.manifest.metrics, "adapted": figures},
    )
    texts = [vector.text for vector in manifest.self_test]
    scores = Classifier(manifest, tables, model.lexicon).score(texts)
    vectors = [
        SelfTest(text, [round(float(score), 6) for score in row])
        for text, row in zip(texts, scores, strict=True)
    ]
    return msgspec.structs.replace(manifest, self_test=vectors)


def _card(base: Path, version: str, report: list[Learnt]) -> str:
    """The base model's card behind a section on what was added."""
    lines = [
        f"# Winnow model {version}\n",
        "The model described below, with what a site's own decisions added. Figures: the newest",
        "judgements, which were kept aside; then all judgements were learnt from.\n",
        "| label | language | judged | held out | ROC-AUC | agreement at 0.5 | used |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in report:
        change = "{0[auc]} → {1[auc]} | {0[agreement]} → {1[agreement]}"
        told = change.format(one.before, one.after) if one.before else "– | –"
        used = "yes" if one.kept else f"no: {one.why}"
        lines.append(
            f"| {one.label} | {one.language} | {one.judged} | {one.held_out} | {told} | {used} |"
        )
    return "\n".join(lines) + "\n\n" + (base / artifact.CARD).read_text(encoding="utf-8")
