"""What a threshold on a Perspective score means here: prints JSON and a Markdown table.

``python benchmarks/thresholds.py --data DIR`` scores the rows of DIR (NAME.jsonl.gz) that training
left out (``classifier.dataset``, part dev), as ``comments:analyze`` does. English labels are
weighed to how frequent they are on a real site (``classifier.calibrate.PRIORS``); in other
languages, whose rows are no natural samples, one row in five counts as positive.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import classifier
from classifier.calibrate import prior_weights
from classifier.dataset import Corpus, corpus, read
from classifier.labels import column
from service.api.compat.languages import LANGUAGES
from service.api.compat.perspective.attributes import ATTRIBUTES

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
ORDINARY = (0.01, 0.05)
ASSUMED_SHARE = 0.2
FEWEST = 100
HEADING = (
    "attribute",
    "language",
    "positive of",
    *(f"at {threshold}" for threshold in THRESHOLDS),
    *(f"{share:.0%} of the others" for share in ORDINARY),
)


def of_language(rows: Corpus, language: str) -> Corpus:
    kept = np.flatnonzero(rows.langs == language)
    texts = [rows.texts[k] for k in kept.tolist()]
    columns = (rows.sources[kept], rows.langs[kept], rows.weights[kept], rows.targets[kept])
    return Corpus(texts, *columns)


def weights_of(rows: Corpus, label: str, language: str) -> np.ndarray:
    if language == "en":
        return prior_weights(rows, label)
    truth = rows.targets[:, column(label)]
    weights = np.zeros(len(truth))
    weights[truth == 1] = ASSUMED_SHARE / max(1, (truth == 1).sum())
    weights[truth == 0] = (1 - ASSUMED_SHARE) / max(1, (truth == 0).sum())
    return weights


def measure(
    model: classifier.Classifier, rows: Corpus, label: str, language: str
) -> dict[str, Any]:
    weights = weights_of(rows, label, language)
    used = np.flatnonzero(weights)
    truth = rows.targets[used, column(label)] == 1
    texts = [rows.texts[k] for k in used.tolist()]
    scores = model.score(texts, [language] * len(texts))[:, column(label)]
    weights = weights[used] / weights[used].sum()
    found = {str(t): flagged(scores >= t, truth, weights) for t in THRESHOLDS}
    ordinary = {}
    for share in ORDINARY:
        threshold = float(np.quantile(scores[~truth], 1 - share))
        ordinary[str(share)] = {"threshold": round(threshold, 3)} | flagged(
            scores > threshold, truth, weights
        )
    return {
        "texts": len(used),
        "positive": int(truth.sum()),
        "prior": round(float(weights[truth].sum()), 4),
        "thresholds": found,
        "ordinary": ordinary,
    }


def flagged(held: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
    share, hits = float(weights[held].sum()), float(weights[held & truth].sum())
    return {
        "flagged": round(share, 4),
        "precision": round(hits / share, 3) if share else None,
        "recall": round(hits / float(weights[truth].sum()), 3),
    }


def report(model: classifier.Classifier, rows: Corpus) -> list[dict[str, Any]]:
    names = {row.label: name for name, row in reversed(ATTRIBUTES.items())}
    return [
        {"attribute": names[label], "language": language}
        | measure(model, of_language(rows, language), label, language)
        for label, languages in LANGUAGES.items()
        for language in languages
    ]


def table(found: list[dict[str, Any]]) -> str:
    lines = [HEADING, ("---",) * len(HEADING)]
    for row in found:
        few = "*" if row["positive"] < FEWEST else ""
        lines.append(
            (
                row["attribute"],
                row["language"],
                f"{row['positive']}{few} of {row['texts']}",
                *(shown(each) for each in row["thresholds"].values()),
                *(
                    f"{e['threshold']:.2f}: {percent(e['recall'])}"
                    for e in row["ordinary"].values()
                ),
            )
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(row: dict[str, Any]) -> str:
    return " / ".join(percent(row[name]) for name in ("flagged", "precision", "recall"))


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}" if value < 0.1 else f"{100 * value:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", action="store_true", help="one line of JSON and no table")
    given = parser.parse_args()
    rows = corpus(row for row in read(given.data) if row.part == "dev")
    found = report(classifier.load(classifier.default_artifact()), rows)
    if given.json:
        print(json.dumps({"rows": found}))
        return
    print(json.dumps(found, indent=1))
    print(f"\n{table(found)}\n\n* fewer than {FEWEST} positive texts: little more than a hint.")


if __name__ == "__main__":
    main()
