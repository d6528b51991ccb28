"""Which language a text is in, as cheaply as it can be told.

Scripts and marker words (``lexicon``) decide at no cost beyond the tokens themselves; only a
text that they leave open goes to the library py3langid (97 languages, about 40 microseconds).
Roman Urdu, which no library knows, is told by marker words alone.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from classifier.library import identifier

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

UNKNOWN: Final = "und"
FOREIGN: Final = "foreign"
"""In a script that none of the model's languages is written in; ``detect`` tells which."""
ENGLISH: Final = "en"
OTHER, LATIN = 0, 1  # kinds of token; scripts follow, then one kind a language's markers
_SCRIPTS: Final = ("HANGUL", "CJK", "HIRAGANA", "KATAKANA", "ARABIC")
_HANGUL, _HAN, _HIRAGANA, _KATAKANA, _ARABIC = range(2, 7)
_OTHER_SCRIPT = 7  # letters of any other script
SINGLE: Final = 8  # one Latin letter by itself
FIRST_MARKER: Final = 9

_ENOUGH = 0.12  # share of words that must be markers of a language
# Near relatives share the markers of these: the library tells which of them it is.
_CLOSE: Mapping[str, tuple[str, ...]] = {
    "pt": ("es", "ca", "it", "ro", "fr"),
    "fr": ("es", "ca", "it", "ro", "pt"),
    "de": ("nl", "af", "da", "no", "sv"),
}
# Languages read by the head of another. It knows some of their words, and short Portuguese texts
# are often taken for one of them (ROC-AUC of Portuguese comments 0.819 with it, 0.810 without);
# Dutch insults are nearer to English ones than to German ones.
HEARD_BY: Final = {"es": "pt", "ca": "pt", "it": "pt"}
_SCRIPT_SHARE = 0.3  # share of tokens from which on a script decides
_FOREIGN_SHARE = 0.7  # share of words from which on another script decides
_LONGEST = 400  # code points the library reads: more change its answer for one text in 200
_FEWEST_WORDS = 4  # Latin words below which only markers tell a language from English
# What comments are written in; the library's minor languages only attract short English texts.
_KNOWN = (
    "af ar bg bn ca cs da de el en es et fa fi fr he hi hr hu hy id is it ja ka kk ko lt lv mk mn"
    " ms nl no pl pt ro ru sk sl sq sr sv sw ta te th tl tr uk ur uz vi zh"
)
# Log-odds of another language against English. Of 26,800 held-out English texts 0.4 % have more,
# and nearly all of those are not English; slang such as "lol Arjun ur perverted" has less.
_SURE = 20.0
_NOISE = re.compile(r"(?:https?://|www\.)\S+|[@#]\w+|\d+")


def kind(token: str, markers: Mapping[str, str], languages: Sequence[str]) -> int:
    """The kind of a token: no letters, Latin, another script, or a language's marker word."""
    if len(token) == 1 and token.isascii():
        return SINGLE if token.isalpha() else OTHER
    marked = markers.get(token)
    if marked in languages:
        return FIRST_MARKER + languages.index(marked)
    first = token[0]
    if first.isascii():
        return LATIN if first.isalpha() else OTHER
    return _script(first) if first.isalpha() else OTHER


@cache
def _script(letter: str) -> int:
    name = unicodedata.name(letter, "")
    if name.startswith("LATIN"):
        return LATIN
    for place, script in enumerate(_SCRIPTS):
        if name.startswith(script):
            return _HANGUL + place
    return _OTHER_SCRIPT


def told(counts: Sequence[int], languages: Sequence[str], text: str) -> str:
    """The language that the tokens of a text speak for, or the library where they leave it open.

    ``counts[kind]`` is how many tokens of each kind the text has. Of a short text the library
    may say anything: where its answer is no relative of what the markers say, they are right.
    """
    found = _by_tokens(counts, languages)
    if found and found not in _CLOSE:
        return found
    heard = detect(text)
    if not found or heard == ENGLISH or heard in _CLOSE or heard in _CLOSE[found]:
        return heard
    return found


def _by_tokens(counts: Sequence[int], languages: Sequence[str]) -> str | None:
    words = sum(counts) - counts[OTHER]
    if not words:
        return UNKNOWN
    if counts[LATIN] + sum(counts[SINGLE:]) < (1 - _SCRIPT_SHARE) * words:
        return _by_script(counts, words)
    return _by_markers(counts[FIRST_MARKER:], words, languages)


def _by_script(counts: Sequence[int], words: int) -> str | None:
    if counts[_HANGUL] >= _SCRIPT_SHARE * words:
        return "ko"
    ideograms = counts[_HAN] + counts[_HIRAGANA] + counts[_KATAKANA]
    if ideograms >= _SCRIPT_SHARE * words:
        return "zh" if counts[_HAN] > 4 * (ideograms - counts[_HAN]) else "ja"
    if counts[_OTHER_SCRIPT] >= _FOREIGN_SHARE * words:
        return FOREIGN
    return None


def _by_markers(found: Sequence[int], words: int, languages: Sequence[str]) -> str | None:
    best = max(found, default=0)
    if best and best >= _ENOUGH * words and 2 * best > sum(found):
        return languages[found.index(best)]
    return ENGLISH if words < _FEWEST_WORDS and not best else None


def detect(text: str) -> str:
    """The language of a text by the library, as ISO 639-1, or ``und``."""
    plain = _plain(text)[:_LONGEST]
    return str(_LIBRARY.open().classify(plain)[0]) if plain else UNKNOWN


def foreign(text: str) -> bool:
    """Whether the library is sure that a text is not English: of no short or odd text it is.

    Every word counts once: a phrase repeated a hundred times is no surer sign than one.
    """
    words = " ".join(dict.fromkeys(_plain(text).split()))
    if not words:
        return False
    ranked = _LIBRARY.open().rank(words)
    (first, best), odds = ranked[0], dict(ranked)
    return str(first) != ENGLISH and best - odds[ENGLISH] > _SURE


def _plain(text: str) -> str:
    """A text without links, names and numbers, and without lone surrogates."""
    return _NOISE.sub(" ", text).strip().encode("utf-8", "replace").decode("utf-8")


class _Library:
    """The library as this process has it: opened on first use."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._opened: LanguageIdentifier | None = None

    def keep(self, folder: Path | None) -> None:
        if folder != self.folder:
            self.folder, self._opened = folder, None

    def open(self) -> "LanguageIdentifier":
        if self._opened is None:
            self._opened = identifier(_KNOWN.split(), self.folder)
        return self._opened


_LIBRARY: Final = _Library()


def prepare() -> None:
    """Opens the library, which is slow, before a text waits for it."""
    _LIBRARY.open()


def keep_unpacked(folder: Path | None) -> None:
    """From now on the library's model is kept in this folder (``library``), for all processes."""
    _LIBRARY.keep(folder)
