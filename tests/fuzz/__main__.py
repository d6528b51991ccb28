"""Everything that is fuzzed, for longer: `python -m tests.fuzz [--long] [--seed N]`.

Without `--long` about ten minutes on two cores, with it the counts of a release: many hours. Each
part says what it did; the exit code is 1 where one of them failed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz.targets import TARGETS

ROOT: Final = Path(__file__).parents[2]


class Counts(NamedTuple):
    """How much of each kind."""

    cases: int
    artifacts: int
    examples: int
    runs: int
    steps: int
    explored_s: int


SHORT: Final = Counts(cases=100, artifacts=2_000, examples=300, runs=5, steps=50, explored_s=20)
LONG: Final = Counts(
    cases=1_000, artifacts=10_000, examples=10_000, runs=200, steps=100, explored_s=3_600
)
STATISTIC: Final = re.compile(r"stat::number_of_executed_units: (\d+)")


def tested(paths: list[str], environ: dict[str, str]) -> tuple[int, str]:
    """Runs tests; their exit code and what they print at the end."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *paths],
        cwd=ROOT,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    return done.returncode, "\n".join(lines[-60:] if done.returncode else lines[-4:])


def explored(name: str, seconds: int) -> tuple[int, str]:
    """Explores one target with atheris."""
    done = subprocess.run(
        [sys.executable, "tests/fuzz/explore.py", name, str(seconds)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    executions = STATISTIC.search(said)
    told = f"{int(executions[1]):,} executions" if executions else "no statistics"
    return done.returncode, told if done.returncode == 0 else f"{told}\n{said[-2000:]}"


def main() -> int:
    """Fuzzes everything; 0 where nothing failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--long", action="store_true", help="the counts of a release")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    counts, failed = LONG if given.long else SHORT, 0
    print(f"seed {given.seed}, {counts}")
    seed = {"WINNOW_FUZZ_SEED": str(given.seed)}
    parts = {
        "API": (["tests/fuzz/test_api.py"], {"WINNOW_FUZZ_CASES": str(counts.cases)}),
        "models": (
            ["tests/fuzz/test_artifacts.py"],
            {"WINNOW_FUZZ_ARTIFACTS": str(counts.artifacts)},
        ),
        "promises": (
            ["tests/fuzz/test_targets.py"],
            {"WINNOW_FUZZ_EXAMPLES": str(counts.examples)},
        ),
        "store": (
            ["tests/store/test_model_crashes.py"],
            {"WINNOW_TEST_CRASHES": str(counts.runs), "WINNOW_TEST_STEPS": str(counts.steps)},
        ),
    }
    for part, (paths, environ) in parts.items():
        code, told = tested(paths, environ | seed)
        failed += code != 0
        print(f"{part}: {'failed' if code else 'fine'}\n{told}", flush=True)
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (pip install -e .[fuzz]): no target was explored")
        return min(failed, 1)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda name: (name, explored(name, counts.explored_s)), TARGETS)
        for name, (code, told) in found:
            failed += code != 0
            print(f"{name}: {'failed' if code else 'fine'}, {told}", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
