"""How fast, and in how much memory, `winnow import` takes a WordPress export.

    python benchmarks/importing.py [--comments 50000]

Writes a WXR file of its own making (threads, all statuses, CDATA, HTML), starts an embedded store,
imports the file with the real command and counts what is there. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from service.bootstrap import with_secret
from service.ids import Secrets
from service.importing.formats import opened
from service.records import Policy, Site
from service.settings import Settings
from service.store import Store, embedded

SITE = "benchmark"
PER_PAGE = 200
STATUSES = {"1": "approved", "0": "pending", "spam": "spam", "trash": "rejected"}
WEIGHTS = (84, 6, 8, 2)
TEXT = (
    "the garden kept its own hours and nobody minded because rain came late that year while "
    "neighbours argued over fences bread prices trains school roofs and who had borrowed a ladder "
    "Ökonomie naïve café привет свет мир 早上好"
)
BEGINNING = """<?xml version="1.0" encoding="UTF-8" ?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:wp="http://wordpress.org/export/1.2/">
<channel><title>A garden</title><link>https://garden.example</link>
<wp:wxr_version>1.2</wp:wxr_version>
"""
ITEM = """<item><title><![CDATA[Day {number}]]></title>
<link>https://garden.example/day/{number}/</link><dc:creator>gardener</dc:creator>
<content:encoded><![CDATA[{body}]]></content:encoded><wp:post_id>{number}</wp:post_id>
<wp:status>publish</wp:status><wp:post_type>post</wp:post_type>
"""
COMMENT = """<wp:comment><wp:comment_id>{id}</wp:comment_id>
<wp:comment_author><![CDATA[{name}]]></wp:comment_author>
<wp:comment_author_email>{email}</wp:comment_author_email>
<wp:comment_author_url>{url}</wp:comment_author_url>
<wp:comment_author_IP>203.0.113.{ip}</wp:comment_author_IP>
<wp:comment_date>{date}</wp:comment_date><wp:comment_date_gmt>{date}</wp:comment_date_gmt>
<wp:comment_content><![CDATA[{body}]]></wp:comment_content>
<wp:comment_approved>{approved}</wp:comment_approved><wp:comment_type></wp:comment_type>
<wp:comment_parent>{parent}</wp:comment_parent><wp:comment_user_id>0</wp:comment_user_id>
</wp:comment>
"""


def parts(comments: int, seed: int) -> Iterator[tuple[str, str]]:
    """The pieces of a file; with a comment's, the status it must get."""
    dice = random.Random(seed)
    yield BEGINNING, ""
    for first in range(0, comments, PER_PAGE):
        yield ITEM.format(number=first // PER_PAGE + 1, body=text(dice, 300)), ""
        for number in range(first + 1, min(first + PER_PAGE, comments) + 1):
            approved = dice.choices(list(STATUSES), WEIGHTS)[0]
            yield comment(number, first, approved, dice), STATUSES[approved]
        yield "</item>\n", ""
    yield "</channel></rss>\n", ""


def comment(number: int, first: int, approved: str, dice: random.Random) -> str:
    """One comment; about half answer an earlier one of their page."""
    author = dice.randrange(50_000)
    date = datetime(2010, 1, 1, tzinfo=UTC) + timedelta(seconds=number * 400)
    body = text(dice, dice.choice((8, 20, 60)))
    if number % 5 == 0:
        body += f'\n\nSee <a href="https://else.example/{number}">here</a> &amp; <em>there</em>.'
    return COMMENT.format(
        id=number,
        name=f"Reader {author}",
        email=f"reader{author}@example.org" if author % 7 else "",
        url="https://reader.example/" if author % 3 == 0 else "",
        ip=author % 250,
        date=f"{date:%Y-%m-%d %H:%M:%S}",
        body=body,
        approved=approved,
        parent=dice.randrange(first + 1, number) if number > first + 1 and number % 2 else 0,
    )


def text(dice: random.Random, words: int) -> str:
    """Some words in a row."""
    return " ".join(dice.choices(TEXT.split(), k=words))


def write(path: Path, comments: int, seed: int = 1) -> Counter[str]:
    """Writes a file; how many comments of each status it holds."""
    statuses: Counter[str] = Counter()
    with path.open("w") as file:
        for piece, status in parts(comments, seed):
            file.write(piece)
            statuses[status] += bool(status)
    return +statuses


def read_only(path: Path) -> float:
    """Seconds that reading and shaping take alone."""
    started = time.perf_counter()
    file, form = opened(str(path))
    with file:
        for raw in form.read(file):
            form.shape(raw)
    return time.perf_counter() - started


def bring(path: Path, home: Path) -> tuple[dict[str, Any], float]:
    """The report of the real command, and the seconds it took."""
    command = [sys.executable, "-m", "service.cli", "import", SITE, str(path), "--json"]
    started = time.perf_counter()
    done = subprocess.run(
        command,
        env=os.environ | {"WINNOW_DATA_DIR": str(home)},
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout), time.perf_counter() - started


async def on_store(home: Path, *, create: bool) -> dict[str, int]:
    """The site's queues; with `create`, of a new site."""
    url = embedded.running_url(home)
    assert url is not None
    store = Store(url, Secrets(with_secret(Settings(data_dir=home)).secret_bytes))
    await store.open()
    try:
        if create:
            await store.sites.create(Site(id=SITE, number=0), Policy())
        return {row.status: row.count for row in await store.queues.waiting(SITE)}
    finally:
        await store.close()


def measure(comments: int) -> dict[str, Any]:
    """Everything, in one run."""
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        path, home = Path(folder) / "export.xml", Path(folder) / "data"
        statuses = write(path, comments)
        settings = with_secret(Settings(data_dir=home))
        server = embedded.start(settings)
        try:
            server.wait_ready()
            asyncio.run(on_store(home, create=True))
            reading_s = read_only(path)
            report, seconds = bring(path, home)
            # Of the largest child that has ended, and that is the import.
            peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            queues = asyncio.run(on_store(home, create=False))
            again, again_s = bring(path, home)
        finally:
            server.stop()
        return {
            "comments": comments,
            "file_mb": round(path.stat().st_size / 1e6, 1),
            "reading_per_second": round(comments / reading_s),
            "seconds": round(seconds, 1),
            "per_second": round(comments / seconds),
            "peak_memory_mb": round(peak_kb / 1024, 1),
            "imported": report["imported"],
            "statuses": queues,
            "counts_equal": all(queues[name] == statuses[name] for name in queues)
            and report["imported"] == comments,
            "again": {
                "imported": again["imported"],
                "known": again["known"],
                "per_second": round(comments / again_s),
            },
        }


def main() -> None:
    """Reads the arguments and prints the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comments", type=int, default=50_000)
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    args = parser.parse_args()
    json.dump(measure(args.comments), sys.stdout, indent=None if args.json else 2)
    print()


if __name__ == "__main__":
    main()
