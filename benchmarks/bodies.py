"""What the load is made of: comments of 40 to 2,000 characters by some thousand authors.

Texts are real where a folder of `NAME.jsonl.gz` files is given, else sentences that the
classifier's generators make, joined to like lengths; a report says which under `texts`.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from classifier import generated

SETS = ("toxic_spans", "blog3_approved", "blog3_rejected", "wiki_context_toxicity")
SHORTEST, LONGEST = 40, 2000
AUTHORS, PAGES = 8000, 300


def texts(folder: Path | None, count: int) -> list[str]:
    """`count` texts of 40 to 2,000 code points in a fixed random order; repeated where too few."""
    found = [text for text in _all(folder) if len(text) >= SHORTEST]
    random.Random(7).shuffle(found)
    return [found[k % len(found)][:LONGEST] for k in range(count)]


def kind(folder: Path | None) -> str:
    """What a report says of the texts."""
    return "real" if folder else "generated"


def _all(folder: Path | None) -> Iterator[str]:
    if folder is None:
        yield from _generated()
        return
    for name in SETS:
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["text"]


def _generated() -> Iterator[str]:
    """Runs of generated sentences, as long as comments are (median some 200 characters)."""
    dice = random.Random(11)
    sentences = [row["text"] for row in generated.rows(seed=0)]
    for _ in range(20_000):
        size = min(60, 1 + int(dice.expovariate(1 / 4)))
        yield " ".join(dice.choices(sentences, k=size))


def submission(number: int, text: str, site: str) -> dict[str, Any]:
    """A comment for `POST /v1/comments`."""
    dice = random.Random(number)
    author = dice.randrange(AUTHORS)
    return {
        "site": site,
        "page": f"https://news.example/{dice.randrange(PAGES)}",
        "name": f"Reader {author}",
        "email": f"reader{author}@example.org",
        "body": text,
        "ip": f"203.0.113.{author % 250}",
        "elapsed_ms": dice.randrange(3_000, 90_000),
    }


def isso(number: int, text: str) -> tuple[str, dict[str, Any]]:
    """The same comment for Isso's `POST /new`: its query and its body."""
    ours = submission(number, text, "")
    page = ours["page"].rpartition("/")[2]
    body = {
        "text": text,
        "author": ours["name"],
        "email": ours["email"],
        "title": f"Article {page}",
    }
    return f"uri=%2F{page}%2F", body
