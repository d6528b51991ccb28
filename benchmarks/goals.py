"""The figures to reach, and where a run's results say how far they were reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Results = dict[str, Any]
"""What `winnow bench` printed: name of a benchmark → what it said."""
MOST_CALLERS = "64"
MILLION = 1_000_000


@dataclass(frozen=True)
class Goal:
    """One figure to reach."""

    key: str
    """Its name in `causes.toml`."""
    what: str
    bound: float
    measured: Callable[[Results], tuple[float, str] | None]
    """The value and, where that needs saying, of what; None where it was not measured."""
    unit: str = "×"
    at_most: bool = False

    def met(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value <= self.bound if self.at_most else value >= self.bound


def at(results: Any, *path: str) -> Any:
    """The value under those names; None where there is none."""
    for name in path:
        if not isinstance(results, dict) or name not in results:
            return None
        results = results[name]
    return results


def plain(*path: str, of: str = "") -> Callable[[Results], tuple[float, str] | None]:
    """What stands under those names."""

    def measured(results: Results) -> tuple[float, str] | None:
        value = at(results, *path)
        return None if value is None else (float(value), of)

    return measured


def intake(rival: str) -> Callable[[Results], tuple[float, str] | None]:
    """Requests a second of Winnow over a contestant's, one web process each, with CPU time."""

    def measured(results: Results) -> tuple[float, str] | None:
        row = at(results, "intake", "results", f"{rival}, 1")
        if row is None or "ratio" not in row:
            return None
        return row["ratio"], f"by CPU time {row['cpu_ratio']:g} ×"

    return measured


def two_processes(results: Results) -> tuple[float, str] | None:
    """Requests a second of two web processes over one's."""
    one, two = (at(results, "intake", "results", f"winnow, {n}", "per_second") for n in (1, 2))
    return None if not one or not two else (two / one, "the load shares the cores")


def flattest(results: Results) -> tuple[float, str] | None:
    """The operation of the queues that grows most from the smallest size to the largest."""
    worst: tuple[float, str] | None = None
    for name, rows in (at(results, "growth", "queues") or {}).items():
        sizes = sorted(rows, key=int)
        ratio = rows[sizes[-1]].get("ratio")
        if ratio is not None and (worst is None or ratio > worst[0]):
            worst = ratio, f"{name}, {int(sizes[-1]):,} against {int(sizes[0]):,}"
    return worst


def bytes_a_comment(results: Results) -> tuple[float, str] | None:
    """Kilobytes of the store a comment takes, at the largest size."""
    sizes = at(results, "growth", "sizes") or {}
    filled = [size for size in sizes if at(sizes[size], "memory", "bytes_per_comment")]
    if not filled:
        return None
    size = max(filled, key=int)
    row = sizes[size]
    about = f"at {int(size):,} comments of {row['fill']['body_mean']:.0f} characters on average"
    return row["memory"]["bytes_per_comment"] / 1000, about


def idle(results: Results) -> tuple[float, str] | None:
    """Megabytes of a service at rest, with the fewest comments."""
    smallest = _size(results, lambda sizes: min(sizes, key=int))
    value = at(smallest, "serve", "pss_mb", "all")
    return None if value is None else (value, "all processes together")


def warm_start(results: Results) -> tuple[float, str] | None:
    """Seconds of a start, with the fewest comments."""
    value = at(_size(results, lambda sizes: min(sizes, key=int)), "serve", "warm_start_s")
    return None if value is None else (value, "")


def _size(results: Results, chosen: Callable[[dict[str, Any]], str]) -> Any:
    sizes = at(results, "growth", "sizes")
    return sizes[chosen(sizes)] if sizes else None


GOALS: tuple[Goal, ...] = (
    Goal(
        "intake.usual",
        "intake against the service a user would write (words)",
        12,
        intake("usual (words)"),
    ),
    Goal(
        "intake.usual.characters",
        "the same, its model with words and characters as ours",
        12,
        intake("usual (words and characters)"),
    ),
    Goal("intake.isso", "intake against Isso", 20, intake("isso")),
    Goal(
        "intake.ceiling", "intake against the ceiling: bare ASGI, same Lua", 0.5, intake("ceiling")
    ),
    Goal("intake.echo", "intake against a bare ASGI echo", 0.4, intake("echo")),
    Goal("intake.processes", "two web processes against one", 1.6, two_processes),
    Goal(
        "latency.p99",
        "p99 at 300 requests a second, open loop",
        25,
        plain("latency", "rates", "300", "p99"),
        unit="ms",
        at_most=True,
    ),
    Goal(
        "latency.p99.9",
        "p99.9 at 300 requests a second, open loop",
        60,
        plain("latency", "rates", "300", "p99.9"),
        unit="ms",
        at_most=True,
    ),
    Goal(
        "scoring.350",
        "scoring 350 characters, single",
        80,
        plain("scoring", "350", "single"),
        unit="µs",
        at_most=True,
    ),
    Goal(
        "scoring.5000",
        "scoring 5,000 characters, single",
        500,
        plain("scoring", "5000", "single"),
        unit="µs",
        at_most=True,
    ),
    Goal(
        "scoring.scikit_learn",
        "scoring 350 characters against scikit-learn (words and characters)",
        20,
        plain("scoring", "350", "times_scikit_learn"),
    ),
    Goal(
        "scoring.bert",
        "scoring 350 characters against a network of BERT-base's size",
        600,
        plain("scoring", "350", "times_bert"),
    ),
    Goal(
        "wire.redis_py",
        "Redis client CPU: redis-py's pipeline against `evalsha` awaited singly",
        2,
        plain("wire", "callers", MOST_CALLERS, "redis_py", "times_less", of="64 callers"),
    ),
    Goal(
        "wire.winnow",
        "Redis client CPU: Winnow's wire against `evalsha` awaited singly",
        5,
        plain("wire", "callers", MOST_CALLERS, "winnow", "times_less", of="64 callers"),
    ),
    Goal(
        "growth.queues",
        "operations of the queues, the largest size against the smallest",
        1.5,
        flattest,
        at_most=True,
    ),
    Goal(
        "growth.bytes",
        "the store's memory for a comment, all indexes counted",
        1.5,
        bytes_a_comment,
        unit="kB",
        at_most=True,
    ),
    Goal(
        "growth.idle",
        "memory at rest: one web process, worker and store (PSS)",
        160,
        idle,
        unit="MB",
        at_most=True,
    ),
    Goal("growth.start", "warm start until ready", 2, warm_start, unit="s", at_most=True),
    Goal(
        "growth.start.million",
        "warm start until ready with a million comments",
        15,
        plain("growth", "sizes", str(MILLION), "serve", "warm_start_s"),
        unit="s",
        at_most=True,
    ),
)
