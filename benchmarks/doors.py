"""Latency of the emulated APIs at a steady rate, open loop.

    python benchmarks/doors.py --data DIR [--rate 200] [--seconds 30] [--web-processes 2]

Requests leave on a fixed schedule whether or not earlier ones have been answered (`steady.py`).
Texts are news comments and blog spam. Each call runs by itself; Coral's call is analyze
with its parameters, judged against Coral's own deadline of 800 ms. Prints one JSON object; times in
milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from client import Connection
from running import running
from steady import Pool, Request, steady

SETS = ("toxic_spans", "blog3_rejected", "blog3_approved")
CORAL_MS = 800.0
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": ""}


def texts(folder: Path, count: int) -> list[str]:
    """`count` texts, the same share of each set, in a fixed random order."""
    found: list[str] = []
    for name in SETS:
        with gzip.open(folder / f"{name}.jsonl.gz", "rt") as lines:
            rows = [json.loads(line)["text"] for line in lines]
        found += random.Random(name).sample(rows, min(len(rows), -(-count // len(SETS))))
    random.Random(1).shuffle(found)
    return found[:count]


def analyze(key: str, text: str) -> Request:
    """Perspective: three attributes of a text."""
    asked = {
        "comment": {"text": text[:5000]},
        "languages": ["en"],
        "requestedAttributes": {"TOXICITY": {}, "INSULT": {}, "THREAT": {}},
    }
    return f"/v1alpha1/comments:analyze?key={key}", json.dumps(asked).encode(), {}


def coral(key: str, text: str) -> Request:
    """Coral's toxicity filter through its custom endpoint."""
    asked = {
        "comment": {"text": text[:5000]},
        "clientToken": "coral",
        "doNotStore": True,
        "requestedAttributes": {"TOXICITY": {}},
        "languages": ["en"],
    }
    return f"/v1alpha1/comments:analyze?key={key}", json.dumps(asked).encode(), {}


def comment_check(key: str, text: str) -> Request:
    """Akismet: one comment."""
    asked = {
        "api_key": key,
        "blog": "https://blog.example/",
        "user_ip": "203.0.113.9",
        "user_agent": "Mozilla/5.0",
        "permalink": "https://blog.example/post",
        "comment_type": "comment",
        "comment_author": "A reader",
        "comment_author_email": "reader@example.org",
        "comment_content": text,
    }
    return "/1.1/comment-check", urlencode(asked).encode(), FORM


def moderations(key: str, text: str) -> Request:
    """OpenAI: one text."""
    body = json.dumps({"input": text[:5000]}).encode()
    return "/v1/moderations", body, {"Authorization": f"Bearer {key}"}


CALLS: dict[str, Callable[[str, str], Request]] = {
    "analyze": analyze,
    "analyze (Coral)": coral,
    "comment-check": comment_check,
    "comment-check (queued)": comment_check,
    "moderations": moderations,
}


async def measure(args: argparse.Namespace, url: str, admin_key: str) -> dict[str, Any]:
    """Every call, one after the other."""
    where = urlsplit(url)
    host, port = where.hostname or "127.0.0.1", where.port or 80
    admin = Connection(host, port, admin_key)
    report: dict[str, Any] = {}
    for name, call in CALLS.items():
        site = "".join(c for c in name.lower() if c.isalpha())
        await admin.ask("POST", "/v1/sites", {"id": site})
        if "queued" in name:
            await admin.ask("PATCH", f"/v1/sites/{site}", {"akismet_queue": True})
        made = await admin.ask("POST", f"/v1/sites/{site}/keys", {"kind": "compat"})
        key = made.json()["key"]
        found = texts(args.data, round(args.rate * args.seconds))
        requests = [call(key, text) for text in found]
        await steady(Pool(host, port), requests[: args.rate], args.rate)  # one second to warm up
        report[name] = await steady(Pool(host, port), requests, args.rate)
    report["within Coral's deadline at p99.9"] = report["analyze (Coral)"]["p99.9"] < CORAL_MS
    return report


def main() -> None:
    """Runs the measurement and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rate", type=int, default=200, help="requests a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--web-processes", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    args = parser.parse_args()
    with running(args.web_processes) as service:
        report = asyncio.run(measure(args, service.url, service.admin_key))
    settings = {"rate": args.rate, "seconds": args.seconds, "web_processes": args.web_processes}
    print(json.dumps(settings | report, indent=None if args.json else 2))


if __name__ == "__main__":
    main()
