"""How long one comment takes to score, by length, alone and in batches; prints JSON.

``python benchmarks/scoring.py --data DIR`` takes real text from DIR (NAME.jsonl.gz). Lengths are
code points, times microseconds a text on one core: the median over texts of the best of three
passes, ``first`` being the first pass with a vocabulary that has met none of the texts.
"""

import argparse
import gzip
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import classifier

LENGTHS = {60: 2000, 350: 2000, 5000: 150}
SOURCES = ("toxic_spans", "blog3_approved", "wiki_context_toxicity")


def texts(data: Path, length: int, count: int) -> list[str]:
    rows = []
    for name in SOURCES:
        with gzip.open(data / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows += [json.loads(line)["text"] for line in lines]
    random.Random(3).shuffle(rows)
    joined = " ".join(rows)
    cuts = []
    place = 0
    for _ in range(count):
        start = joined.find(" ", place) + 1
        cuts.append(joined[start : start + length].rsplit(" ", 1)[0])
        place = start + length
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    start = time.perf_counter()
    model = classifier.load(classifier.default_artifact())
    report: dict[str, Any] = {"load_ms": round((time.perf_counter() - start) * 1e3, 1)}
    for length, count in LENGTHS.items():
        model = classifier.load(classifier.default_artifact())
        report[str(length)] = measure(model, texts(given.data, length, count))
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
