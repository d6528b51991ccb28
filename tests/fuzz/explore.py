"""Coverage-guided fuzzing of one target: `python tests/fuzz/explore.py NAME SECONDS [FOLDER]`.

Needs atheris (an optional dependency of development). What is found is written to FOLDER, by
default tests/fuzz/corpus/NAME, where `make test` reads it from then on; interesting inputs are kept
apart, in build/fuzz/NAME.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
SLOWEST_S = 20


def main(name: str, seconds: int, found: Path) -> None:
    """Explores a target for some time, or until it fails."""
    with atheris.instrument_imports(include=["service", "classifier"]):
        from tests.fuzz.targets import TARGETS, seeds

        # Targets import what they call: here, so that it is instrumented. What is loaded once
        # would otherwise count as a slow input, too.
        for seed in seeds(name):
            TARGETS[name](seed)
    learnt = ROOT / "build" / "fuzz" / name
    for folder in (learnt, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (learnt / f"seed-{number}").write_bytes(seed)
    flags = [
        f"-max_total_time={seconds}",
        f"-timeout={SLOWEST_S}",
        "-max_len=4096",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        f"-artifact_prefix={found}/",
    ]
    atheris.Setup([sys.argv[0], *flags, str(learnt), str(found)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    given = Path(sys.argv[3]) if len(sys.argv) > 3 else ROOT / "tests/fuzz/corpus" / sys.argv[1]
    main(sys.argv[1], int(sys.argv[2]), given)
