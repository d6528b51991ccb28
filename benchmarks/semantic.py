"""What the second stage adds: ROC-AUC of each stage and of both, and what a comment costs.

    python benchmarks/semantic.py --data DIR [--first FOLDER] [--second FOLDER] [--rows 600]

`DIR` holds the labelled NAME.jsonl.gz files; measured are rows that training left out, `--rows` of
each source (0 = all). Needs `make semantic`. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import classifier
from classifier import dataset, semantic
from classifier.semantic.measuring import Stages, measure, sampled

SIZES = (60, 350, 2000)
ROUNDS = 30
SENTENCES = (
    "Thanks for the write-up, the second example finally made it click for me. ",
    "I do not agree with your point about build times, ours went down by half. ",
    "Has anybody tried this with the new release? It fails on my machine. ",
)


def text_of(size: int) -> str:
    """A text of `size` characters."""
    whole = "".join(SENTENCES)
    return (whole * (size // len(whole) + 1))[:size]


def milliseconds(encoder: semantic.Encoder) -> dict[str, float]:
    """Median time of one text of each size, and a text's share of sixteen at once."""
    found = {f"{size} characters": _median(encoder, [text_of(size)]) for size in SIZES}
    found["350 characters, of 16 at once"] = _median(encoder, [text_of(350)] * 16) / 16
    return {name: round(value, 2) for name, value in found.items()}


def _median(encoder: semantic.Encoder, texts: list[str]) -> float:
    encoder.margins(texts)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        encoder.margins(texts)
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2] * 1000


def main() -> None:
    """Reads the arguments and prints the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--first", type=Path, default=classifier.default_artifact())
    parser.add_argument("--second", type=Path, default=semantic.default_folder())
    parser.add_argument("--rows", type=int, default=600, help="of a source at most, 0 for all")
    parser.add_argument("--speed-only", action="store_true", help="leave quality out")
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    args = parser.parse_args()
    stages = Stages(classifier.load(args.first), semantic.load(args.second))
    report: dict[str, Any] = {
        "first": stages.first.version,
        "second": stages.second.version,
        "milliseconds": milliseconds(stages.second),
    }
    if not args.speed_only:
        dev = (e for e in dataset.read(args.data) if e.part == "dev")
        report["roc_auc"] = measure(stages, dataset.corpus(sampled(dev, args.rows or sys.maxsize)))
    json.dump(report, sys.stdout, indent=None if args.json else 2)
    print()


if __name__ == "__main__":
    main()
