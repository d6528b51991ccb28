"""What the encoder reads of a text: undisguised, emoji by name, in passages of tokens."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from classifier.text import fold

LONGEST: Final = 20_000  # code points read of one text; the rest is ignored
START: Final = 101  # [CLS] of the base's vocabulary
END: Final = 102  # [SEP]
MOST: Final = 16  # passages read of one text: the bound on its cost; enough for 9,000 characters
OVERLAP: Final = 24  # tokens that neighbouring passages share
_LATIN_END: Final = "\u024f"
_FOREIGN_SHARE: Final = 0.3
_SYMBOL = re.compile(r"([\u2190-\u2bff\u3000-\u303f\U0001f000-\U0001faff])\1*")
_ADDRESS = re.compile(r"\S*(?:://|www\.|\.(?:com|net|org|ru|io)\b|@|#)\S*|\d+")
_FEWEST_WORDS: Final = 4
_MOST_FOREIGN: Final = 0.25  # share of pieces, less that of function words
_ENGLISH: Final = frozenset(
    re.findall(
        r"\w+",
        "the an to and of is are be you it that this for my your not have with at if we they"
        " what just can like its from about how who up out there get when would more has people"
        " don im",
    )
)
_SILENT = ("emoji modifier", "variation selector", "emoji component")


def plain(text: str) -> str:
    """The normal form with emoji spelled out: the base knows words, but hardly any emoji."""
    folded = fold(text[:LONGEST])
    if not folded.isascii():
        folded = _SYMBOL.sub(lambda found: _name(found[1]), folded)
    return " ".join(folded.split())


@lru_cache(maxsize=4096)
def _name(symbol: str) -> str:
    name = unicodedata.name(symbol, "").lower()
    return " " if name.startswith(_SILENT) else f" {name} "


def readable(plain: str) -> bool:
    """Whether the base can judge a text: most of its letters are Latin, or it has none."""
    if plain.isascii():
        return True
    foreign = sum(c.isalpha() and c > _LATIN_END for c in plain)
    return foreign <= _FOREIGN_SHARE * sum(map(str.isalpha, plain))


def without_addresses(plain: str) -> str:
    """The text without links, addresses, tags and numbers, which belong to no language."""
    return _ADDRESS.sub(" ", plain)


def english(tokens: Sequence[str]) -> bool:
    """Whether tokens (of a text without addresses) look English to the base.

    Words of other languages fall into pieces and few of them are English function words. On
    held-out rows this finds 82 to 99 % of French, Portuguese, German and Turkish comments, two
    in three of Indonesian and Roman Urdu ones, and takes 1 to 3 % of English ones for foreign.
    """
    words = [token for token in tokens if token.lstrip("#").isalpha()]
    whole = [token for token in words if token.isalpha()]
    if len(whole) < _FEWEST_WORDS:
        return True
    in_pieces = 1 - len(whole) / len(words)
    return in_pieces - sum(token in _ENGLISH for token in whole) / len(whole) <= _MOST_FOREIGN


def passages(ids: Sequence[int], window: int) -> list[list[int]]:
    """The tokens of a text as passages of ``window`` tokens at most, start and end marks included.

    They overlap a little, less where the text would need more than ``MOST`` of them; of a still
    longer one stretches are left out between evenly spread passages, never at its ends.
    """
    room = window - 2
    step = room - OVERLAP
    starts = list(range(0, max(len(ids) - OVERLAP, 1), step))
    if len(starts) > MOST:
        starts = [round(place) for place in np.linspace(0, len(ids) - room, MOST)]
    return [[START, *ids[start : start + room], END] for start in starts]
