"""Two models on the same rows: differences with paired bootstrap intervals (Efron 1979).

Both models are resampled with the same draws, so that what makes a row hard for both does
not blur what sets them apart.
"""

from pathlib import Path
from typing import Any, Final

from classifier.metrics import interval, sampled
from classifier.model import load
from classifier.outside import judged
from classifier.scored import Scored, scored, slices

FIGURES: Final = ("auc", "recall_at_1%")
BETTER: Final = "better"
SAME: Final = "same"
WORSE: Final = "worse"


def compare(
    first: Path,
    second: Path,
    data: Path,
    *,
    rounds: int = 200,
    seed: int | None = None,
    label: str | None = None,
) -> dict[str, Any]:
    """How the model in ``second`` differs from the one in ``first`` on the rows of ``data``.

    Our own sources count only where neither training saw a row (``seed`` overrides both
    seeds). Returns ``{"first", "second": versions, "rows", **differences(...)}``. Raises as
    ``evaluation.evaluate``.
    """
    models = load(first), load(second)
    seeds = [model.manifest.seed if seed is None else seed for model in models]
    rows = judged(data, seeds=seeds, label=label)
    pair = scored(models[0], rows), scored(models[1], rows)
    return differences(*pair, rounds=rounds, seed=seeds[1])


def differences(first: Scored, second: Scored, *, rounds: int, seed: int) -> dict[str, Any]:
    """The comparison by set and label.

    ``{"first", "second", "rows", "sets": {set: {"verdict", "labels": {label: {"n",
    "positives", "verdict", figure: {"first", "second", "difference": [value, low, high]}}}}}}``
    for the figures ``auc`` and ``recall_at_1%``; a difference above 0 is in favour of second.
    """
    sets: dict[str, dict[str, Any]] = {}
    pairs = zip(slices(first, first.sets()), slices(second, second.sets()), strict=True)
    for (name, label, ours, truth), (_, _, theirs, _) in pairs:
        one = sampled(ours, truth, rounds=rounds, seed=seed)
        two = sampled(theirs, truth, rounds=rounds, seed=seed)
        found = {figure: _difference(one[figure], two[figure]) for figure in FIGURES}
        counts = {"n": len(truth), "positives": int(truth.sum())}
        labels = sets.setdefault(name, {})
        labels[label] = counts | found | {"verdict": _verdict(found)}
    return {
        "first": first.model.version,
        "second": second.model.version,
        "rows": len(first.judged),
        "sets": {
            name: {"verdict": _overall(labels), "labels": labels} for name, labels in sets.items()
        },
    }


def _difference(one: Any, two: Any) -> dict[str, Any]:
    (first, first_samples), (second, second_samples) = one, two
    return {
        "first": round(first, 4),
        "second": round(second, 4),
        "difference": interval(second - first, second_samples - first_samples),
    }


def _verdict(figures: dict[str, Any]) -> str:
    """Worse if a figure's whole interval is below 0, better if one is above and none below."""
    intervals = [figure["difference"] for figure in figures.values()]
    if any(high < 0 for _, _, high in intervals):
        return WORSE
    return BETTER if any(low > 0 for _, low, _ in intervals) else SAME


def _overall(labels: dict[str, Any]) -> str:
    verdicts = {figures["verdict"] for figures in labels.values()}
    return next((v for v in (WORSE, BETTER) if v in verdicts), SAME)
