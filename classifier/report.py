"""A report as a folder: ``report.json``, ``REPORT.md`` and the plots of every label."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from classifier import plots, tables
from classifier.calibrate import PRIORS
from classifier.evaluation import prior_weights
from classifier.labels import LABELS
from classifier.metrics import curve, reliability
from classifier.scored import Scored, slices

REPORT: Final = "REPORT.md"
FIGURES: Final = "report.json"


def write(folder: Path, rows: Scored, found: dict[str, Any]) -> list[Path]:
    """Write the report ``found`` of ``rows`` and its plots into ``folder``; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = dict(pictures(rows))
    for name, picture in drawn.items():
        (folder / name).write_text(picture, encoding="utf-8")
    (folder / FIGURES).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (folder / REPORT).write_text(text(found, list(drawn)), encoding="utf-8")
    return [folder / name for name in (REPORT, FIGURES, *drawn)]


def text(found: dict[str, Any], pictures: list[str]) -> str:
    """REPORT.md: the figures as tables, the plots below them."""
    parts = [f"# Evaluation of Winnow model {found['version']}\n", f"{found['rows']} rows.\n"]
    if "against" in found:
        parts.append(tables.comparison(found["against"]))
    if "gate" in found:
        parts.append(tables.gate(found["gate"]))
    parts += tables.figures(found)
    parts += ["## Plots\n", *(f"![{name.removesuffix('.svg')}]({name})\n" for name in pictures)]
    return "\n".join(parts)


def pictures(rows: Scored) -> Iterator[tuple[str, str]]:
    """File name and SVG of each label's plots; labels without enough rows have none."""
    for label in LABELS:
        lines = _lines(rows, label)
        if lines:
            words = label.replace("_", " ")
            yield (
                f"precision-recall-{label}.svg",
                plots.precision_recall(f"Precision and recall: {words}", lines),
            )
            yield f"reliability-{label}.svg", _reliability(rows, label)


def _lines(rows: Scored, label: str) -> list[plots.Line]:
    """The label's curves on the sets with most positive rows, without made-up ones."""
    written = rows.written()
    sets = {name: mask & written for name, mask in rows.sets().items()}
    found = [
        (float(truth.sum()), name, scores, truth)
        for name, which, scores, truth in slices(rows, sets)
        if which == label
    ]
    found.sort(key=lambda item: -item[0])
    lines = []
    for positives, name, scores, truth in found[: plots.CURVES]:
        drawn = curve(scores, truth)
        note = f"AP {drawn.average_precision:.3f}, {positives:.0f} of {len(truth)}"
        lines.append(plots.precision_recall_line(name, drawn, note))
    return lines


def _reliability(rows: Scored, label: str) -> str:
    scores, truth = rows.column(label)
    weights = prior_weights(rows, label)
    used = ~np.isnan(truth) if weights is None else weights > 0
    prior = PRIORS[label]
    note = f"Weighted to {prior.share:.1%} {prior.by.replace('_', ' ')}, as on a real site."
    if weights is None:
        note = "Rows as sampled, not at a natural prior."
    bins = reliability(scores[used], truth[used], None if weights is None else weights[used])
    return plots.reliability(
        f"Calibration: {label.replace('_', ' ')}", bins, f"{note} 95 % intervals."
    )
