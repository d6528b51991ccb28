"""Which texts say nearly the same: groups around a first text, found by bands. Pure.

Two simhashes that differ in at most six of 64 bits agree in at least one of seven bands, so only
those that share a band are compared. A text joins the first group whose leader is near, so nobody
is drawn in by a chain of others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

NEAR: Final = 6
"""Bits in which texts may differ that say nearly the same (classifier.NEAR)."""
BITS: Final = 64
BANDS: Final = NEAR + 1
COMPARED: Final = 64
"""Leaders compared in one band at most: bounds the time that made-up texts can cost."""
_EDGES: Final = [BITS * i // BANDS for i in range(BANDS + 1)]


def groups(simhashes: Sequence[int]) -> list[list[int]]:
    """Places in `simhashes` that belong together, the leader first; texts without words are left.

    Groups come in the order of their leaders.
    """
    led: dict[int, list[int]] = {}
    leader_of: dict[int, int] = {}
    banded: dict[tuple[int, int], list[int]] = {}
    for place, simhash in enumerate(simhashes):
        if not simhash:
            continue
        leader = leader_of.get(simhash)
        if leader is None:
            leader = leader_of[simhash] = _led_by(simhash, banded)
        led.setdefault(leader, []).append(place)
    return list(led.values())


def _led_by(simhash: int, banded: dict[tuple[int, int], list[int]]) -> int:
    """The leader near a text; the text itself where there is none."""
    bands = list(_bands(simhash))
    for band in bands:
        for leader in banded.get(band, ())[-COMPARED:]:
            if (leader ^ simhash).bit_count() <= NEAR:
                return leader
    for band in bands:
        banded.setdefault(band, []).append(simhash)
    return simhash


def _bands(simhash: int) -> Iterable[tuple[int, int]]:
    for number in range(BANDS):
        low, high = _EDGES[number], _EDGES[number + 1]
        yield number, simhash >> low & (1 << high - low) - 1
