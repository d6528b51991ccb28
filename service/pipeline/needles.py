"""One entry of a word list, and the forms of text it is looked for in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

import re2

from service.pipeline.price import CHEAP, DEAR

PATTERN_MEMORY: Final = 1 << 20
"""Bytes RE2 may use for one pattern or wildcard of a policy; larger ones are refused."""
LOOKS_MAX: Final = 8_000
"""Occurrences of words looked at closely in one text, some 10 ms; see `Looks`."""
LOOK_CHARS: Final = 700
"""Searching this many characters for one piece takes about as long as one look (1 us)."""

Span = tuple[int, int]
Match = Literal["exact", "word", "wildcard"]

# Drawn as nothing: soft hyphen, joiners, bidi controls, variation selectors, tags.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
# Scripts written without spaces between words: Thai, Lao, Burmese, Khmer, Tibetan, kana, Han.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
# What `*` stands for: ASCII letters and digits, and beyond ASCII all but usual blanks, signs and
# pictures. The exact class of letters and digits would take 1 ms per star to compile.
_WORD_RUN: Final = (
    r"[^\x00-/:-@\[-`{-\x{a9}\x{ab}-\x{b1}\x{b4}\x{b6}-\x{b8}\x{bb}\x{bf}\x{d7}\x{f7}"
    r"\x{2000}-\x{206f}\x{20a0}-\x{20cf}\x{2190}-\x{2bff}\x{3000}-\x{3004}\x{3008}-\x{3020}"
    r"\x{fe10}-\x{fe6f}\x{ff00}-\x{ff0f}\x{ff1a}-\x{ff20}\x{1f000}-\x{1faff}]*"
)


class Seen(NamedTuple):
    """A text as a reader sees it; `offsets` tells each character's place in the original."""

    text: str
    offsets: list[int] | None
    """None = the same places."""

    def origin(self, span: Span) -> Span:
        """The span in the original text."""
        if self.offsets is None or span[0] >= span[1]:
            return span
        return self.offsets[span[0]], self.offsets[span[1] - 1] + 1


def see(text: str) -> Seen:
    """`text` without the characters that draw nothing."""
    if text.isascii() or not _INVISIBLE.search(text):
        return Seen(text, None)
    kept = [(i, char) for i, char in enumerate(text) if not _INVISIBLE.match(char)]
    return Seen("".join(char for _, char in kept), [i for i, _ in kept])


def lower(text: str) -> str:
    """Lower case, character by character, so that places stay the same (`İ` alone would grow)."""
    return text.lower() if text.isascii() else text.replace("İ", "i").lower().replace("ς", "σ")


class Looks:
    """How many occurrences may still be looked at in one text.

    No ordinary text comes near the bound; a list and a text made for each other would (`a`, `aa`,
    ... on 10,000 times `a`). A text that uses it up counts as holding the entry it stopped at.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = LOOKS_MAX

    @property
    def spent(self) -> bool:
        """Whether there was more to look at than is allowed."""
        return self.left < 0


_GRAMS: Final = (6, 3, 2, 1)


class Text:
    """A text with its short runs of characters: a quick no for nearly every piece."""

    __slots__ = ("runs", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.runs = {text[i : i + n] for n in _GRAMS for i in range(len(text) - n + 1)}

    def may_hold(self, piece: str) -> bool:
        """False only where the piece does not occur."""
        size = next((n for n in _GRAMS if n <= len(piece)), 0)
        return not size or (piece[:size] in self.runs and piece[-size:] in self.runs)


class Needle(NamedTuple):
    """One entry of a list in one form of text."""

    pieces: tuple[str, ...]
    """What must occur in a text before it is worth a closer look."""
    match: Match
    regex: Any = None
    """For a wildcard only."""
    price: int = 1
    """Times that the text is read, at worst."""

    def find(self, within: Text, looks: Looks) -> Iterator[Span]:
        """Where it occurs in a text, which must be in the same form."""
        text = within.text
        if not self.pieces or not all(map(within.may_hold, self.pieces)):
            return
        looks.left -= self.price * len(text) // LOOK_CHARS
        if looks.left < 0 or not all(piece in text for piece in self.pieces):
            return
        for span in self._spans(text):
            looks.left -= 1
            if looks.left < 0:
                return
            if self.match == "exact" or _stands_alone(text, span):
                yield span

    def _spans(self, text: str) -> Iterator[Span]:
        if self.regex is not None:
            yield from (found.span() for found in self.regex.finditer(text))
            return
        piece = self.pieces[0]
        start = text.find(piece)
        while start >= 0:
            yield start, start + len(piece)
            start = text.find(piece, start + 1)


def make_needle(text: str, match: Match) -> Needle:
    """The entry as it is searched.

    Raises:
        re2.error: a wildcard is too large.
    """
    if match != "wildcard":
        return Needle((text,) if text else (), match)
    pieces = tuple(piece for piece in text.split("*") if piece)
    source = _WORD_RUN.join(re2.escape(piece) for piece in re.sub(r"\*+", "*", text).split("*"))
    stars = source.count(_WORD_RUN)
    cost = len(pieces) + stars * (1 if stars <= CHEAP else DEAR)
    return Needle(pieces, match, re2.compile(source, options(PATTERN_MEMORY)), cost)


def _stands_alone(text: str, span: Span) -> bool:
    """Whether no letter or digit of the same word touches either end."""
    start, end = span
    before = start == 0 or _parts(text[start - 1], text[start])
    return before and (end == len(text) or _parts(text[end - 1], text[end]))


def _parts(left: str, right: str) -> bool:
    """Whether a word may end between two neighbours."""
    if not (_in_word(left) and _in_word(right)):
        return True
    return bool(_UNSPACED.match(left) or _UNSPACED.match(right))


def _in_word(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char)[0] == "M"


def options(memory: int) -> Any:
    """RE2's options: how many bytes a search may use, and silence."""
    chosen = re2.Options()
    chosen.max_mem = memory
    chosen.log_errors = False
    return chosen
