"""From normal-form text to rows of the weight tables: hashed n-grams without a Python loop.

Two tables. *Characters*: n-grams of 2 to 5 characters that stay inside one word with the
space before and after it. *Words*: runs of 1 to 3 words; an ideogram or a symbol such as an
emoji counts as a word of its own. Each n-gram is hashed to a row; row 0 means "no n-gram
here" and weighs nothing, so every array stays rectangular and position by position.

Hashes are polynomial, modulo 2**32: a character n-gram's by Horner's rule over shifted
arrays, a word's from one cumulative sum, the prefix hash, times the inverse power of its
place (P**i and P**-i exist for every odd P). ``FEATURES_VERSION`` changes with any of this.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FEATURES_VERSION = 1
CHAR_ORDERS = (2, 3, 4, 5)
WORD_ORDERS = (1, 2, 3)

_SPACE = 32
_WORD, _SINGLE = 1, 2  # classes of characters; 0 is everything else
_POWER = np.uint32(0x01000193)  # the FNV prime: odd, few bits set
_SCATTER = np.uint32(0x9E3779B1)  # 2**32 / golden ratio, made odd (Knuth, TAOCP 6.4)
_SECOND, _THIRD = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)  # MurmurHash3 finaliser constants

Codes = NDArray[np.uint32]
Rows = NDArray[np.uint32]
Places = NDArray[np.intp]


class Shape(NamedTuple):
    """Sizes of the two tables as powers of two: rows = 2 ** bits."""

    char_bits: int
    word_bits: int


@dataclass(frozen=True, slots=True)
class Grams:
    """The n-grams of a batch of texts.

    ``chars`` is (4, L): the table row of the 2- to 5-gram that starts at each position of the
    joined text. ``words`` is (3, T): rows of the 1- to 3-gram that starts at each word.
    ``char_bounds`` and ``word_bounds`` (n + 1 each) say which positions and words belong to
    which text; ``starts`` and ``ends`` (T) bound each word in the joined text.
    Position p of text k is character ``p - char_bounds[k] - 1`` of it (-1: the space before).
    """

    chars: Rows
    words: Rows
    char_bounds: Places
    word_bounds: Places
    starts: Places
    ends: Places


def grams(texts: Sequence[str], shape: Shape) -> Grams:
    """Hash the n-grams of ``texts``, which are in normal form."""
    joined = " " + " ".join(texts) + " " * max(CHAR_ORDERS)
    char_bounds = np.zeros(len(texts) + 1, np.intp)
    np.cumsum([len(text) + 1 for text in texts], out=char_bounds[1:])
    codes, classes = _classify(joined)
    starts, ends = _word_places(classes)
    used = int(char_bounds[-1])
    spread = (codes + np.uint32(1)) * _SCATTER
    word_bounds = np.searchsorted(starts, char_bounds)
    return Grams(
        chars=_char_rows(spread, codes == _SPACE, used, shape.char_bits),
        words=_word_rows(spread, starts, ends, word_bounds, shape.word_bits),
        char_bounds=char_bounds,
        word_bounds=word_bounds,
        starts=starts,
        ends=ends,
    )


def distinct_rows(folded: Sequence[str], shape: Shape) -> Iterator[Places]:
    """For each text in normal form, the distinct rows of the joint weight table, unordered.

    In the joint table the word rows follow the character rows.
    """
    batch = grams(folded, shape)
    words = batch.words
    words[words > 0] += np.uint32(1 << shape.char_bits)
    char_bounds, word_bounds = batch.char_bounds.tolist(), batch.word_bounds.tolist()
    scratch = _scratch((1 << shape.char_bits) + (1 << shape.word_bits))
    for k in range(len(folded)):
        chars = batch.chars[:, char_bounds[k] : char_bounds[k + 1]].ravel()
        held = words[:, word_bounds[k] : word_bounds[k + 1]].ravel()
        yield _distinct(np.concatenate((chars, held)), scratch)


def _distinct(rows: Rows, scratch: NDArray[np.int32]) -> Places:
    """The rows once each, without row 0.

    Every row writes its place into the scratch table; those that still find it there are the
    last of their kind. Far cheaper than sorting, and the table needs no clearing.
    """
    present = rows[rows != 0].astype(np.intp)  # NumPy indexes twice as fast with its own type
    order = np.arange(len(present), dtype=np.int32)
    scratch[present] = order
    kept: Places = present[scratch.take(present) == order]
    return kept


class _Scratch(threading.local):
    """One table of places a thread, as wide as the widest weight table met."""

    table = np.zeros(0, np.int32)


@cache
def _scratches() -> _Scratch:
    return _Scratch()


def _scratch(size: int) -> NDArray[np.int32]:
    mine = _scratches()
    if len(mine.table) < size:
        mine.table = np.zeros(size, np.int32)
    return mine.table


def _classify(joined: str) -> tuple[Codes, NDArray[np.uint8]]:
    """Code points of the text, every kind of white space as 32, and their classes."""
    if joined.isascii():
        raw = np.frombuffer(joined.encode("ascii"), np.uint8)
        table = _ascii_table()
        return table[0][raw], table[1][raw]
    wide = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    spaces, classes = _wide_table()
    low = np.minimum(wide, np.uint32(len(classes) - 1))
    return np.where(spaces[low], np.uint32(_SPACE), wide), classes[low]


@cache
def _ascii_table() -> tuple[Codes, NDArray[np.uint8]]:
    chars = [chr(code) for code in range(128)]
    codes = [ord(c) if c.isprintable() else _SPACE for c in chars]
    return np.array(codes, np.uint32), np.array([c.isalnum() for c in chars], np.uint8)


@cache
def _wide_table() -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """White space and class of each character of the basic plane; last row: all beyond it."""
    chars = [chr(code) for code in range(0x10000)]
    spaces = np.array([c.isspace() or code < 32 or code == 127 for code, c in enumerate(chars)])
    classes = np.array([c.isalnum() for c in chars], np.uint8)
    for first, last in ((0x2190, 0x2BFF), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF)):
        classes[first : last + 1] = _SINGLE  # symbols, kana, ideograms
    marks = [code for code, c in enumerate(chars) if "\u0900" <= c <= "\u0dff" and not c.isalnum()]
    classes[marks] = _WORD  # Indic vowel signs belong to the word
    classes[0xFFFF] = _SINGLE
    return spaces, classes


def _word_places(classes: NDArray[np.uint8]) -> tuple[Places, Places]:
    """Where words start and end (exclusive); the text begins and ends with spaces."""
    inside = classes != 0
    edge = inside[1:] != inside[:-1]
    if classes.max() < _SINGLE:
        edges = np.flatnonzero(edge) + 1
        return edges[0::2], edges[1::2]
    single = classes == _SINGLE
    apart = single[1:] | single[:-1]
    starts = inside[1:] & (edge | apart)
    ends = inside[:-1] & (edge | apart)
    return np.flatnonzero(starts) + 1, np.flatnonzero(ends) + 1


def _char_rows(spread: Codes, space: NDArray[np.bool_], used: int, bits: int) -> Rows:
    """Rows of the n-grams at the first ``used`` positions; 0 where one would cross a space."""
    rows = np.empty((len(CHAR_ORDERS), used), np.uint32)
    crosses = np.empty(rows.shape, np.bool_)
    np.logical_and(space[:used], space[1 : used + 1], out=crosses[0])
    hashed = spread[:used]
    for place, order in enumerate(CHAR_ORDERS):
        np.multiply(hashed, _POWER, out=rows[place])
        hashed = rows[place]
        hashed += spread[order - 1 : order - 1 + used]
        if place:
            inner = space[order - 2 : order - 2 + used]
            np.logical_or(crosses[place - 1], inner, out=crosses[place])
    rows *= _SCATTER
    rows >>= np.uint32(32 - bits)
    rows[crosses] = 0
    return rows


def _word_rows(spread: Codes, starts: Places, ends: Places, bounds: Places, bits: int) -> Rows:
    """Rows of the word n-grams starting at each word; 0 where one would leave its text."""
    word = word_hashes(spread, starts, ends)
    rows = np.zeros((len(WORD_ORDERS), len(word)), np.uint32)
    rows[0] = word
    np.add(word[:-1], word[1:] * _SECOND, out=rows[1, :-1])
    np.add(rows[1, :-2], word[2:] * _THIRD, out=rows[2, :-2])
    rows *= _SCATTER
    rows >>= np.uint32(32 - bits)
    last = bounds[1:] - 1
    last = last[last >= 0]
    rows[1:, last] = 0
    rows[2, last[last > 0] - 1] = 0
    return rows


def word_hashes(spread: Codes, starts: Places, ends: Places) -> Codes:
    """Position-free hash of each word: sum of spread[i] * P**(i - start), scrambled."""
    powers, inverses = _powers(1 << len(spread).bit_length())
    prefix = np.zeros(len(spread) + 1, np.uint32)
    np.cumsum(spread * powers[: len(spread)], dtype=np.uint32, out=prefix[1:])
    word = (prefix[ends] - prefix[starts]) * inverses[starts]
    word ^= word >> np.uint32(15)
    return word * _SECOND + np.uint32(1)


@cache
def _powers(count: int) -> tuple[Codes, Codes]:
    """P**i and P**-i modulo 2**32 for i below ``count``."""
    inverse = np.uint32(pow(int(_POWER), -1, 1 << 32))
    both = []
    for factor in (_POWER, inverse):
        steps = np.full(count, factor, np.uint32)
        steps[0] = 1
        both.append(np.cumprod(steps, dtype=np.uint32))
    return both[0], both[1]
