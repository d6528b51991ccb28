"""What readers cost: an approved thread of 1,000 comments, and 1,000 listeners of its events.

    python benchmarks/reading.py [--data DIR] [--comments 1000] [--listeners 1000] [--seconds 6]

Against a real `winnow serve` with one web process:

- `thread`: wrk (16 keep-alive connections) asks for pages of the thread, of 100 comments (the
  default) and of 500 (the most): whole (`cold`), and with the ETag that a browser has
  (`known`, answered 304). Requests a second and CPU time a request, medians of the rounds.
- `events`: so many listeners of `GET /v1/events`; one comment is submitted, which makes two events,
  and then the next one: milliseconds until the last listener had the second event,
  counted from the sending of the comment, CPU time of the service for each event delivered, and
  memory of the web process for each listener (proportional set size). The listeners share the
  machine, so the milliseconds count their work, too.

Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import bodies
import cpu
import uvloop
from client import Connection
from contestants import ask, make_site
from listeners import Crowd, allow_files
from load import wrk_version
from running import Running, running
from steady import quantiles

SITE, PAGE = "bench", "https://news.example/read"
SIZES = (100, 500)
BATCH = 500
CONNECTIONS = 16
EVENTS_A_COMMENT = 2
"""`comment.submitted` and what became of it."""
SAID = """
function done(summary, latency, requests)
  io.write(string.format('RESULT {"requests": %d, "us": %d, "failed": %d}\\n', summary.requests,
    summary.duration, summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout))
end
"""


def comment(number: int, text: str) -> dict[str, Any]:
    """A comment on the one page."""
    return bodies.submission(number, text, SITE) | {"page": PAGE}


def fill(service: Running, key: str, texts: list[str]) -> int:
    """Submits the texts and approves what was held; how many are published."""
    for first in range(0, len(texts), BATCH):
        some = texts[first : first + BATCH]
        items = [comment(first + k, text) for k, text in enumerate(some)]
        answers = ask(service.url, key, "/v1/comments/batch", {"items": items})["items"]
        held = [
            {"id": one["id"], "action": "approve", "version": 1}
            for one in (row.get("comment") or row for row in answers)
            if one.get("status") not in (None, "approved") and "id" in one
        ]
        if held:
            ask(service.url, key, "/v1/decisions", {"items": held})
    about = ask(service.url, key, f"/v1/pages?url={quote(PAGE, safe='')}", method="GET")
    return int(about["approved"])


def get_load(
    url: str, headers: dict[str, str], *, seconds: int, pids: list[int]
) -> dict[str, float]:
    """One round of one request, as often as it is answered."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SAID)
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script.name]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        before = cpu.seconds_of(pids)
        said = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
        used = cpu.seconds_of(pids) - before
    found = re.search(r"RESULT (.*)", said)
    if found is None:
        raise RuntimeError(said)
    row = json.loads(found[1])
    requests = max(1, row["requests"])
    return {
        "per_second": requests / row["us"] * 1e6,
        "server_us": used / requests * 1e6,
        "failed": row["failed"],
    }


async def thread(
    service: Running, key: str, published: int, *, seconds: int, rounds: int
) -> dict[str, Any]:
    """Reading pages of the thread, whole and known."""
    where = urlsplit(service.url)
    connection = Connection(where.hostname or "", where.port or 80, key)
    pids = [pid for some in service.pids().values() for pid in some]
    report: dict[str, Any] = {"comments": published}
    for size in SIZES:
        path = f"/v1/pages/comments?site={SITE}&page={quote(PAGE, safe='')}&limit={size}"
        answer = await connection.ask("GET", path)
        if answer.status != 200 or len(answer.json()["items"]) != min(size, published):
            raise RuntimeError(f"{answer.status}: {answer.body[:300]!r}")
        known = {"If-None-Match": answer.headers["etag"]}
        again = await connection.ask("GET", path, headers=known)
        if again.status != 304:
            raise RuntimeError(f"{again.status} where 304 was due")
        url, credential = service.url + path, {"Authorization": f"Bearer {key}"}
        row: dict[str, Any] = {"bytes": len(answer.body)}
        for name, headers in (("cold", credential), ("known", credential | known)):
            found = [
                await asyncio.to_thread(get_load, url, headers, seconds=seconds, pids=pids)
                for _ in range(rounds)
            ]
            row[name] = {
                what: round(statistics.median(one[what] for one in found), 1) for what in found[0]
            }
        row["known_times_cheaper"] = round(row["cold"]["server_us"] / row["known"]["server_us"], 2)
        report[f"pages of {size}"] = row
    connection.close()
    return report


