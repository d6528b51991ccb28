"""Which character stands for which Latin letter: the tables behind the normal form.

Everything here is built once, on first use, because most comments are plain ASCII and
never need it. The lookalikes come from Unicode's UTS #39 data (package
``confusable-homoglyphs``); the few styled letters that NFKC leaves alone are listed here.
"""

import unicodedata
from functools import cache
from importlib.resources import files

import msgspec

# Default_Ignorable_Code_Point (Unicode 16, DerivedCoreProperties.txt): they draw nothing,
# so inside a word they can only disguise it.
IGNORABLE_RANGES: tuple[tuple[int, int], ...] = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)

# Letters drawn as symbols that compatibility normalisation (NFKC) does not undo.
_SMALL_CAPITALS = {
    "ᴀ": "a", "ʙ": "b", "ᴄ": "c", "ᴅ": "d", "ᴇ": "e", "ꜰ": "f", "ɢ": "g", "ʜ": "h", "ɪ": "i",
    "ᴊ": "j", "ᴋ": "k", "ʟ": "l", "ᴍ": "m", "ɴ": "n", "ᴏ": "o", "ᴘ": "p", "ꞯ": "q", "ʀ": "r",
    "ꜱ": "s", "ᴛ": "t", "ᴜ": "u", "ᴠ": "v", "ᴡ": "w", "ʏ": "y", "ᴢ": "z",
}  # fmt: skip
_STYLED_ALPHABETS = (0x1F150, 0x1F170)  # negative circled, negative squared A-Z
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
# Letters whose accent is part of the shape, so NFKD does not take it off.
_STROKED = {"ø": "o", "đ": "d", "ħ": "h", "ł": "l", "ŧ": "t", "ı": "i", "ƒ": "f", "ƀ": "b"}
# Shapes that UTS #39 maps to several letters or to a capital, chosen by eye for running text.
_PREFERRED = {
    "а": "a", "в": "b", "е": "e", "к": "k", "м": "m", "н": "h", "о": "o", "р": "p", "с": "c",
    "т": "t", "у": "y", "х": "x", "ѕ": "s", "і": "i", "ј": "j", "һ": "h", "ԁ": "d", "ԛ": "q",
    "ԝ": "w", "ё": "e", "ї": "i", "п": "n", "г": "r", "ь": "b", "ш": "w", "я": "r", "и": "u",
    "α": "a", "β": "b", "ε": "e", "η": "n", "ι": "i", "κ": "k",
    "ν": "v", "ο": "o", "ρ": "p", "τ": "t", "υ": "u", "χ": "x", "σ": "o", "ω": "w", "γ": "y",
}  # fmt: skip


def ignorable(code: int) -> bool:
    """Whether the code point draws nothing by default (Default_Ignorable_Code_Point)."""
    return any(first <= code <= last for first, last in IGNORABLE_RANGES)


class FoldTable(dict[int, str]):
    """``str.translate`` table that folds one character, filled as characters are met.

    A character maps to its NFKC case-folded form without ignorables; a Latin letter also
    loses its accents. Other scripts keep their marks, which there make other letters.
    """

    def __missing__(self, code: int) -> str:
        folded = fold_character(chr(code))
        self[code] = folded
        return folded


def fold_character(char: str) -> str:
    """One character in the normal form (zero or more characters)."""
    plain = _styled().get(char, char)
    for _ in range(2):  # case folding can undo NFKC and the other way round
        plain = unicodedata.normalize("NFKC", plain).casefold()
    kept = "".join(c for c in plain if not ignorable(ord(c)))
    return "".join(_unaccented(c) for c in kept)


def _unaccented(char: str) -> str:
    if char in _STROKED:
        return _STROKED[char]
    parts = unicodedata.normalize("NFKD", char)
    base, marks = parts[:1], parts[1:]
    plain = base.isascii() and base.isalpha() and all(map(unicodedata.combining, marks))
    return base if plain else char


@cache
def _styled() -> dict[str, str]:
    styled = dict(_SMALL_CAPITALS)
    for first in _STYLED_ALPHABETS:
        styled.update({chr(first + i): letter for i, letter in enumerate(_ALPHABET)})
    return styled


@cache
def fold_table() -> FoldTable:
    """The shared table for :meth:`str.translate`; grows with the characters met."""
    return FoldTable()


@cache
def latin_lookalikes() -> dict[int, str]:
    """Code point of a folded non-Latin letter to the Latin letter it looks like (UTS #39)."""
    # Read, not imported: the package would keep all of it, 9 MB, in memory.
    data = files("confusable_homoglyphs").joinpath("confusables.json").read_bytes()
    found: dict[int, str] = {}
    for char, twins in msgspec.json.decode(data).items():
        letter = _latin_twin(char, [str(twin["c"]) for twin in twins])
        if letter:
            found[ord(char)] = letter
    found.update({ord(char): letter for char, letter in _PREFERRED.items()})
    return found


def _latin_twin(char: str, twins: list[str]) -> str:
    if len(char) != 1 or char.isascii() or not char.isalpha():
        return ""
    letters = [t.lower() for t in twins if len(t) == 1 and t.isascii() and t.isalpha()]
    return letters[0] if letters and fold_character(char) == char else ""
