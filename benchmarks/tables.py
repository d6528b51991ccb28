"""Markdown tables of what the benchmarks said, one function for each that has one of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from drawing import shown
from goals import at

Said = dict[str, Any]


def table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a table; numbers are shown with the digits that count."""
    lines = ["| " + " | ".join(heading) + " |"]
    lines.append("|" + " --- |" * len(heading))
    lines += ["| " + " | ".join(map(cell, row)) + " |" for row in rows]
    return [*lines, ""]


def cell(value: object) -> str:
    """One cell."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return shown(value)
    return str(value).replace("|", "\\|")


def intake(said: Said) -> list[str]:
    """Contestants, the fastest first."""
    rows = sorted(said["results"].items(), key=lambda row: -row[1]["per_second"])
    names = ("per_second", "server_us", "store_us", "ratio", "cpu_ratio", "failed")
    return table(
        [
            "contestant, web processes",
            "requests/s",
            "CPU µs a request",
            "of these the store",
            "Winnow's requests/s over its",
            "its CPU over Winnow's",
            "failed",
        ],
        [[name, *(row.get(one) for one in names)] for name, row in rows],
    )


def latency(said: Said) -> list[str]:
    """Rates, with the disk's own flush."""
    names = ("p50", "p90", "p99", "p99.9", "max", "per_second", "errors", "sent_late_p99")
    flush = said.get("disk_flush", {})
    return [
        *table(
            [
                "requests/s asked",
                *(f"{name}, ms" for name in names[:5]),
                "answered/s",
                "errors",
                "left late, p99 ms",
            ],
            [[int(rate), *(row[one] for one in names)] for rate, row in said["rates"].items()],
        ),
        f"A flush of this disk by itself: {cell(flush.get('p50'))} ms (p50), "
        f"{cell(flush.get('p99'))} ms (p99).",
        "",
    ]


def scoring(said: Said) -> list[str]:
    """Lengths."""
    names = {
        "single": "single",
        "first_median": "first time",
        "batch_of_64": "of a batch of 64",
        "explanation": "explained",
        "scikit_learn_single": "scikit-learn, single",
        "scikit_learn_batch_of_64": "scikit-learn, of 64",
        "bert": "BERT-base's size",
        "times_scikit_learn": "× scikit-learn",
        "times_bert": "× BERT",
    }
    rows = {size: row for size, row in said.items() if isinstance(row, dict)}
    return table(
        ["characters", *names.values()],
        [[int(size), *(row.get(name) for name in names)] for size, row in rows.items()],
    )


def wire(said: Said) -> list[str]:
    """Ways to call the store, by callers."""
    heading = ["callers at once", "way", "client CPU, µs a call", "times less than singly"]
    return table(
        heading,
        [
            [int(callers), f"`{way}`", row["client_us"], row["times_less"]]
            for callers, ways in said["callers"].items()
            for way, row in ways.items()
        ],
    )


def reading(said: Said) -> list[str]:
    """Pages of a thread; the events' fan-out."""
    pages = [(name, row) for name, row in said["thread"].items() if isinstance(row, dict)]
    events = said["events"]
    return [
        *table(
            ["thread of 1,000", "kB", "requests/s", "CPU µs", "with ETag, requests/s", "CPU µs"],
            [
                [
                    name,
                    row["bytes"] / 1000,
                    *(row[how][what] for how in ("cold", "known") for what in RATES),
                ]
                for name, row in pages
            ],
        ),
        *table(
            [
                "listeners",
                "until the last has it, p50 ms",
                "worst ms",
                "CPU µs for each event delivered",
                "memory for each, kB",
                "streams lost",
            ],
            [
                [
                    events["listeners"],
                    events["last_has_it_ms"]["p50"],
                    events["last_has_it_ms"]["max"],
                    events["server_us_an_event"],
                    events["web_kb_a_listener"],
                    events["lost_streams"],
                ]
            ],
        ),
    ]


RATES = ("per_second", "server_us")


def growth(said: Said) -> list[str]:
    """What each size takes, then each operation of the queues."""
    names = {
        "store's bytes a comment": ("memory", "bytes_per_comment"),
        "store, MB": ("memory", "used_mb"),
        "file rewritten, MB": ("rewrite", "file_mb"),
        "rewrite, s": ("rewrite", "seconds"),
        "store's start, s": ("rewrite", "start_s"),
        "warm start, s": ("serve", "warm_start_s"),
        "all processes, MB": ("serve", "pss_mb", "all"),
        "export/s": ("transfer", "export_per_second"),
        "import/s": ("transfer", "import_per_second"),
    }
    sizes = said["sizes"]
    return [
        *table(
            ["comments", *names],
            [
                [int(size), *(at(row, *path) for path in names.values())]
                for size, row in sizes.items()
            ],
        ),
        *queues(said["queues"]),
    ]


def queues(said: Said) -> list[str]:
    """Operations of the queues, by size."""
    if not said:
        return []
    sizes = sorted(next(iter(said.values())), key=int)
    rows = []
    for name, by_size in said.items():
        largest = by_size[sizes[-1]]
        medians = [by_size[size]["median_ms"] for size in sizes]
        rows.append([name, *medians, largest.get("ratio"), largest.get("cpu_ratio")])
    heading = ["operation of the queues", *(f"at {int(size):,}, ms" for size in sizes)]
    return table([*heading, "time ×", "CPU ×"], rows)


def anything(said: Said) -> list[str]:
    """Whatever a benchmark said, one line a figure."""
    return table(["figure", "value"], _flat(said))


def _flat(said: Any, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(said, dict):
        for key, value in said.items():
            yield from _flat(value, f"{name} · {key}" if name else str(key))
    elif isinstance(said, list) and said and isinstance(said[0], dict):
        for number, value in enumerate(said, 1):
            yield from _flat(value, f"{name} · {number}")
    elif isinstance(said, list):
        yield name, ", ".join(map(cell, said))
    else:
        yield name, said


TABLES: dict[str, Callable[[Said], list[str]]] = {
    "intake": intake,
    "latency": latency,
    "scoring": scoring,
    "wire": wire,
    "reading": reading,
    "growth": growth,
}
"""The benchmarks with tables of their own; the others have `anything`."""
