"""Shown: a text as it may be shown to people, whoever wrote it.

What is stored is what was written. What is shown holds no control characters, no bidi controls
(which let text stand in another order than it is read) and nothing of zero width, except where a
script or an emoji cannot be written without: joiners between Arabic, Syriac and Indic letters,
and joiners and colour selectors inside emoji.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from msgspec import Struct

Span = tuple[int, int]

# Arabic, Syriac and the scripts of India, Sri Lanka and Burma; symbols and emoji.
_JOINING = "\u0600-\u07bf\u0860-\u0dff\u1000-\u109f\ufe0f\u2190-\u2bff\U0001f000-\U0001faff"
_COLOURED = "0-9#*\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"
_UNSEEN = (
    "\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0"
    "\ufff9-\ufffb\U000e0000-\U000e0fff"
)


@cache
def _hidden() -> re.Pattern[str]:
    joiner = "[\u200c\u200d]"
    return re.compile(
        f"[{_UNSEEN}]|(?<![{_JOINING}]){joiner}|{joiner}(?![{_JOINING}])|(?<![{_COLOURED}])\ufe0f"
    )


class Segment(Struct, frozen=True):
    """A piece of a text; `marked` says what is to be seen in it, '' = nothing."""

    text: str
    marked: str = ""


def shown(text: str) -> str:
    """`text` without what draws nothing or changes the order of its neighbours."""
    return text if text.isascii() and text.isprintable() else _hidden().sub("", text)


def segments(text: str, spans: Iterable[tuple[Span, str]]) -> list[Segment]:
    """A text cut at its marked spans (code points of the original); overlaps are merged."""
    pieces: list[Segment] = []
    done = 0
    for start, end, why in _merged(text, spans):
        pieces.append(Segment(shown(text[done:start])))
        pieces.append(Segment(shown(text[start:end]), why))
        done = end
    pieces.append(Segment(shown(text[done:])))
    return [piece for piece in pieces if piece.text]


def _merged(text: str, spans: Iterable[tuple[Span, str]]) -> list[tuple[int, int, str]]:
    """Spans in order, inside the text, words between them; each with what it is marked for."""
    merged: list[tuple[int, int, str]] = []
    for (start, end), why in sorted(spans):
        first, last = max(0, start), min(end, len(text))
        if first >= last:
            continue
        if merged and not text[merged[-1][1] : first].strip():
            before = merged[-1]
            named = before[2] if why in before[2].split(", ") else f"{before[2]}, {why}"
            merged[-1] = before[0], max(before[1], last), named
        else:
            merged.append((first, last, why))
    return merged


def masked(email: str) -> str:
    """An address that can be told apart but not written to: `r…@example.org`."""
    local, at, domain = email.rpartition("@")
    return f"{local[:1]}…@{domain}" if at else ""
