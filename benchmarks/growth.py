"""What grows with the number of comments and what does not: queues, memory, files, starts.

    python benchmarks/growth.py [--data DIR] [--sizes 1000 100000 1000000] [--moved 20000]

For each size an embedded server (`appendfsync always`) of its own is filled (`filling.py`). Then
the operations of the queues run on all of them in turn (`queueing.py`; sizes from 1,000), and of
each: memory by kind of key, size and rewrite of the append-only file, starts of the server after
kill -9, a warm start of the whole `winnow serve` with one web process and its memory at rest, and
the rates of export and import. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import bodies
import cpu
import filling
import keyspace
import queueing
from filling import SITE, Filled, Home
from running import running

from service.pipeline.score import load_scorer
from service.records import Policy, Site
from service.transfer import export

FEWEST = 100
"""Comments of a site that is not empty."""
SMALLEST = 1_000
"""Comments from which the queues' operations can be measured."""
REST_S = 8
"""How long a service rests before its memory is read."""


def folder_mb(home: Home) -> float:
    """Size of the append-only file's parts."""
    parts = (home.folder / "redis" / "appendonlydir").iterdir()
    return round(sum(part.stat().st_size for part in parts) / 1e6, 2)


def filled_row(filled: Filled) -> dict[str, Any]:
    """What filling took."""
    row: dict[str, Any] = {"seconds": round(filled.seconds, 1), "body_mean": filled.body_mean}
    cloned = filled.comments - filled.submitted
    if cloned:
        row["per_second"] = round(cloned / filled.seconds)
        row["client_us"] = round(filled.client_s / cloned * 1e6, 1)
        row["server_us"] = round(filled.server_s / cloned * 1e6, 1)
        row["sent_again"] = filled.again
    return row


def memory_row(home: Home, filled: Filled) -> dict[str, Any]:
    """The server's memory, by kind of key where there are comments."""
    row: dict[str, Any] = {"empty_mb": round(filled.empty_bytes / 1e6, 2)}
    if filled.comments:
        grown = filled.used_bytes - filled.empty_bytes
        with home.operator() as client:
            row["used_mb"] = round(filled.used_bytes / 1e6, 2)
            row["rss_mb"] = round(client.info("memory")["used_memory_rss"] / 1e6, 2)
            row["bytes_per_comment"] = round(grown / filled.comments)
            row |= keyspace.kinds(client, SITE, filled.comments, grown)
    return row


def crash_row(home: Home) -> dict[str, Any]:
    """The append-only file as it stands, and a start from it after a kill -9."""
    size = folder_mb(home)
    home.stop(kill=True)
    started_s = round(home.start(), 2)
    with home.operator() as client:
        memory, spent = client.info("memory"), filling.server_s(client.info("cpu"))
    return {
        "file_mb": size,
        "start_s": started_s,
        "start_cpu_s": round(spent, 2),
        "used_mb": round(memory["used_memory"] / 1e6, 2),
        "rss_mb": round(memory["used_memory_rss"] / 1e6, 2),
    }


def rewrite_row(home: Home) -> dict[str, Any]:
    """Writing the append-only file anew, and a start from the new one."""
    with home.operator() as client:
        _rewritten(client)  # the server may be at it by itself
        began = time.monotonic()
        client.bgrewriteaof()
        state = _rewritten(client)
        row = {
            "seconds": round(time.monotonic() - began, 2),
            "fork_ms": round(client.info("stats")["latest_fork_usec"] / 1000, 1),
            "copied_mb": round(state["aof_last_cow_size"] / 1e6, 2),
            "status": state["aof_last_bgrewrite_status"],
        }
    return row | crash_row(home)


def _rewritten(client: Any) -> dict[str, Any]:
    """How the file stands once no rewrite is under way."""
    while True:
        state: dict[str, Any] = client.info("persistence")
        if not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]:
            return state
        time.sleep(0.02)


def serve_row(home: Home) -> dict[str, Any]:
    """A warm start of the whole service on the data, and the memory of its processes at rest."""
    home.stop()
    with running(1, WINNOW_DATA_DIR=str(home.folder)) as service:
        first_s = service.ready_s
    with running(1, WINNOW_DATA_DIR=str(home.folder)) as service:
        spent = {name: cpu.seconds_of(pids) for name, pids in service.pids().items()}
        time.sleep(REST_S)
        row = {
            "first_start_s": round(first_s, 2),
            "warm_start_s": round(service.ready_s, 2),
            "warm_start_cpu_s": {name: round(value, 2) for name, value in spent.items()},
            "pss_mb": service.memory_mb(),
        }
    home.start()
    return row


