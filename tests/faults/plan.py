"""One seed, from which every choice of a run is drawn: the same seed gives the same schedule.

Each part (a fault, a round, one client) draws from a source of its own, named by where it stands.
So a client that was slowed down shifts nobody else's choices.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import NamedTuple


def source(seed: int, *names: object) -> random.Random:
    """The random numbers of one part of a run."""
    text = "/".join(map(str, (seed, *names)))
    return random.Random(hashlib.sha256(text.encode()).digest())


class Strike(NamedTuple):
    """One fault: it comes after so many further acknowledgements."""

    number: int
    after: int
    what: str
    share: float
    """A number in 0..1 for whatever else is to be chosen: a process, an offset, a time."""
    aside: bool
    """Whether something harmless goes on at the same time, such as a rewrite of the AOF."""


def strikes(
    seed: int, fault: str, times: int, what: Sequence[tuple[str, int]], after: tuple[int, int]
) -> list[Strike]:
    """The schedule of one fault.

    Args:
        seed: the run's.
        fault: its name.
        times: how many strikes.
        what: the kinds with their weights; every kind comes at least once if `times` allows it.
        after: fewest and most acknowledgements between two strikes.
    """
    choose = source(seed, fault, "strikes")
    names, weights = zip(*what, strict=True)
    kinds = [*names[:times], *choose.choices(names, weights, k=max(0, times - len(names)))]
    choose.shuffle(kinds)
    return [
        Strike(number, choose.randint(*after), kind, choose.random(), choose.random() < 0.5)
        for number, kind in enumerate(kinds)
    ]


def fingerprint(plan: Sequence[object]) -> str:
    """A short name for a schedule: equal for equal ones."""
    return hashlib.sha256(repr(list(plan)).encode()).hexdigest()[:12]
