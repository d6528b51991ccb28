"""How well texts are told apart: Winnow, the usual model, packages against bad words.

    python benchmarks/accuracy.py --data DIR [--model FOLDER] [--rounds 200]

DIR holds the labelled NAME.jsonl.gz files; measured are English rows that training left out (for
spam those in any language), by set. The usual models (TF-IDF of words, or of words and
characters, with a logistic regression: `make rivals`) have learnt from at most 100,000 of the rows
that Winnow's model has. better-profanity, which is slow, is asked about at most 100 rows of a set.
Prints JSON: ROC-AUC and the recall at 1 % false holds, with 95 % bootstrap intervals.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from contestants import RIVALS, RIVALS_PYTHON
from usual_models import trained

import classifier
from classifier import dataset
from classifier.dataset import Corpus
from classifier.labels import column
from classifier.metrics import summary
from classifier.scored import BLOGS, FEWEST, score_all
from classifier.training import ENGLISH

LABELS = ("toxicity", "spam")
OURS = "winnow"
FIGURES = ("auc", "recall_at_1%")
FEW = 100  # rows of a set that a slow contestant is asked about

Opinions = dict[str, dict[str, Any]]
"""Label → contestant → scores."""


def opinions(rows: Corpus, model: classifier.Classifier, data: Path) -> Opinions:
    """What everybody says of the rows."""
    scores = score_all(model, rows.texts)
    found: Opinions = {label: {OURS: scores[:, column(label)]} for label in LABELS}
    with tempfile.TemporaryDirectory(prefix="winnow-accuracy-") as folder:
        asked = Path(folder) / "asked.json"
        asked.write_text(json.dumps({"texts": rows.texts, "few": few(rows)}))
        usual = [f"usual, {name}={path}" for name, path in trained(data, Path(folder)).items()]
        command = [RIVALS_PYTHON, RIVALS / "opinions.py", asked, *usual]
        told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    for label in LABELS:
        found[label] |= {name: np.array(each, float) for name, each in told[label].items()}
    return found


def few(rows: Corpus) -> list[int]:
    """Places of at most ``FEW`` rows of each set of toxicity, drawn at random."""
    draw = np.random.default_rng(0)
    drawn = [draw.permutation(np.flatnonzero(used))[:FEW] for _, used in sets(rows, "toxicity")]
    return sorted({int(place) for places in drawn for place in places})


def sets(rows: Corpus, label: str) -> Iterator[tuple[str, Any]]:
    """The sets with enough judged rows of each class, as masks; unseen blogs count as one too."""
    truth = rows.targets[:, column(label)]
    judged = ~np.isnan(truth)
    if label == "toxicity":
        judged &= np.isin(rows.langs, ENGLISH)
    masks = {str(name): rows.sources == name for name in np.unique(rows.sources)}
    masks[BLOGS] = np.char.startswith(rows.sources, "blog")
    for name, mask in masks.items():
        used = mask & judged
        positives = int((truth[used] == 1).sum())
        if min(positives, int(used.sum()) - positives) >= FEWEST:
            yield name, used


def compared(rows: Corpus, said: Opinions, rounds: int) -> dict[str, Any]:
    """The figures: label → set → n, positives, and contestant → figure."""
    found: dict[str, Any] = {}
    for label in LABELS:
        for name, used in sets(rows, label):
            truth = rows.targets[used, column(label)].astype(np.float64)
            each: dict[str, Any] = {"n": len(truth), "positives": int(truth.sum())}
            for who, scores in said[label].items():
                asked = ~np.isnan(scores[used])
                told = summary(scores[used][asked].astype(float), truth[asked], rounds=rounds)
                each[who] = {figure: told[figure] for figure in FIGURES}
            found.setdefault(label, {})[name] = each
    return found


def beaten(found: dict[str, Any]) -> dict[str, Any]:
    """Label → contestant: the mean ROC-AUC, and the sets in which it orders better than Winnow."""
    told: dict[str, Any] = {}
    for label, by_set in found.items():
        for who in next(iter(by_set.values())).keys() - {"n", "positives"}:
            areas = {name: each[who]["auc"][0] for name, each in by_set.items()}
            better = [n for n, area in areas.items() if area > by_set[n][OURS]["auc"][0]]
            mean = round(sum(areas.values()) / len(areas), 4)
            told.setdefault(label, {})[who] = {"mean_auc": mean, "better_in": better}
    return told


def table(found: dict[str, Any]) -> str:
    """The ROC-AUC figures as Markdown, a table a label."""
    lines = []
    for label, by_set in found.items():
        names = [key for key in next(iter(by_set.values())) if key not in ("n", "positives")]
        lines += [f"\n### {label}\n", f"| set | n | positive | {' | '.join(names)} |"]
        lines.append("|---" * (3 + len(names)) + "|")
        for name, each in by_set.items():
            cells = [_cell(each[who]["auc"], own=who == OURS) for who in names]
            lines.append(f"| {name} | {each['n']} | {each['positives']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(figure: list[float], *, own: bool) -> str:
    value, low, high = figure
    return f"{value:.3f} ({low:.3f}–{high:.3f})" if own else f"{value:.3f}"


def main() -> None:
    """Reads the arguments and prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder of NAME.jsonl.gz")
    parser.add_argument("--model", type=Path, default=classifier.default_artifact())
    parser.add_argument("--rounds", type=int, default=200, help="of the bootstrap")
    parser.add_argument("--json", action="store_true", help="as it prints anyway")
    parser.add_argument("--markdown", action="store_true", help="tables instead of JSON")
    args = parser.parse_args()
    rows = dataset.corpus(e for e in dataset.read(args.data) if e.part == "dev")
    model = classifier.load(args.model)
    found = compared(rows, opinions(rows, model, args.data), args.rounds)
    if args.markdown:
        print(table(found))
        return
    report = {"model": model.version, "rows": len(rows), "beaten": beaten(found), "sets": found}
    json.dump(report, sys.stdout, indent=None if args.json else 1)
    print()


if __name__ == "__main__":
    main()
