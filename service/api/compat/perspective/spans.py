"""Sentences, and where they are in a text as JavaScript and Java count: in UTF-16 code units."""

from __future__ import annotations

import re
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

MOST: Final = 200
"""Sentences of one text that are told apart; what follows is one with the last."""

_END: Final = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』”’]*|\n+")


class Span(NamedTuple):
    """A part of a text, and where it is: from the unit `begin` up to, not including, `end`."""

    text: str
    begin: int
    end: int


def whole(text: str) -> Span:
    """The whole text."""
    return Span(text, 0, units(text))


def units(text: str) -> int:
    """The length of a text in UTF-16 code units: a character beyond U+FFFF is two."""
    return len(text) + sum(letter > "\uffff" for letter in text)


def sentences(text: str) -> list[Span]:
    """The sentences of a text, without the white space around them; at least one."""
    edges = [0, *(found.end() for found in _END.finditer(text)), len(text)]
    parts = list(pairwise(edges))
    if len(parts) > MOST:
        parts = [*parts[: MOST - 1], (parts[MOST - 1][0], len(text))]
    # Where each character begins, so that every sentence is two look-ups.
    at = [0, *accumulate(2 if letter > "\uffff" else 1 for letter in text)]
    found = []
    for start, end in parts:
        sentence = text[start:end].strip()
        if sentence:
            first = text.index(sentence, start)
            found.append(Span(sentence, at[first], at[first + len(sentence)]))
    return found or [whole(text)]
