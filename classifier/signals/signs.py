"""Signs: which of the costly looks at a text can find anything at all, told in one pass.

Most comments hold no link, no telephone number and no praise, and looking for each of them by
itself costs more than scoring does. So RE2 runs one automaton over the text (some 10 ns a
character for all of them); a look whose sign is missing is left out. A sign is a necessary
condition, never a verdict. The patterns are ours and small: a set of RE2's, which finds nothing
once its memory is used up, cannot use it up with them (tests/classifier/test_signs.py).
"""

import string
from collections.abc import Collection
from enum import IntEnum, auto
from functools import cache
from typing import Final

import re2

from classifier.links import SIGN as LINK_SIGN
from classifier.signals.patterns import MESSENGERS, PRAISE

_MEMORY: Final = 4 << 20  # bytes of the automaton's states, which are made as texts need them
_RUN: Final = 8  # times that a character stands in a row to be a run


class Sign(IntEnum):
    """What a text may hold; the value is the place in the set."""

    LINK = 0
    MARKUP = auto()
    DIGITS = auto()
    MESSENGER = auto()
    PRAISE = auto()
    DISGUISE = auto()
    RUN = auto()


_EVERY: Final = frozenset(Sign)
_NONE: Final[frozenset[int]] = frozenset()


def signs(text: str, lowered: str) -> Collection[int]:
    """The signs in a text; ``lowered`` is the text in lower case."""
    if len(lowered) != len(text):
        return _EVERY  # a few letters grow, and then a place in one is none in the other
    try:
        return _set().Match(lowered) or _NONE
    except UnicodeEncodeError:  # half a character
        return _EVERY


@cache
def _set() -> "re2.Set":
    chosen = re2.Options()
    chosen.max_mem = _MEMORY
    chosen.log_errors = False
    made = re2.Set.SearchSet(chosen)
    for sign in Sign:
        made.Add(_PATTERNS[sign])
    made.Compile()
    return made


def _disguise() -> str:
    """Letters spelt out, leet inside a word, and one letter three times: ``text`` undoes these."""
    threes = "|".join(letter * 3 for letter in string.ascii_lowercase if letter != "w")
    leet = r"[a-z][013457@$!]+[a-z]|[a-z]\$"
    return rf"{leet}|[ .\-_*][a-z][ .\-_*][a-z](?:[^a-z0-9]|$)|{threes}"


def _run() -> str:
    """Eight of one character; of those outside of ASCII, any eight."""
    seen = (re2.escape(chr(code)) for code in range(33, 127))
    others = r"[^\x00-\x7f]", r"[\x00-\x20\x7f]"
    return "|".join(f"{character}{{{_RUN}}}" for character in (*seen, *others))


_PATTERNS: Final[dict[Sign, str]] = {
    Sign.LINK: LINK_SIGN,
    Sign.MARKUP: r"<a\s|\[url|\[link",
    Sign.DIGITS: r"\p{Nd}{2}",
    Sign.MESSENGER: MESSENGERS,
    Sign.PRAISE: PRAISE,
    Sign.DISGUISE: _disguise(),
    Sign.RUN: _run(),
}
