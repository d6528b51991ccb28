"""Where a server's memory is: its keys by kind, each kind's share of a comment."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from service.store.keys import SiteKeys

SAMPLED = 300
"""Keys of a kind whose size is asked for."""
LARGE = 100
"""Members looked at of one key: what the whole takes is estimated from them."""
KINDS = {
    "c": "comment",
    "a": "author",
    "p": "page",
    "t": "text",
    "n": "stats",
    "events": "events",
    "h": "history",
    "o": "operation",
}
INDEXES = {"p": "queue of a page", "a": "queue of an author", "r": "queue of a reason"}
PASSING = ("text", "stats", "events")
"""Kinds that are gone after eight days at most, however many comments stay."""


def kind_of(key: str) -> str:
    """What a key of a site, without the site's prefix, is for."""
    first, _, rest = key.partition(":")
    if first == "q":
        index = rest.partition(":")[2]
        return INDEXES[index[0]] if index else "queue"
    return KINDS.get(first, "other")


def kinds(client: Any, site: str, comments: int, grown: int) -> dict[str, Any]:
    """Every kind of key: how many, bytes of one, bytes a comment, encodings; and what is left.

    Args:
        client: a connection that may ask everything.
        site: the site's id.
        comments: how many it has.
        grown: bytes of memory that they take together.
    """
    counts, samples = _sampled(client, SiteKeys(site).prefix())
    rows: dict[str, dict[str, Any]] = {}
    for kind, keys in samples.items():
        sizes = [int(client.memory_usage(key, samples=LARGE)) for key in keys]
        mean = sum(sizes) / len(sizes)
        encodings = Counter(client.object("encoding", key).decode() for key in keys)
        rows[kind] = {
            "keys": counts[kind],
            "bytes": round(mean),
            "bytes_per_comment": round(mean * counts[kind] / comments, 1),
            "encodings": dict(encodings),
        }
    rows = dict(sorted(rows.items(), key=lambda row: -row[1]["bytes_per_comment"]))
    told = sum(row["bytes_per_comment"] for row in rows.values())
    passing = sum(rows[kind]["bytes_per_comment"] for kind in PASSING if kind in rows)
    return {
        "bytes_per_comment_after_8_days": round(grown / comments - passing),
        "kinds": rows,
        "tables_and_rest_per_comment": round(grown / comments - told, 1),
    }


def _sampled(client: Any, prefix: str) -> tuple[Counter[str], dict[str, list[bytes]]]:
    """How many keys there are of each kind, and some of each, all with the same chance."""
    counts: Counter[str] = Counter()
    samples: dict[str, list[bytes]] = {}
    dice, start = random.Random(3), prefix.encode()
    for key in client.scan_iter(count=2_000):
        if not key.startswith(start):
            continue
        kind = kind_of(key[len(start) :].decode())
        counts[kind] += 1
        kept = samples.setdefault(kind, [])
        if len(kept) < SAMPLED:
            kept.append(key)
        elif (place := dice.randrange(counts[kind])) < SAMPLED:
            kept[place] = key
    return counts, samples
