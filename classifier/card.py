"""The model card: what the model is, what it learnt from, how well it does, where it fails."""

from collections.abc import Iterator
from textwrap import fill
from typing import Any, Final

import numpy as np

from classifier import tables
from classifier.artifact import Manifest
from classifier.calibrate import PRIORS
from classifier.dataset import Corpus
from classifier.labels import LABELS
from classifier.sources import SOURCES

FEW: Final = 1000  # positive rows in training below which a label is said to have few examples

_HEAD = """# Winnow model {version}

A text classifier for comment moderation: eight labels, each with a calibrated probability.
Trained by `winnow train` with seed {seed}, {teacher}.
Made to order comments for people to read, not to decide alone about people.

## What it does not do well

"""
_ALWAYS: Final = (
    "`sexually_explicit` was learnt mostly from a list of phrases, not from people's judgements:"
    " it is little more than that list with neighbouring words, and its figures only say so.",
    "Irony, hints and hate without hateful words are often missed.",
    "Outside of English, quality differs by language (table below), and probabilities are"
    " calibrated on English: rank by them, or set thresholds for the language.",
    "English sources from Twitter carry a bias against African-American English; they weigh"
    " less, but the bias is not gone.",
    "Spam was learnt from comments that blogs rejected, which mostly held a link or a keyword"
    " name; spam without either is found less often.",
    "Probabilities hold at the priors below. Where spam or abuse is rarer, scores are too high.",
)


def card(manifest: Manifest, train: Corpus) -> str:
    """The text of CARD.md for a model trained on ``train``.

    Figures come from ``manifest.metrics``: ``dev`` is ``evaluation.measure``'s result, the
    rest has the names of ``evaluation.report`` and may be missing.
    """
    found = {**manifest.metrics, "sets": manifest.metrics.get("dev", {})}
    parts = [
        _head(manifest) + _weaknesses(found, train),
        _label_table(train),
        *tables.figures(found, brief=True),
        _source_table(manifest, train),
    ]
    return "\n".join(parts)


def _head(manifest: Manifest) -> str:
    alone = "from people's judgements alone"
    taught = f"from people's judgements and those of the encoder {manifest.teacher}"
    teacher = taught if manifest.teacher else alone
    return _HEAD.format(version=manifest.version, seed=manifest.seed, teacher=teacher)


def _weaknesses(found: dict[str, Any], train: Corpus) -> str:
    told = [*_few(train), *tables.weaknesses(found), *_ALWAYS]
    return "".join(
        fill(f"- {one}", 96, subsequent_indent="  ", break_on_hyphens=False) + "\n" for one in told
    )


def _few(train: Corpus) -> Iterator[str]:
    counts = dict(zip(LABELS, (train.targets == 1).sum(0).tolist(), strict=True))
    few = [f"`{label}` ({count:,})" for label, count in counts.items() if count < FEW]
    if few:
        yield (
            f"Few examples to learn from (fewer than {FEW:,} positive rows): {', '.join(few)}."
            " Read their scores as hints."
        )


def _label_table(train: Corpus) -> str:
    rows = []
    for place, label in enumerate(LABELS):
        truth, prior = train.targets[:, place], PRIORS[label]
        positive = int((truth == 1).sum())
        base = f"{prior.by} at {prior.share:.1%}"
        note = "few examples" if positive < FEW else ""
        rows.append((label, positive, int((truth == 0).sum()), base, note))
    heading = ("label", "positive rows", "negative rows", "prior used", "note")
    return f"## Labels\n\n{tables.table(heading, rows)}\n"


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
