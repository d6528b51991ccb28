"""A flood: honest readers on one site while fifty times as many requests come from a bad network.

`python benchmarks/flood.py [--seconds 20] [--honest 30] [--factor 50] [--kind reader|key|keyless]`

Honest readers send comments at a steady rate, each from a network of its own, and are timed from
when a comment was due, so that waiting in line counts. The bad network keeps sending as fast as it
is answered, up to its rate, from a process of its own that gives way to the others. Everything runs
on one machine: the load takes part of it, so the figures are worse than on a server of its own.
Rounds without and with the flood alternate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from client import Connection
from cpu import seconds_of
from running import Running, running

ORIGIN = "https://news.example"
BAD = "203.0.113.66"
AT_ONCE = 512
"""Connections of the bad network."""


@dataclass
class Tally:
    """What came back."""

    codes: Counter[int] = field(default_factory=Counter)
    late_s: list[float] = field(default_factory=list)
    broken: int = 0

    def quantile(self, share: float) -> float:
        """Milliseconds that this share of all answers took at most."""
        rows = sorted(self.late_s)
        return round(1000 * rows[min(len(rows) - 1, int(share * len(rows)))], 1) if rows else 0.0


class Crowd:
    """Connections to a service, each used by one request at a time."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._key = parts.hostname or "", parts.port or 0, key
        self._idle: list[Connection] = []

    async def post(self, body: bytes, headers: dict[str, str], tally: Tally, due: float) -> None:
        """One comment; `due` is when it should have left, on the monotonic clock."""
        connection = (
            self._idle.pop() if self._idle else Connection(self._host, self._port, self._key)
        )
        try:
            answer = await connection.ask("POST", "/v1/comments", headers=headers, raw=body)
        except (OSError, asyncio.IncompleteReadError):
            tally.broken += 1
            return
        tally.codes[answer.status] += 1
        tally.late_s.append(time.monotonic() - due)
        self._idle.append(connection)

    def close(self) -> None:
        """Ends all of them."""
        for connection in self._idle:
            connection.close()


def comment(number: int) -> bytes:
    """A friendly comment by somebody, on one of many pages."""
    said = {
        "page": f"{ORIGIN}/a/{number % 500}",
        "name": f"Reader {number}",
        "email": f"reader{number}@example.org",
        "body": f"I agree with point {number}: the bridge should have been closed in winter, "
        "and the timetable of the ferry could be better, too.",
    }
    return json.dumps(said).encode()


def network(number: int) -> str:
    """An address in a /24 of its own."""
    return f"{1 + number // 65536 % 90}.{number // 256 % 256}.{number % 256}.{1 + number % 250}"


async def honest(crowd: Crowd, rate: float, seconds: float) -> Tally:
    """Readers at a steady rate, however slowly they are answered."""
    tally, tasks, began = Tally(), [], time.monotonic()
    for n in range(int(rate * seconds)):
        due = began + n / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        number = random.randrange(10**9)
        headers = {"Origin": ORIGIN, "X-Forwarded-For": network(number)}
        tasks.append(asyncio.create_task(crowd.post(comment(number), headers, tally, due)))
    await asyncio.gather(*tasks)
    return tally


async def flood(url: str, key: str, kind: str, rate: float, seconds: float) -> Tally:
    """A bad network that keeps to its rate whatever it is answered, over 512 connections."""
    tally, tasks, began = Tally(), set(), time.monotonic()
    crowd = Crowd(url, key if kind != "key" else "pk_" + "x" * 32)
    body, headers = comment(0), {"Origin": ORIGIN, "X-Forwarded-For": BAD}
    sent = 0
    while (now := time.monotonic() - began) < seconds:
        while sent < rate * now and len(tasks) < AT_ONCE:
            sent += 1
            task = asyncio.create_task(crowd.post(body, headers, tally, time.monotonic()))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        sent = max(sent, int(rate * now) - AT_ONCE)
        await asyncio.sleep(0.005)
    await asyncio.gather(*tasks)
    crowd.close()
    return tally


async def apart(url: str, key: str, given: argparse.Namespace) -> Tally:
    """The flood in a process of its own."""
    rate = given.honest * given.factor
    asked = [url, key, given.kind, str(rate), str(given.seconds)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--bad", *asked, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    row = json.loads(said)
    return Tally(Counter({int(code): n for code, n in row["codes"].items()}), [], row["broken"])


async def round_(
    service: Running, key: str, given: argparse.Namespace, bad: bool
) -> dict[str, object]:
    """One stretch of time, with the flood or without it."""
    crowd, pids = Crowd(service.url, key), service.pids()
    web = pids.get("web", [])
    before, memory = seconds_of(web), service.memory_mb()["all"]
    work = [honest(crowd, given.honest, given.seconds)]
    if bad:
        work.append(apart(service.url, key, given))
    tallies = await asyncio.gather(*work)
    crowd.close()
    good = tallies[0]
    row: dict[str, object] = {
        "flood": bad,
        "honest": dict(good.codes) | ({"broken": good.broken} if good.broken else {}),
        "p50_ms": good.quantile(0.5),
        "p90_ms": good.quantile(0.9),
        "p99_ms": good.quantile(0.99),
        "worst_ms": good.quantile(1.0),
        "web_cpu_s": round(seconds_of(web) - before, 2),
        "memory_mb": [memory, service.memory_mb()["all"]],
    }
    if bad:
        row["bad"] = dict(tallies[1].codes) | {"broken": tallies[1].broken}
        row["bad_per_s"] = round(sum(tallies[1].codes.values()) / given.seconds)
    return row


def main() -> None:
    """Prints one JSON line for each round, with --json one object of them all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--honest", type=float, default=30, help="comments a second")
    parser.add_argument("--factor", type=float, default=50, help="how many times as many are bad")
    parser.add_argument("--kind", choices=("reader", "key"), default="reader")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--priority",
        type=int,
        default=0,
        help="niceness of service and honest readers, such as -10 where others use the machine",
    )
    parser.add_argument("--json", action="store_true", help="one object at the end")
    parser.add_argument("--bad", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bad:
        os.nice(-os.nice(0))
        url, key, kind, rate, seconds = given.bad
        tally = asyncio.run(flood(url, key, kind, float(rate), float(seconds)))
        print(json.dumps({"codes": tally.codes, "broken": tally.broken}))
        return
    os.nice(given.priority)
    settings = {
        "WINNOW_RATE_LIMITS": "on",
        "WINNOW_TRUSTED_PROXIES": "127.0.0.0/8",
        "WINNOW_LOG_LEVEL": "error",
    }
    with running(**settings) as service:
        key, rows = asyncio.run(site(service)), []
        for bad in (False, True) * given.rounds:
            rows.append(asyncio.run(round_(service, key, given, bad)))
            if not given.json:
                print(json.dumps(rows[-1]), flush=True)
    if given.json:
        print(json.dumps({"rounds": rows}))


async def site(service: Running) -> str:
    """A new site's publishable key."""
    parts = urlsplit(service.url)
    admin = Connection(parts.hostname or "", parts.port or 0, service.admin_key)
    await admin.ask("POST", "/v1/sites", {"id": "flood", "origins": [ORIGIN]})
    answer = await admin.ask("POST", "/v1/sites/flood/keys", {"kind": "publishable"})
    admin.close()
    return str(answer.json()["key"])


if __name__ == "__main__":
    main()
