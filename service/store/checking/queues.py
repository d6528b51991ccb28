"""Checks queues: who stands in one belongs there, by what the comment itself says."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.store.checking import comments
from service.store.checking.looking import SLICE, Looking

Digests = NDArray[np.int64]


def distinct(digests: array[int]) -> Digests:
    """Sorted, each once."""
    return np.unique(np.frombuffer(digests, dtype=np.int64)) if digests else np.empty(0, np.int64)


def among(digests: Digests, known: Digests) -> NDArray[np.bool_]:
    """Which of them are in `known`, which is sorted."""
    if not len(known):
        return np.zeros(len(digests), dtype=np.bool_)
    at = np.minimum(np.searchsorted(known, digests), len(known) - 1)
    return np.asarray(known[at] == digests, dtype=np.bool_)


class Places:
    """Where the comments of a site must stand, once all of them were read."""

    def __init__(self, looking: Looking) -> None:
        self._looking = looking
        self._known = distinct(looking.places)
        looking.places = array("q")

    async def judge(self, looking: Looking, names: list[str]) -> None:
        """Judges a slice of queues: each member belongs there, each author has a record."""
        start = 0
        while names:
            slices = await looking.bulk(
                [("ZRANGE", name, start, start + SLICE - 1, "WITHSCORES") for name in names]
            )
            members = [pairs(rows) for rows in slices]
            for name, found in zip(names, members, strict=True):
                await self._judge(name, found)
            names = [n for n, found in zip(names, members, strict=True) if len(found) == SLICE]
            start += SLICE
            if names:
                await looking.rest()

    async def _judge(self, queue: str, members: list[tuple[str, float]]) -> None:
        scored = not queue.startswith(self._looking.keys.tests_by(""))
        digests = [
            comments.place_digest(queue, name, int(score) if scored else None)
            for name, score in members
        ]
        known = among(np.array(digests, dtype=np.int64), self._known)
        for (name, _), right in zip(members, known.tolist(), strict=True):
            if not right:
                self._looking.findings.add(await self._look(queue, name))

    async def _look(self, queue: str, comment_id: str) -> list[str]:
        """A comment that was not seen there before: moved meanwhile, or out of place."""
        keys = self._looking.keys
        row, score = await self._looking.snapshot(
            [("HMGET", keys.comment(comment_id), *comments.FIELDS), ("ZSCORE", queue, comment_id)]
        )
        if score is None:
            return []
        found = comments.read_row(comment_id, row)
        if found is None:
            return [f"{comment_id}: stands in {queue}, but is not there"]
        if isinstance(found, str):
            return []  # reported already
        places = dict(comments.stands_in(keys, found.comment, found.status))
        if queue not in places:
            return [f"{comment_id}: still in {queue}"]
        wanted = places[queue]
        if wanted is not None and float(score) != wanted:
            return [f"{comment_id}: stands at {float(score):.0f} in {queue}, not at {wanted}"]
        return []


async def judge_author_queues(looking: Looking, names: list[str]) -> None:
    """An author who has comments has a record that counts them."""
    authors = sorted({name.rpartition(":")[2] for name in names})
    there = await looking.bulk([("EXISTS", looking.keys.author(author)) for author in authors])
    for author, exists in zip(authors, there, strict=True):
        if not exists:  # one with a record was judged with it
            looking.findings.add(await comments.look_at_author(looking, author))


def pairs(rows: list[Any]) -> list[tuple[str, float]]:
    """Members and scores, flat or in pairs as the client gave them."""
    if rows and isinstance(rows[0], tuple):
        return [(member.decode(), float(score)) for member, score in rows]
    return [
        (member.decode(), float(score)) for member, score in zip(rows[::2], rows[1::2], strict=True)
    ]
