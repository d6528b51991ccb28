"""Makes the page on performance, with its plots, of what `winnow bench` printed.

    python benchmarks/report.py RESULTS.json... [--into docs]

Several files are put together, later ones over earlier ones. Writes `performance.md` and
`images/performance-*.svg` into the folder, and prints the figures to reach. Why a figure was not
reached is kept in `causes.toml`, what profiles said in `profile.md`, both beside this program.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from drawing import Plot, bars, dots, shown
from goals import GOALS, Goal, Results, at
from machine import described
from tables import TABLES, anything, table

HERE = Path(__file__).parent
ORDER = ("intake", "latency", "scoring", "wire", "growth", "reading")
HEADINGS = {
    "intake": "Intake",
    "latency": "Latency",
    "scoring": "Scoring",
    "wire": "The store's client",
    "growth": "Growth, and the queues at every size",
    "reading": "Reading",
}

PRINTS = re.compile(
    r"[;.]? *\bprints\s+(one\s+)?JSON\b[^.]*(?=\.)|\s*\bPrints\s+(one\s+)?JSON\b[^.]*\."
)
"""What docstrings say of how a program prints; the page needs none of it."""


def page(results: Results, drawn: dict[str, str]) -> str:
    """The page, in Markdown; `drawn` has the plots' file names by benchmark."""
    machine = results.get("machine") or described()
    lines = [
        "# Performance",
        "",
        "<!-- Made by benchmarks/report.py; edit what it reads instead. -->",
        "",
        *prose("opening"),
        "## Figures to reach",
        "",
        *goal_table(results),
        "## The machine",
        "",
        *machine_lines(machine),
        *prose("repeating"),
        *prose("contestants"),
    ]
    for name in [*ORDER, *sorted(set(results) - {*ORDER, "machine"})]:
        if name in results:
            lines += section(name, results[name], drawn.get(name))
    profile = HERE / "profile.md"
    if profile.exists():
        lines += ["## Where the time goes", "", profile.read_text(encoding="utf-8").strip(), ""]
    lines += prose("left_out")
    return "\n".join(lines).rstrip() + "\n"


def prose(name: str) -> list[str]:
    """A passage of `performance.toml`."""
    text = tomllib.loads((HERE / "performance.toml").read_text(encoding="utf-8"))[name]
    return [text.strip(), ""]


def goal_table(results: Results) -> list[str]:
    """What was measured, what was to be reached, and whether it was."""
    causes = tomllib.loads((HERE / "causes.toml").read_text(encoding="utf-8"))
    return table(
        ["figure", "measured", "to reach", "met", "remarks"],
        [_goal_row(goal, results, causes) for goal in GOALS],
    )


def _goal_row(goal: Goal, results: Results, causes: dict[str, str]) -> list[str]:
    sign = "≤" if goal.at_most else "≥"
    bound = f"{sign} {goal.bound:g} {goal.unit}"
    found = goal.measured(results)
    if found is None:
        return [goal.what, "–", bound, "not measured here", ""]
    value, remark = found
    met = goal.met(value)
    why = "" if met else " ".join(causes.get(goal.key, "").split())
    remarks = ". ".join(part for part in (remark, why) if part)
    return [goal.what, f"{shown(value)} {goal.unit}", bound, "yes" if met else "**no**", remarks]


def machine_lines(machine: dict[str, Any]) -> list[str]:
    """The machine, as one paragraph."""
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    return [
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']:g} GB of memory; "
        f"{machine['system']}, {machine['kernel']}; Python {machine['python']}; store: "
        f"{machine['store']}; Winnow {machine['winnow']} with {packages}. Load before the run: "
        f"{machine['load_before']:g}. Measured {machine['at']}.",
        "",
    ]


def section(name: str, said: dict[str, Any], image: str | None) -> list[str]:
    """One benchmark: what it measures, its plot and its tables."""
    about = _about(name)
    lines = [f"## {HEADINGS.get(name, name.capitalize())}", "", *about]
    if "error" in said:
        return [*lines, f"It did not run: {said['error']}.", ""]
    if image:
        lines += [f"![{HEADINGS.get(name, name)}]({image})", ""]
    facts = {key: said[key] for key in ("texts", "load", "left out", "took_s") if key in said}
    lines += TABLES.get(name, anything)({k: v for k, v in said.items() if k not in facts})
    said_too = [f"{key}: {value}" for key, value in facts.items() if key != "took_s"]
    if seconds := facts.get("took_s"):
        said_too.append(f"took {seconds:g} s")
    return [*lines, "; ".join(said_too) + ".", ""] if said_too else lines


