"""How long a submission takes at a steady rate, open loop: p50, p99 and p99.9 of real comments.

    python benchmarks/latency.py [--data DIR] [--rates 100 300 1000] [--seconds 30] [--rounds 3]

A real `winnow serve` with one web process, its worker and its store (`appendfsync always`) takes
`POST /v1/comments` of 40 to 2,000 characters at each rate in turn, each for so many seconds and so
many times over; figures are medians of the rounds. A request's time counts from when it was due
(`steady.py`). The load shares the machine: `sent_late_p99` says how late it left, `load_cpu`,
`web_cpu`, `worker_cpu` and `store_cpu` what each took of one core. `disk_flush` is what a flush of
a few kilobytes takes on this disk by itself: no answer can come sooner. Prints one JSON object;
times in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bodies
import cpu
import uvloop
from contestants import make_site
from running import Running, running
from steady import Pool, Request, quantiles, steady

SITE = "bench"
WARM_UP_S = 2.0
GOAL_RATE, GOAL_P99_MS, GOAL_P999_MS = "300", 25.0, 60.0
MEDIANS = (
    *("per_second", "p50", "p90", "p99", "p99.9", "max"),
    *("sent_late_p99", "load_cpu", "web_cpu", "worker_cpu", "store_cpu"),
)
"""The figures of a round of which the median is reported."""


def disk_flush(count: int = 200) -> dict[str, float]:
    """Milliseconds of an append with its flush, where the store's folder will be."""
    times = []
    with tempfile.NamedTemporaryFile(prefix="winnow-bench-") as file:
        for _ in range(count):
            began = time.perf_counter()
            os.write(file.fileno(), bytes(4096))
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return quantiles(times)


def submissions(texts: list[str], key: str) -> Iterator[Request]:
    """Comments without end, each by another author, on another page, at another time."""
    headers = {"Authorization": f"Bearer {key}"}
    number = 0
    while True:
        for text in texts:
            body = json.dumps(bodies.submission(number, text, SITE)).encode()
            yield "/v1/comments", body, headers
            number += 1


async def one_round(
    service: Running, supply: Iterator[Request], *, rate: float, seconds: float
) -> dict[str, Any]:
    """One rate for so many seconds, after a warm-up."""
    where = urlsplit(service.url)
    pool = Pool(where.hostname or "127.0.0.1", where.port or 80)
    count = round(rate * seconds)
    requests = [next(supply) for _ in range(count)]
    await steady(pool, [next(supply) for _ in range(round(rate * WARM_UP_S))], rate)
    pids = service.pids()
    gc.collect()
    gc.disable()  # a collection in the load generator would be taken for one in the service
    before = {name: cpu.seconds_of(some) for name, some in pids.items()}
    own, began = time.process_time(), time.perf_counter()
    found = await steady(pool, requests, rate)
    took_s = time.perf_counter() - began
    found["load_cpu"] = round((time.process_time() - own) / took_s, 3)
    for name, some in pids.items():
        found[f"{name}_cpu"] = round((cpu.seconds_of(some) - before[name]) / took_s, 3)
    gc.enable()
    pool.close()
    return found


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians, and everything that failed."""
    found: dict[str, Any] = {
        name: round(statistics.median(one[name] for one in rounds), 3) for name in MEDIANS
    }
    answered: dict[str, int] = {}
    for one in rounds:
        for code, count in one["answered"].items():
            answered[str(code)] = answered.get(str(code), 0) + count
    return {
        "requests": sum(one["requests"] for one in rounds),
        "answered": answered,
        "errors": sum(one["errors"] for one in rounds),
        **found,
        "rounds": {name: [one[name] for one in rounds] for name in ("p50", "p99", "p99.9")},
    }


async def measure(
    service: Running, texts: list[str], rates: list[int], *, seconds: float, rounds: int
) -> dict[str, Any]:
    """Every rate, round by round."""
    key = make_site(service.url, service.admin_key, SITE)
    supply = submissions(texts, key)
    found: dict[str, list[dict[str, Any]]] = {str(rate): [] for rate in rates}
    for _ in range(rounds):
        for rate in rates:
            one = await one_round(service, supply, rate=rate, seconds=seconds)
            print(rate, one, file=sys.stderr)
            found[str(rate)].append(one)
    return {rate: summary(several) for rate, several in found.items()}


def main() -> None:
    """Runs the measurement and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder of NAME.jsonl.gz")
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--seconds", type=float, default=30.0, help="of each rate and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--web-processes", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    args = parser.parse_args()
    texts, flush = bodies.texts(args.data, 5_000), disk_flush()
    with (
        running(args.web_processes, WINNOW_LOG_LEVEL="error") as service,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        found = runner.run(
            measure(service, texts, args.rates, seconds=args.seconds, rounds=args.rounds)
        )
    report: dict[str, Any] = {
        "texts": bodies.kind(args.data),
        "web_processes": args.web_processes,
        "seconds": args.seconds,
        "rounds": args.rounds,
        "disk_flush": flush,
        "rates": found,
    }
    if (at := found.get(GOAL_RATE)) is not None:
        met = at["p99"] <= GOAL_P99_MS and at["p99.9"] <= GOAL_P999_MS and not at["errors"]
        report["goal_met"] = met
    print(json.dumps(report, indent=None if args.json else 1))


if __name__ == "__main__":
    main()
