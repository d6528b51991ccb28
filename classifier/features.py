"""From tokens to rows of the weight tables: hashed n-grams without a Python loop.

A token is a word, a run of marks or one symbol of the normal form. Each run of 3 to 6
characters in " token " has a row in the *character* table; the token itself and each two
neighbours have one in the *word* table, whose rows follow. Because a character n-gram never
leaves its token, what a token adds to a score is the same wherever it stands, so it can be
kept and reused (``vocabulary``). Row 0 means "no n-gram here" and weighs nothing.

Hashes are polynomial, modulo 2**32: a character n-gram's by Horner's rule over shifted
arrays, a token's from one cumulative sum, the prefix hash, times the inverse power of its
place (P**i and P**-i exist for every odd P). ``FEATURES_VERSION`` changes with any of this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FEATURES_VERSION = 2
CHAR_ORDERS = (3, 4, 5, 6)

_POWER = np.uint32(0x01000193)  # the FNV prime: odd, few bits set
_SCATTER = np.uint32(0x9E3779B1)  # 2**32 / golden ratio, made odd (Knuth, TAOCP 6.4)
_SECOND = np.uint32(0x85EBCA6B)  # from MurmurHash3's finaliser
_LONGEST = CHAR_ORDERS[-1]
_FACTOR, _STEP, _MIX, _MASK = int(_POWER), int(_SCATTER), int(_SECOND), 0xFFFFFFFF

Codes = NDArray[np.uint32]
Rows = NDArray[np.uint32]
Places = NDArray[np.intp]


class Shape(NamedTuple):
    """Sizes of the two tables as powers of two: rows = 2 ** bits."""

    char_bits: int
    word_bits: int

    @property
    def rows(self) -> int:
        """Rows of both tables together."""
        return (1 << self.char_bits) + (1 << self.word_bits)


@dataclass(frozen=True, slots=True)
class TokenGrams:
    """The n-grams of some tokens.

    ``rows`` is (5, L): the row of the token that begins after a position of the joined tokens
    (0 elsewhere), then of the 3- to 6-gram that begins at it. ``firsts`` (n) is the position
    of the space before each token, ``hashes`` (n) the tokens' own hashes.
    """

    rows: Rows
    firsts: Places
    hashes: Codes


def token_grams(tokens: Sequence[str], shape: Shape) -> TokenGrams:
    """Hash ``tokens`` (no empty ones) and the n-grams inside each."""
    joined = " " + " ".join(tokens) + " " * _LONGEST
    firsts = np.zeros(len(tokens), np.intp)
    sizes = np.fromiter(map(len, tokens), np.intp, len(tokens))
    np.cumsum(sizes[:-1] + 1, out=firsts[1:])
    codes = _codes(joined)
    spread = (codes + np.uint32(1)) * _SCATTER
    used = len(joined) - _LONGEST
    rows = np.zeros((1 + len(CHAR_ORDERS), used), np.uint32)
    _char_rows(spread, codes == 32, rows[1:])
    hashes = _token_hashes(spread, firsts + 1, firsts + 1 + sizes)
    rows >>= np.uint32(32 - shape.char_bits)
    rows[0, firsts] = word_rows(hashes, shape)
    return TokenGrams(rows, firsts, hashes)


def hash_of(token: str) -> int:
    """The hash of one token, as ``token_grams`` has it: without NumPy, whose calls cost a few
    tokens more than their arithmetic."""
    spread, power = 0, 1
    for char in token:
        spread += (ord(char) + 1) * _STEP * power
        power = power * _FACTOR & _MASK
    spread &= _MASK
    spread ^= spread >> 15
    return (spread * _MIX + 1) & _MASK


def rows_of(token: str, shape: Shape) -> list[int]:
    """The rows of one token and of the n-grams inside it, in any order, none of them 0; as
    ``token_grams`` has them."""
    shift = 32 - shape.char_bits
    spread = [(ord(char) + 1) * _STEP & _MASK for char in f" {token} "]
    rows = [((hash_of(token) * _STEP & _MASK) >> (32 - shape.word_bits)) + (1 << shape.char_bits)]
    for start in range(len(spread) - 2):
        hashed = spread[start] * _FACTOR + spread[start + 1]
        for code in spread[start + 2 : start + _LONGEST]:
            hashed = hashed * _FACTOR + code & _MASK
            if row := (hashed * _STEP & _MASK) >> shift:
                rows.append(row)
    return rows


def pair_rows(hashes: Codes, shape: Shape) -> Rows:
    """Row of each token with the one before it; the first has none (0).

    ``hashes`` are those of the tokens in order, of one text or of several in a row: the
    caller clears the rows at which a text begins.
    """
    rows = np.zeros(len(hashes), np.uint32)
    mixed = hashes[:-1] * _SECOND
    mixed += hashes[1:]
    rows[1:] = word_rows(mixed, shape)
    return rows


def word_rows(hashes: Codes, shape: Shape) -> Rows:
    """Rows of these hashes in the word table."""
    rows = hashes * _SCATTER
    rows >>= np.uint32(32 - shape.word_bits)
    rows += np.uint32(1 << shape.char_bits)
    return rows


def _codes(joined: str) -> Codes:
    if joined.isascii():
        return np.frombuffer(joined.encode("ascii"), np.uint8).astype(np.uint32)
    return np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)


def _char_rows(spread: Codes, space: NDArray[np.bool_], rows: Rows) -> None:
    """Fill in the hashes of the n-grams at each position; 0 where one would cross a space."""
    used = rows.shape[1]
    hashed, crosses = spread[:used], np.zeros(used, np.bool_)
    for order in range(2, _LONGEST + 1):
        hashed = hashed * _POWER + spread[order - 1 : order - 1 + used]
        if order > 2:
            crosses |= space[order - 2 : order - 2 + used]
        if order in CHAR_ORDERS:
            place = CHAR_ORDERS.index(order)
            np.multiply(hashed, _SCATTER, out=rows[place])
            rows[place][crosses] = 0


def _token_hashes(spread: Codes, starts: Places, ends: Places) -> Codes:
    """Place-free hash of each token: sum of spread[i] * P**(i - start), scrambled."""
    powers, inverses = _powers(1 << len(spread).bit_length())
    prefix = np.zeros(len(spread) + 1, np.uint32)
    np.cumsum(spread * powers[: len(spread)], dtype=np.uint32, out=prefix[1:])
    hashes = (prefix[ends] - prefix[starts]) * inverses[starts]
    hashes ^= hashes >> np.uint32(15)
    scrambled: Codes = hashes * _SECOND + np.uint32(1)
    return scrambled


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