def _about(name: str) -> list[str]:
    """The docstring of a benchmark, without its usage."""
    script = HERE / f"{name}.py"
    if not script.exists():
        return []
    doc = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    parts = [part for part in doc.split("\n\n") if not part.startswith("    ")]
    text = PRINTS.sub("", "\n\n".join(parts)).strip()
    return [*text.splitlines(), "", f"`python benchmarks/{name}.py --help` says how to run it.", ""]


def plots(results: Results) -> Iterator[tuple[str, str]]:
    """Benchmark and its plot, for those that have one and were run."""
    for name, draw in PLOTS.items():
        said = results.get(name)
        if said and "error" not in said and (svg := draw(said)):
            yield name, svg


def _intake(said: dict[str, Any]) -> str:
    found = said["results"]
    names = {name.rpartition(", ")[0]: None for name in found}
    counts = sorted({name.rpartition(", ")[2] for name in found})
    rows = [
        (
            name.replace("characters", "chars"),
            [at(found, f"{name}, {n}", "per_second") for n in counts],
        )
        for name in sorted(names, key=lambda name: -_fastest(found, name))
    ]
    series = [f"{n} web process{'es' if n != '1' else ''}" for n in counts]
    return bars(Plot("Comments taken in", "requests a second", series, rows))


def _fastest(found: dict[str, Any], name: str) -> float:
    return max(row["per_second"] for key, row in found.items() if key.rpartition(", ")[0] == name)


def _latency(said: dict[str, Any]) -> str:
    names = ("p50", "p99", "p99.9")
    rows = [
        (f"{int(rate):,} requests/s", [row[name] for name in names])
        for rate, row in said["rates"].items()
    ]
    return dots(
        Plot(
            "Time of a submission, open loop",
            "milliseconds, logarithmic",
            names,
            rows,
            goal=25.0,
            goal_says="p99 to reach at 300/s",
        )
    )


def _scoring(said: dict[str, Any]) -> str:
    names = ("single", "batch_of_64", "scikit_learn_single", "bert")
    rows = [
        (f"{int(size):,} characters", [row.get(name) for name in names])
        for size, row in said.items()
        if isinstance(row, dict)
    ]
    return dots(
        Plot(
            "Scoring a comment",
            "microseconds, logarithmic",
            ("Winnow", "Winnow, of 64", "scikit-learn", "BERT-base's size"),
            rows,
        )
    )


def _wire(said: dict[str, Any]) -> str:
    ways = ("singly", "redis_py", "winnow", "bare")
    rows = [
        (
            f"{callers} caller{'s' if callers != '1' else ''}",
            [row[way]["client_us"] for way in ways],
        )
        for callers, row in said["callers"].items()
    ]
    named = ("redis-py, singly", "redis-py, pipeline", "Winnow", "bare")
    return bars(Plot("CPU time of the store's client", "microseconds a call", named, rows))


def _growth(said: dict[str, Any]) -> str:
    rows = []
    for name, by_size in said["queues"].items():
        largest = by_size[max(by_size, key=int)]
        if "ratio" in largest:
            rows.append((name, [largest["ratio"]]))
    if not rows:
        return ""
    sizes = [f"{int(size):,}" for size in sorted(next(iter(said["queues"].values())), key=int)]
    return bars(
        Plot(
            f"Operations of the queues at {sizes[-1]} comments",
            f"times what they take at {sizes[0]}",
            ("",),
            rows,
            goal=1.5,
            goal_says="at most",
        )
    )


PLOTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "intake": _intake,
    "latency": _latency,
    "scoring": _scoring,
    "wire": _wire,
    "growth": _growth,
}


def write(results: Results, folder: Path) -> None:
    """Writes the page and its plots."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    drawn = {}
    for name, svg in plots(results):
        drawn[name] = f"images/performance-{name}.svg"
        (folder / drawn[name]).write_text(svg, encoding="utf-8")
    (folder / "performance.md").write_text(page(results, drawn), encoding="utf-8")


def main() -> None:
    """Writes the page and prints the figures to reach."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, nargs="+", help="what `winnow bench` printed")
    parser.add_argument("--into", type=Path, default=HERE.parent / "docs")
    args = parser.parse_args()
    results: Results = {}
    for path in args.results:
        results |= json.loads(path.read_text(encoding="utf-8"))
    write(results, args.into)
    print("\n".join(goal_table(results)), file=sys.stdout)


if __name__ == "__main__":
    main()
