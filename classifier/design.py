"""The features of many texts as sparse matrices, for training and nothing else (needs SciPy).

Kept in factors: which distinct tokens a text has, and which n-grams a token has. Their product
would be the usual matrix of n-grams, some twenty times larger; a fit needs only its products
with vectors.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.features import Shape, pair_rows, token_grams

Floats = NDArray[np.float32]
_IDF_UNIT = 7.0  # a middling inverse document frequency, so that scales are near 1
_WORD_SCALE = 2.0  # words and pairs count twice: a weaker penalty on them
_AT_ONCE = 20_000  # tokens hashed together


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Texts as numbers of tokens: text k is ``flat[bounds[k]:bounds[k + 1]]``."""

    flat: NDArray[np.int32]
    bounds: NDArray[np.int64]
    tokens: list[str]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def pick(self, rows: NDArray[np.intp]) -> "TokenRows":
        """Some of the texts, in that order."""
        parts = [self.flat[self.bounds[k] : self.bounds[k + 1]] for k in rows]
        sizes = [len(part) for part in parts]
        flat = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        return TokenRows(flat, np.concatenate(([0], np.cumsum(sizes, dtype=np.int64))), self.tokens)


def token_rows(texts: Iterable[Sequence[str]]) -> TokenRows:
    """Number the tokens of texts already cut into tokens."""
    numbers: dict[str, int] = {}
    parts, bounds = [], [0]
    for tokens in texts:
        ids = [numbers.setdefault(token, len(numbers)) for token in tokens]
        parts.append(np.array(ids, np.int32))
        bounds.append(bounds[-1] + len(ids))
    flat = np.concatenate(parts) if parts else np.zeros(0, np.int32)
    return TokenRows(flat, np.array(bounds, np.int64), list(numbers))


@dataclass(frozen=True, slots=True)
class Design:
    """``held`` (n, T) and ``grams`` (T, rows) and ``pairs`` (n, rows), all counts as 0 and 1.

    ``root`` (n): 1 / root of the number of a text's n-grams. ``scale`` (rows): smoothed
    inverse document frequency, doubled for words; it goes into the shipped weights.
    """

    held: Any
    grams: Any
    pairs: Any
    root: Floats
    scale: Floats

    def times(self, weights: Floats) -> Floats:
        """Margins (n) of ``weights`` (rows), without bias."""
        return self.unscaled(weights * self.scale)

    def unscaled(self, weights: Floats) -> Floats:
        """Margins (n) of weights (rows) as they ship: the scale is in them."""
        margins: Floats = (self.held @ (self.grams @ weights) + self.pairs @ weights) * self.root
        return margins

    def pick(self, rows: NDArray[np.intp]) -> "Design":
        """The features of some of the texts."""
        return Design(self.held[rows], self.grams, self.pairs[rows], self.root[rows], self.scale)


def design(texts: TokenRows, shape: Shape, tell: Callable[[float], None] | None = None) -> Design:
    """The features of texts. ``tell`` hears the share done."""
    used, flat = np.unique(texts.flat, return_inverse=True)
    tokens = [texts.tokens[k] for k in used]
    grams, hashes = _grams(tokens, shape, tell)
    rows = np.repeat(np.arange(len(texts)), np.diff(texts.bounds))
    held = _ones(rows, flat, (len(texts), len(tokens)))
    ones = np.ones(len(texts))
    pairs = pair_rows(hashes[flat], shape).astype(np.int64)
    pairs[texts.bounds[:-1][texts.bounds[:-1] < len(flat)]] = 0
    paired = _ones(rows[pairs > 0], pairs[pairs > 0], (len(texts), shape.rows))
    sizes = held @ np.asarray(grams.sum(1)).ravel() + np.asarray(paired.sum(1)).ravel()
    texts_held = np.minimum(grams.T @ (held.T @ ones) + paired.T @ ones, len(texts))
    return Design(held, grams, paired, (1 / np.sqrt(np.maximum(sizes, 1))).astype(np.float32),
                  _scale(texts_held, len(texts), shape))  # fmt: skip


def _grams(
    tokens: list[str], shape: Shape, tell: Callable[[float], None] | None
) -> tuple[Any, NDArray[np.uint32]]:
    """Which rows each token has (T, rows), and the tokens' hashes."""
    owners, columns, hashes = [], [], []
    for first in range(0, len(tokens), _AT_ONCE):
        found = token_grams(tokens[first : first + _AT_ONCE], shape)
        owner = np.searchsorted(found.firsts, np.arange(found.rows.shape[1]), "right") - 1 + first
        used = found.rows > 0
        owners.append(np.broadcast_to(owner, found.rows.shape)[used])
        columns.append(found.rows[used].astype(np.int64))
        hashes.append(found.hashes)
        if tell:
            tell(first / len(tokens))
    matrix = _counts(np.concatenate(owners), np.concatenate(columns), (len(tokens), shape.rows))
    return matrix, np.concatenate(hashes)


def _ones(rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]) -> Any:
    matrix = _counts(rows, columns, shape)
    matrix.data[:] = 1.0
    return matrix


def _counts(rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)


def _scale(texts_held: NDArray[np.float64], texts: int, shape: Shape) -> Floats:
    scale = (np.log((1 + texts) / (1 + texts_held)) + 1) / _IDF_UNIT
    scale[1 << shape.char_bits :] *= _WORD_SCALE
    scale[0] = 0.0
    return scale.astype(np.float32)
