"""How long one comment takes to score, by length, alone and in batches; prints JSON.

    python benchmarks/scoring.py [--data DIR]

Lengths are code points, times microseconds a text on one core: the median over texts of the best
of three passes, ``first`` being the first pass with a vocabulary that has met none of the texts.
Where ``make rivals`` has been run, the same texts go through scikit-learn's own pipeline (TF-IDF
of words 1-2 and characters 2-5, a logistic regression a label) and a network of BERT-base's size,
one thread each.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bodies
from contestants import RIVALS, RIVALS_PYTHON
from usual_models import trained

import classifier

LENGTHS = {60: 2000, 350: 2000, 5000: 150}
TO_RIVALS = 200  # texts of a length that the slower ones get; a tenth for BERT


def cut(texts: list[str], length: int, count: int) -> list[str]:
    """`count` pieces of nearly `length` code points, cut at spaces, of the texts in a row."""
    joined = " ".join(texts)
    cuts: list[str] = []
    place = 0
    while len(cuts) < count:
        start = joined.find(" ", place) + 1
        cuts.append(joined[start : start + length].rsplit(" ", 1)[0])
        place = (start + length) % (len(joined) - 2 * length)
    return cuts


def timed(call: Callable[[Any], object], given: list[Any]) -> list[float]:
    found = []
    for item in given:
        start = time.perf_counter()
        call(item)
        found.append((time.perf_counter() - start) * 1e6)
    return found


def best(call: Callable[[Any], object], given: list[Any]) -> float:
    passes = [timed(call, given) for _ in range(3)]
    return round(statistics.median(map(min, zip(*passes, strict=True))), 1)


def measure(model: classifier.Classifier, given: list[str]) -> dict[str, float]:
    first = timed(lambda text: model.score([text]), given)
    batches = [given[k : k + 64] for k in range(0, len(given) - 63, 64)]
    return {
        "first_median": round(statistics.median(first), 1),
        "first_mean": round(statistics.mean(first), 1),
        "single": best(lambda text: model.score([text]), given),
        "batch_of_64": round(best(model.score, batches) / 64, 1),
        "explanation": best(lambda text: model.explain(text, "toxicity"), given[:300]),
    }


def rivals(data: Path | None, cuts: dict[int, list[str]]) -> dict[str, dict[str, float]]:
    """What the same texts cost scikit-learn and BERT, by length; empty where they are missing."""
    if not RIVALS_PYTHON.exists():
        return {}
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="winnow-scoring-") as folder:
        model = trained(data, Path(folder))["characters"]
        for length, texts in cuts.items():
            usual = _said("usual_scoring.py", model, texts[:TO_RIVALS])
            bert = _said("bert.py", None, texts[: TO_RIVALS // 10])
            found[str(length)] = {
                "scikit_learn_single": usual["single"],
                "scikit_learn_batch_of_64": usual.get("batch_of_64", usual["single"]),
                "bert": bert["ms"] * 1e3,
            }
    return found


def _said(script: str, model: Path | None, texts: list[str]) -> dict[str, float]:
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(texts, file)
        file.flush()
        command = [RIVALS_PYTHON, RIVALS / script, *([model] if model else []), file.name]
        one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, check=True, env=os.environ | one)
    said: dict[str, float] = json.loads(done.stdout)
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of NAME.jsonl.gz")
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    given = parser.parse_args()
    start = time.perf_counter()
    model = classifier.load(classifier.default_artifact())
    report: dict[str, Any] = {
        "texts": bodies.kind(given.data),
        "load_ms": round((time.perf_counter() - start) * 1e3, 1),
    }
    texts = bodies.texts(given.data, 20_000)
    cuts = {length: cut(texts, length, count) for length, count in LENGTHS.items()}
    for length in LENGTHS:
        model = classifier.load(classifier.default_artifact())
        report[str(length)] = measure(model, cuts[length])
    for length, row in rivals(given.data, cuts).items():
        report[length] |= row
        report[length]["times_scikit_learn"] = round(
            row["scikit_learn_single"] / report[length]["single"], 1
        )
        report[length]["times_bert"] = round(row["bert"] / report[length]["single"])
    print(json.dumps(report, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
