"""Trains what Winnow is compared with on the rows that Winnow's own model is trained on.

    python benchmarks/usual_models.py [--data DIR]

Other benchmarks do it themselves where nobody has before; that takes many minutes, once. Prints
what it took as JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import tempfile
import time
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


KEPT = Path(__file__).parent.parent / "build" / "bench" / "usual"
"""Where trained models are kept: training takes longer than what it is for."""


def trained(data: Path | None, folder: Path) -> dict[str, Path]:
    """The usual models: words, and words with characters; trained where none are kept that fit."""
    kept = KEPT / _fingerprint(data)
    if not kept.exists():
        found = _train(data, folder)
        shutil.rmtree(KEPT, ignore_errors=True)
        kept.mkdir(parents=True)
        for path in found.values():
            shutil.copy(path, kept)
    return {path.stem: path for path in kept.glob("*.model")}


def _fingerprint(data: Path | None) -> str:
    """A hash of all that a model is made of."""
    rows = Path(__file__).parent.parent / "classifier" / "dataset.py"
    about = [path.read_bytes() for path in (Path(__file__), RIVALS / "usual_model.py", rows)]
    for path in sorted(data.glob("*.jsonl.gz")) if data else ():
        about.append(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}".encode())
    return hashlib.sha256(b"\0".join(about)).hexdigest()[:16]


def _train(data: Path | None, folder: Path) -> dict[str, Path]:
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in training_rows(data)))
    found = {"words": folder / "words.model", "characters": folder / "characters.model"}
    for name, path in found.items():
        command = [RIVALS_PYTHON, RIVALS / "usual_model.py", rows, path]
        subprocess.run(command + ["--characters"] * (name == "characters"), check=True)
    return found


def main() -> None:
    """Trains them, unless they are kept already."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder of NAME.jsonl.gz")
    parser.add_argument("--json", action="store_true", help="as it prints anyway")
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="winnow-usual-") as folder:
        found = trained(args.data, Path(folder))
    sizes = {name: round(path.stat().st_size / 1e6, 1) for name, path in sorted(found.items())}
    print(json.dumps({"training_s": round(time.monotonic() - began, 1), "mb": sizes}))


if __name__ == "__main__":
    main()
