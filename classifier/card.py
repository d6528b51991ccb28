"""The model card: what the model is, what it learnt from, how well it does, where it fails."""

from typing import Any

import numpy as np

from classifier.artifact import Manifest
from classifier.calibrate import PRIORS
from classifier.dataset import Corpus
from classifier.labels import LABELS
from classifier.sources import SOURCES

_HEAD = """# Winnow model {version}

A linear text classifier for comment moderation: hashed character 2- to 5-grams and word 1- to
3-grams of the normal form, one logistic regression a label, Platt calibration. Trained by
`winnow train` with seed {seed}; made to order comments for people to read, not to decide
alone about people.

## What it does not do well

- `sexually_explicit` was learnt from a list of phrases, not from people's judgements: it is
  little more than that list with neighbouring words, and its figures only say so.
- `threat` and `severe_toxicity` have few examples (table below). Read their scores as hints.
- Words that are joined, starred out or misspelt are found less often than plain ones.
- Hate without hateful words, irony and statements about groups are mostly missed.
- Quality outside of English differs by language; see the sets named by language. Their
  probabilities are far too low (they are calibrated on English): rank by them, or set
  thresholds for the language.
- English sources from Twitter carry a bias against African-American English; they weigh less,
  but the bias is not gone.
- Spam was learnt from rejected comments on technical blogs that mostly held a link or a
  keyword name; spam without either is found less often.
- Probabilities hold at the priors below. Where spam or abuse is rarer, scores are too high.
"""


def card(manifest: Manifest, train: Corpus) -> str:
    """The text of CARD.md for a model trained on ``train``."""
    parts = [
        _HEAD.format(version=manifest.version, seed=manifest.seed),
        _label_table(train),
        _figure_table(manifest.metrics["dev"]),
        _source_table(manifest, train),
    ]
    return "\n".join(parts)


def _label_table(train: Corpus) -> str:
    lines = [
        "## Labels",
        "",
        "| label | positive rows | negative rows | prior used |",
        "|---|---|---|---|",
    ]
    for place, label in enumerate(LABELS):
        truth = train.targets[:, place]
        prior = PRIORS[label]
        base = f"{prior.by} at {prior.share:.1%}"
        lines.append(
            f"| {label} | {int((truth == 1).sum())} | {int((truth == 0).sum())} | {base} |"
        )
    return "\n".join([*lines, ""])


def _figure_table(sets: dict[str, Any]) -> str:
    lines = [
        "## Figures on rows that training left out",
        "",
        "Value with its 95 % bootstrap interval; recall at 1 % false holds; ECE is the",
        "calibration error on that set as sampled (not at the natural prior).",
        "",
        "| set | label | n | positive | ROC-AUC | average precision | recall at 1 % | ECE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, figures in sets.items():
        for label, f in figures.items():
            cells = (_cell(f["auc"]), _cell(f["average_precision"]), _cell(f["recall_at_1%"]))
            head = f"| {name} | {label} | {f['n']} | {f['positives']} "
            lines.append(head + "| " + " | ".join(cells) + f" | {f['ece']:.3f} |")
    return "\n".join([*lines, ""])


def _cell(figure: list[float]) -> str:
    value, low, high = figure
    return f"{value:.3f} ({low:.3f}–{high:.3f})"


def _source_table(manifest: Manifest, train: Corpus) -> str:
    lines = [
        "## Sources and licences",
        "",
        "None of the text is shipped; the model holds only weights learnt from it.",
        "",
        "| source | task | rows trained on | weight | licence | SHA-256 of the file |",
        "|---|---|---|---|---|---|",
    ]
    counts = dict(zip(*np.unique(train.sources, return_counts=True), strict=True))
    for source in SOURCES:
        digest = manifest.data.get(f"{source.name}.jsonl.gz", "")
        if digest or source.made:
            rows = f"{counts.get(source.name, 0)} | {source.weight:g}"
            lines.append(
                f"| {source.name} | {source.task} | {rows} | {source.licence} | {digest[:16]} |"
            )
    return "\n".join([*lines, ""])