async def events(
    service: Running, key: str, texts: list[str], *, listeners: int, comments: int
) -> dict[str, Any]:
    """Fan-out of one comment's events to all listeners, several times over."""
    where = urlsplit(service.url)
    at = where.hostname or "127.0.0.1", where.port or 80
    connection, crowd = Connection(*at, key), Crowd()
    web = service.pids()["web"]
    pids = [pid for some in service.pids().values() for pid in some]
    before_mb = sum(map(cpu.pss_mb, web))
    began = time.perf_counter()
    await crowd.open(at, f"/v1/events?site={SITE}", key, listeners)
    opened_s = time.perf_counter() - began
    await asyncio.sleep(1)
    memory_mb = sum(map(cpu.pss_mb, web)) - before_mb
    took: list[float] = []
    used = cpu.seconds_of(pids)
    for number in range(comments):
        sent = time.perf_counter()
        body = comment(1_000_000 + number, texts[number % len(texts)])
        answer = await connection.ask("POST", "/v1/comments", body)
        if answer.status != 201:
            raise RuntimeError(f"{answer.status}: {answer.body[:300]!r}")
        last = await crowd.until((number + 1) * listeners * EVENTS_A_COMMENT)
        took.append((last - sent) * 1000)
    used = cpu.seconds_of(pids) - used
    delivered, lost = crowd.events, crowd.lost
    crowd.close()
    connection.close()
    return {
        "listeners": listeners,
        "opened_s": round(opened_s, 2),
        "comments": comments,
        "delivered": delivered,
        "lost_streams": lost,
        "last_has_it_ms": quantiles(took) | {"max": round(max(took), 2)},
        "server_us_an_event": round(used / delivered * 1e6, 2),
        "web_kb_a_listener": round(memory_mb * 1024 / listeners, 1),
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Both, each on a service of its own: memory for listeners is told from a fresh process."""
    texts = bodies.texts(args.data, args.comments)
    report: dict[str, Any] = {}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        with running(1, WINNOW_LOG_LEVEL="error") as service:
            key = make_site(service.url, service.admin_key, SITE)
            published = fill(service, key, texts)
            report["thread"] = runner.run(
                thread(service, key, published, seconds=args.seconds, rounds=args.rounds)
            )
        settings = {  # one network may have half of either
            "WINNOW_STREAMS_MAX": str(max(64, 2 * args.listeners + 2)),
            "WINNOW_CONNECTIONS_MAX": str(max(256, 2 * args.listeners + 200)),
            "WINNOW_LOG_LEVEL": "error",
        }
        with running(1, **settings) as service:
            key = make_site(service.url, service.admin_key, SITE)
            runner.run(events(service, key, texts, listeners=16, comments=2))  # warms up
            report["events"] = runner.run(
                events(service, key, texts, listeners=args.listeners, comments=args.events)
            )
    return report


def main() -> None:
    """Runs the measurement and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder of NAME.jsonl.gz")
    parser.add_argument("--comments", type=int, default=1000, help="of the thread")
    parser.add_argument("--seconds", type=int, default=6, help="of each round of reading")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--events", type=int, default=50, help="comments told to the listeners")
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    args = parser.parse_args()
    wrk = wrk_version()
    allow_files(4 * args.listeners + 1024)
    report = {
        "texts": bodies.kind(args.data),
        "load": f"{wrk}, {CONNECTIONS} connections",
        **measure(args),
    }
    print(json.dumps(report, indent=None if args.json else 1))


if __name__ == "__main__":
    main()
