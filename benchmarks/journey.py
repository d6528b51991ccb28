"""The main job on real input: some 30,000 texts through HTTP, then a moderator's work on them.

    python benchmarks/journey.py --data DIR [--count 30000] [--url URL --admin-key KEY]

`DIR` holds NAME.jsonl.gz files with a `text` per line. Without `--url` it starts a service of its
own and reports its memory before and after. Every answer is checked; queue counts must equal what
was stored. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import gzip
import json
import random
import secrets
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from client import Answer, Connection
from running import running

SETS = (
    "blog_comments_approved",
    "blog_comments_rejected",
    "blog3_rejected",
    "toxic_spans",
    "jigsaw_train_head_binary",
    "tr_offenseval2020",
)
CONNECTIONS = 64


def texts(folder: Path, count: int) -> list[str]:
    """`count` texts, the same share of each set, in a fixed random order."""
    share = -(-count // len(SETS))
    chosen: list[str] = []
    for name in SETS:
        with gzip.open(folder / f"{name}.jsonl.gz", "rt") as lines:
            rows = [json.loads(line)["text"] for line in lines]
        random.Random(name).shuffle(rows)
        chosen.extend(rows[:share])
    random.Random(1).shuffle(chosen)
    return chosen[:count]


def submission(number: int, text: str, site: str) -> dict[str, Any]:
    """A comment by one of some thousand authors on one of some hundred pages."""
    dice = random.Random(number)
    author = dice.randrange(8000)
    return {
        "site": site,
        "page": f"https://news.example/{dice.randrange(300)}",
        "name": f"Reader {author}",
        "email": f"reader{author}@example.org",
        "body": text,
        "ip": f"203.0.113.{author % 250}",
        "elapsed_ms": dice.randrange(3_000, 90_000),
    }


async def spread(work: list[Any], host: str, port: int, key: str, ask: Any) -> list[Answer]:
    """The answers of `ask(connection, item)` for all items, in their order."""
    answers: list[Any] = [None] * len(work)
    numbers = iter(range(len(work)))

    async def worker() -> None:
        connection = Connection(host, port, key)
        for i in numbers:
            answers[i] = await ask(connection, work[i])
        connection.close()

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return answers


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything, in one run."""
    where = urlsplit(args.url)
    host, port = where.hostname or "127.0.0.1", where.port or 80
    admin = Connection(host, port, args.admin_key)
    site = f"journey-{secrets.token_hex(3)}"
    assert (await admin.ask("POST", "/v1/sites", {"id": site})).status == 201
    made = await admin.ask("POST", f"/v1/sites/{site}/keys", {"kind": "secret"})
    key = made.json()["key"]
    report: dict[str, Any] = {"site": site}
    work = [submission(i, text, site) for i, text in enumerate(texts(args.data, args.count))]
    report |= await submit_all(work, host, port, key, admin, site)
    report |= await moderate(host, port, key, site)
    report |= await retry_storm(host, port, key, site, args.keys, args.retries)
    return report


async def submit_all(
    work: list[Any], host: str, port: int, key: str, admin: Connection, site: str
) -> dict[str, Any]:
    """Posts every text; counts answers, statuses and queue lengths."""
    started = time.perf_counter()
    answers = await spread(
        work, host, port, key, lambda c, item: c.ask("POST", "/v1/comments", item)
    )
    seconds = time.perf_counter() - started
    codes = collections.Counter(answer.status for answer in answers)
    statuses = collections.Counter(a.json()["status"] for a in answers if a.status == 201)
    refused = collections.Counter(
        f"{e['pointer']} {e['code']}"
        for a in answers
        if a.status == 422
        for e in a.json()["errors"]
    )
    rows = (await admin.ask("GET", f"/v1/queues?site={site}")).json()["items"]
    queues = {row["status"]: row["count"] for row in rows}
    return {
        "posted": len(work),
        "answered": dict(codes),
        "refused": dict(refused),
        "statuses": dict(statuses),
        "queues": queues,
        "counts_equal": all(queues[s] == statuses.get(s, 0) for s in queues),
        "seconds": round(seconds, 2),
        "per_second": round(len(work) / seconds),
    }


async def moderate(host: str, port: int, key: str, site: str) -> dict[str, Any]:
    """200 decisions, one undo, one conflict."""
    connection = Connection(host, port, key)
    page = (await connection.ask("GET", f"/v1/queues/pending?site={site}&limit=200")).json()
    started, done = time.perf_counter(), 0
    for i, item in enumerate(page["items"]):
        action = ("approve", "reject", "spam")[i % 3]
        path = f"/v1/comments/{item['id']}/decisions"
        answer = await connection.ask("POST", path, {"action": action, "version": item["version"]})
        done += answer.status == 200
    seconds = time.perf_counter() - started
    first = page["items"][0]
    path = f"/v1/comments/{first['id']}"
    stale = await connection.ask("POST", f"{path}/decisions", {"action": "spam", "version": 1})
    undone = await connection.ask("POST", f"{path}/undo", {"version": 2})
    return {
        "decisions": done,
        "decisions_seconds": round(seconds, 2),
        "conflict": {"code": stale.status, "winner": stale.json()["decision"]["action"]},
        "undo": {"code": undone.status, "status": undone.json()["status"]},
    }


async def retry_storm(
    host: str, port: int, key: str, site: str, keys: int, retries: int
) -> dict[str, Any]:
    """`retries` parallel submissions of each of `keys` Idempotency-Keys: one comment each."""
    before = await stored(host, port, key, site)
    work = [
        (f"storm-{n}", submission(1_000_000 + n, f"Retried comment number {n}.", site))
        for n in range(keys)
        for _ in range(retries)
    ]
    answers = await spread(
        work,
        host,
        port,
        key,
        lambda c, item: c.ask("POST", "/v1/comments", item[1], {"Idempotency-Key": item[0]}),
    )
    ids = {answer.json()["id"] for answer in answers if answer.status == 201}
    return {
        "retry_storm": {
            "keys": keys,
            "retries": retries,
            "codes": dict(collections.Counter(answer.status for answer in answers)),
            "distinct_ids": len(ids),
            "stored": await stored(host, port, key, site) - before,
        }
    }


async def stored(host: str, port: int, key: str, site: str) -> int:
    """Comments of a site in all its queues."""
    rows = (await Connection(host, port, key).ask("GET", f"/v1/queues?site={site}")).json()
    return sum(row["count"] for row in rows["items"])


def on_its_own(args: argparse.Namespace) -> dict[str, Any]:
    """The measurement on a service started for it."""
    with running() as service:
        args.url, args.admin_key = service.url, service.admin_key
        idle = service.memory_mb()
        report = asyncio.run(measure(args))
        return {
            "start_to_ready_s": round(service.ready_s, 2),
            "memory_mb_idle": idle,
            "memory_mb_after": service.memory_mb(),
            **report,
        }


def main() -> None:
    """Reads the arguments and prints the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a running service; without it, one of its own")
    parser.add_argument("--admin-key")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--retries", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    args = parser.parse_args()
    if not (args.data / f"{SETS[0]}.jsonl.gz").exists():
        parser.error(f"{args.data} holds no {SETS[0]}.jsonl.gz: name the folder with --data")
    report = asyncio.run(measure(args)) if args.url else on_its_own(args)
    json.dump(report, sys.stdout, indent=None if args.json else 2)
    print()


if __name__ == "__main__":
    main()
