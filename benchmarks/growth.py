"""What a growing queue costs: each operation, memory, disk and start-up at 1,000 comments and more.

    python benchmarks/growth.py [--data DIR] [--sizes 1000 100000] [--repeat 60]

Fills one site's pending queue with scored comments straight through the store (the submit script,
without HTTP), then restarts the service on that folder and times every moderator's operation over
HTTP, one after the other on one connection. `flat` is the largest size's median over the
smallest's. Times are milliseconds. Prints JSON; `--sizes 1000 100000 1000000` takes about half an
hour.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bodies
import contestants
from client import Connection
from filling import Filler
from running import Running, running

SITE = "growth"
BULK = 500
Operation = Callable[[], Awaitable[None]]


class Moderator:
    """Works on the queue through one connection, and times what is asked of it."""

    def __init__(self, service: Running, key: str, repeat: int) -> None:
        where = urlsplit(service.url)
        self._connection = Connection(where.hostname or "", where.port or 80, key)
        self._repeat = repeat
        self.found: dict[str, float] = {}

    async def work(self) -> None:
        """Every operation, `repeat` times (bulk: a tenth of that)."""
        await self._timed("count", lambda: self._ask("GET", f"/v1/queues?site={SITE}"))
        for sort in ("priority", "oldest", "newest"):
            path = f"/v1/queues/pending?site={SITE}&limit=50&sort={sort}"
            await self._timed(f"list by {sort}", lambda path=path: self._ask("GET", path))
        reason = f"/v1/queues/pending?site={SITE}&limit=50&reason=author.new"
        await self._timed("list by reason", lambda: self._ask("GET", reason))
        await self._timed("claim 20", self._claim)
        await self._decide()
        await self._bulk()

    async def _timed(self, name: str, operation: Callable[[], Awaitable[Any]]) -> None:
        took = []
        for _ in range(self._repeat):
            began = time.perf_counter()
            await operation()
            took.append((time.perf_counter() - began) * 1e3)
        self.found[name] = round(statistics.median(took), 3)

    async def _ask(self, method: str, path: str, content: Any = None) -> Any:
        answer = await self._connection.ask(method, path, content)
        assert answer.status < 300, (method, path, answer.status, answer.body[:300])
        return answer.json() if answer.body else None

    async def _claim(self) -> None:
        content = {"site": SITE, "count": 20, "ttl_s": 30}
        await self._ask("POST", f"/v1/queues/pending/claims?site={SITE}", content)

    async def _first(self, count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while len(found) < count:
            path = f"/v1/queues/pending?site={SITE}&sort=newest&limit=100&cursor={cursor}"
            page = await self._ask("GET", path.removesuffix("&cursor="))
            found += page["items"]
            cursor = page.get("next_cursor") or page.get("cursor") or ""
            if not cursor:
                break
        return found[:count]

    async def _decide(self) -> None:
        decisions: list[float] = []
        undos: list[float] = []
        for item in await self._first(self._repeat):
            path, content = f"/v1/comments/{item['id']}", {"action": "approve"}
            began = time.perf_counter()
            done = await self._ask(
                "POST", path + "/decisions", content | {"version": item["version"]}
            )
            middle = time.perf_counter()
            await self._ask("POST", path + "/undo", {"version": done["version"]})
            decisions.append((middle - began) * 1e3)
            undos.append((time.perf_counter() - middle) * 1e3)
        self.found["decide"] = round(statistics.median(decisions), 3)
        self.found["undo"] = round(statistics.median(undos), 3)

    async def _bulk(self) -> None:
        took = []
        for _ in range(max(3, self._repeat // 20)):
            items = await self._first(BULK)
            chosen = [{"id": i["id"], "action": "reject", "version": i["version"]} for i in items]
            began = time.perf_counter()
            await self._ask("POST", "/v1/decisions", {"items": chosen})
            took.append((time.perf_counter() - began) * 1e3 * BULK / len(chosen))
        self.found[f"decide {BULK} at once"] = round(statistics.median(took), 1)


def measured(home: Path, filler: Filler, repeat: int) -> dict[str, Any]:
    """A restart on the filled folder, then every operation."""
    settings = {"WINNOW_DATA_DIR": str(home)}
    with running(1, **settings) as service:
        found: dict[str, Any] = {"start_s": round(service.ready_s, 2)}
        key = filler.key or contestants.make_site(service.url, service.admin_key, SITE)
        filler.key = key
        found["memory_mb"] = service.memory_mb()
        found |= asyncio.run(filler.store_figures(home))
        if filler.stored:
            moderator = Moderator(service, key, repeat)
            asyncio.run(moderator.work())
            found["operations"] = moderator.found
        return found


def exported(home: Path) -> dict[str, Any]:
    """How fast `winnow export` writes the site."""
    with running(1, WINNOW_DATA_DIR=str(home)):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", "export", SITE],
            env={"WINNOW_DATA_DIR": str(home), "PATH": "/usr/bin:/bin"},
            cwd=Path(__file__).parent.parent,
            stdout=subprocess.PIPE,
            check=True,
        )
        seconds = time.perf_counter() - began
    lines = done.stdout.count(b"\n")
    return {"lines": lines, "per_second": round(lines / seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of NAME.jsonl.gz")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--repeat", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    args = parser.parse_args()
    report: dict[str, Any] = {"texts": bodies.kind(args.data)}
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        home = Path(folder) / "data"
        texts = [t[:350] for t in bodies.texts(args.data, 20_000) if len(t) >= 350][:2_000]
        filler = Filler(SITE, texts, random.Random(9))
        sizes: dict[str, dict[str, Any]] = {"0": measured(home, filler, args.repeat)}
        for size in sorted(args.sizes):
            with running(1, WINNOW_DATA_DIR=str(home)):
                seconds = asyncio.run(filler.fill(home, size))
            sizes[str(size)] = {"filled_per_second": seconds} | measured(home, filler, args.repeat)
            print(size, sizes[str(size)], file=sys.stderr)
        report["sizes"] = sizes
        report["export"] = exported(home)
    first, last = sizes[str(min(args.sizes))], sizes[str(max(args.sizes))]
    report["flat"] = {
        name: round(last["operations"][name] / first["operations"][name], 2)
        for name in first["operations"]
    }
    empty = sizes["0"]["store_bytes"]
    report["bytes_per_comment"] = {
        name: round((row["store_bytes"] - empty) / int(name))
        for name, row in sizes.items()
        if int(name)
    }
    print(json.dumps(report, indent=None if args.json else 1))


if __name__ == "__main__":
    main()
