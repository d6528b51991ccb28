"""Cutting a long text into overlapping windows, so that one sentence cannot hide in it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch ``start``..``end`` (exclusive) of a text in normal form.

    ``whole`` marks the text itself.
    """

    start: int
    end: int
    whole: bool


def passages(folded: str, window: int) -> list[Passage]:
    """The whole text first, then, if it is longer than two windows, its windows.

    Windows overlap by half and begin and end between words where a space is near.
    """
    found = [Passage(0, len(folded), whole=True)]
    if len(folded) <= 2 * window:
        return found
    step = window // 2
    for start in range(0, len(folded) - step, step):
        low = _word_edge(folded, start, step)
        high = _word_edge(folded, min(start + window, len(folded)), step)
        if low < high:
            found.append(Passage(low, high, whole=False))
    return found


def _word_edge(text: str, place: int, reach: int) -> int:
    """The nearest space at or before ``place``, at most half of ``reach`` away."""
    if place in (0, len(text)):
        return place
    edge = text.rfind(" ", max(0, place - reach // 2), place + 1)
    return edge if edge > 0 else place
