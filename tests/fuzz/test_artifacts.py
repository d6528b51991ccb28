"""A damaged model is refused, whatever the damage; `WINNOW_FUZZ_ARTIFACTS` says how many."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

COUNT = int(os.environ.get("WINNOW_FUZZ_ARTIFACTS", "300"))
SEED = int(os.environ.get("WINNOW_FUZZ_SEED", "1"))
ROOT = Path(__file__).parents[2]


def test_no_damage_to_a_model_crashes_gets_in_or_fills_the_memory() -> None:
    done = subprocess.run(
        [sys.executable, "tests/fuzz/artifacts.py", str(COUNT), str(SEED)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)
    found = json.loads(done.stdout)
    assert found["damaged"] > 0.9 * COUNT
    assert set(found["let_in"]) <= {"junk_in_manifest", "not_finite", "other_words"}
    assert found["refused"] > 0.9 * found["damaged"]