async def exported(home: Home, path: Path, most: int) -> dict[str, Any]:
    """Writes up to so many comments of the site into a file."""
    async with home.services() as parts:
        began, cpu_s, lines, size = time.monotonic(), time.process_time(), 0, 0
        with path.open("wb") as file:
            async with contextlib.aclosing(export(parts.store, SITE)) as rows:
                async for line in rows:
                    size += file.write(line)
                    lines += 1
                    if lines == most:
                        break
        seconds = time.monotonic() - began
    return {
        "comments": lines,
        "export_per_second": round(lines / seconds),
        "export_client_us": round((time.process_time() - cpu_s) / lines * 1e6, 1),
        "bytes_a_line": round(size / lines),
    }


def imported(home: Home, path: Path, lines: int) -> dict[str, Any]:
    """Brings the file into an empty installation with the real command, its start included."""

    async def create() -> None:
        async with home.services() as parts:
            await parts.store.sites.create(Site(id=SITE, number=0), Policy())

    home.start()
    try:
        asyncio.run(create())
        command = [sys.executable, "-m", "service.cli", "import", SITE, str(path), "--json"]
        began = time.monotonic()
        said = subprocess.run(
            command,
            env=os.environ | {"WINNOW_DATA_DIR": str(home.folder)},
            cwd=Path(__file__).parent.parent,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        seconds = time.monotonic() - began
    finally:
        home.stop()
    if json.loads(said)["imported"] != lines:
        raise RuntimeError(f"not everything was imported: {said.decode()}")
    return {"import_per_second": round(lines / seconds), "import_s": round(seconds, 1)}


def grown(home: Home, filled: Filled, moved: int) -> dict[str, Any]:
    """One size, all but the operations of its queues."""
    row: dict[str, Any] = {"rewrite": rewrite_row(home), "serve": serve_row(home)}
    if filled.comments:
        path = home.folder.parent / "comments.jsonl"
        row["transfer"] = asyncio.run(exported(home, path, moved))
        target = Home(home.folder.parent / "copy", home.scorer)
        row["transfer"] |= imported(target, path, row["transfer"]["comments"])
    return row


async def operations(
    homes: dict[int, tuple[Home, Filled]], data: Path | None
) -> dict[str, dict[str, dict[str, float]]]:
    """The queues' operations on all sizes in turn."""
    async with contextlib.AsyncExitStack() as stack:
        targets = []
        for size, (home, filled) in homes.items():
            parts = await stack.enter_async_context(home.services())
            targets.append(await queueing.prepare(size, parts, filled, bodies.texts(data, 500)))
        return await queueing.measure(targets)


def measure(sizes: list[int], data: Path | None, moved: int) -> dict[str, Any]:
    """Everything, in one run."""
    report: dict[str, Any] = {"texts": bodies.kind(data), "sizes": {}}
    homes: dict[int, tuple[Home, Filled]] = {}
    scorer = load_scorer("")
    with contextlib.ExitStack() as stack:
        for size in sizes:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="winnow-bench-"))
            home = Home(Path(folder) / "data", scorer)
            stack.callback(home.stop)
            home.start()
            filled = asyncio.run(filling.fill(home, data, size))
            homes[size] = home, filled
            report["sizes"][str(size)] = {
                "fill": filled_row(filled),
                "memory": memory_row(home, filled),
                "crash": crash_row(home),
            }
            _say(f"{size:,} comments: {report['sizes'][str(size)]['fill']}")
        long = {size: found for size, found in homes.items() if size >= SMALLEST}
        report["queues"] = asyncio.run(operations(long, data)) if long else {}
        report["not_flat"] = queueing.not_flat(report["queues"])
        _say(f"not flat: {report['not_flat']}")
        for size, (home, filled) in homes.items():
            report["sizes"][str(size)] |= grown(home, filled, moved)
            home.stop()
            _say(f"{size:,} comments: measured")
    return report


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Reads the arguments and prints the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of NAME.jsonl.gz")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument(
        "--moved", type=int, default=20_000, help="comments exported and imported at most"
    )
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    args = parser.parse_args()
    if any(0 < size < FEWEST for size in args.sizes):
        parser.error(f"a size is 0 or at least {FEWEST}")
    report = measure(sorted(set(args.sizes)), args.data, args.moved)
    print(json.dumps(report, indent=None if args.json else 1))


if __name__ == "__main__":
    main()
