"""Trains what Winnow is compared with on the rows that Winnow's own model is trained on."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

from contestants import RIVALS, RIVALS_PYTHON

TRAINING_ROWS = 100_000


def training_rows(data: Path | None) -> list[dict[str, Any]]:
    """The rows that Winnow's model is trained on, at most 100,000 of them, drawn at random."""
    from classifier import dataset, generated

    if data is None:
        return [
            {"text": row["text"], "toxicity": int(row["label"])} for row in generated.rows(seed=0)
        ]
    rows = []
    for example in dataset.read(data):
        judged = {k: int(v) for k, v in example.judged.items() if k in ("spam", "toxicity")}
        if judged and example.part == "train":
            rows.append({"text": example.text, **judged})
    random.Random(5).shuffle(rows)
    return rows[:TRAINING_ROWS]


def trained(data: Path | None, folder: Path) -> dict[str, Path]:
    """The usual models: words, and words with characters."""
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in training_rows(data)))
    found = {"words": folder / "words.model", "characters": folder / "characters.model"}
    for name, path in found.items():
        command = [RIVALS_PYTHON, RIVALS / "usual_model.py", rows, path]
        subprocess.run(command + ["--characters"] * (name == "characters"), check=True)
    return found
