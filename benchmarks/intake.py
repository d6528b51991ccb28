"""How fast comments are taken in, next to the ceiling and to what people use today, in one run.

    python benchmarks/intake.py [--data DIR] [--seconds 8] [--rounds 3] [--only NAME…]

wrk holds 64 keep-alive connections and sends varied comments of 40 to 2,000 characters as fast as
they are answered. Every contestant is started fresh, warmed up and measured in turn, `--rounds`
times over; figures are medians. `ratio` is Winnow's requests a second over the contestant's with
as many processes, `cpu_ratio` the contestant's CPU time a request over Winnow's, all processes of
each counted: on a machine that the load generator shares, the latter is the steadier. Prints
JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bodies
import contestants
from contestants import Contestant
from load import Load, load, wrk_version
from usual_models import trained

TEXTS = 5_000
Start = Callable[[], contextlib.AbstractContextManager[Contestant]]


def entrants(texts: list[str], models: dict[str, Path]) -> dict[str, Start]:
    """Everybody by name."""
    found: dict[str, Start] = {}
    for n in (1, 2):
        found[f"winnow, {n}"] = lambda n=n: contestants.winnow(texts, n)
        found[f"echo, {n}"] = lambda n=n: contestants.echo(texts, n)
        found[f"ceiling, {n}"] = lambda n=n: contestants.ceiling(texts, n)
        if models:
            found[f"usual (words), {n}"] = lambda n=n: contestants.usual(texts, n, models["words"])
            found[f"usual (words and characters), {n}"] = lambda n=n: contestants.usual(
                texts, n, models["characters"]
            )
            found[f"isso, {n}"] = lambda n=n: contestants.isso(texts, n)
    return found


def measure(start: Start, seconds: int) -> Load:
    """One round of one contestant."""
    with start() as running:
        load(running.url, running.bodies, key=running.key, seconds=2, pids=running.pids)
        return load(
            running.url, running.bodies, key=running.key, seconds=seconds, pids=running.pids
        )


def summary(rounds: dict[str, list[Load]]) -> dict[str, dict[str, Any]]:
    """Medians, and ratios to Winnow with as many processes."""
    found: dict[str, dict[str, Any]] = {}
    for name, loads in rounds.items():
        found[name] = {
            "per_second": statistics.median(one.per_second for one in loads),
            "server_us": statistics.median(one.server_us for one in loads),
            "store_us": statistics.median(one.store_us for one in loads),
            "rounds": [one.per_second for one in loads],
            "failed": sum(one.failed for one in loads),
        }
    for name, row in found.items():
        ours = found.get("winnow, " + name.rpartition(", ")[2])
        if ours and row is not ours:
            row["ratio"] = round(ours["per_second"] / row["per_second"], 2)
            row["cpu_ratio"] = round(row["server_us"] / ours["server_us"], 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of NAME.jsonl.gz")
    parser.add_argument("--seconds", type=int, default=8, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of names")
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    args = parser.parse_args()
    wrk = wrk_version()
    with tempfile.TemporaryDirectory(prefix="winnow-intake-") as folder:
        texts = bodies.texts(args.data, TEXTS)
        rivals = contestants.RIVALS_PYTHON.exists()
        wanted = not args.only or any(name.startswith("usual") for name in args.only)
        models = trained(args.data, Path(folder)) if rivals and wanted else {}
        chosen = {
            name: start
            for name, start in entrants(texts, models).items()
            if not args.only or name.startswith(tuple(args.only))
        }
        rounds: dict[str, list[Load]] = {name: [] for name in chosen}
        for _ in range(args.rounds):
            for name, start in chosen.items():
                rounds[name].append(measure(start, args.seconds))
                print(name, rounds[name][-1], file=sys.stderr)
    report = {
        "texts": bodies.kind(args.data),
        "load": f"{wrk}, 64 connections",
        "results": summary(rounds),
    }
    if not rivals:
        report["left out"] = "make rivals installs what Winnow is compared with"
    print(json.dumps(report, indent=None if args.json else 1))


if __name__ == "__main__":
    main()
