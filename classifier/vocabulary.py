"""Tokens met so far, numbered, so that what one adds to a score is worked out once.

Comments are written in few words: nine tokens in ten have been met before. A vocabulary only
ever grows, up to ``CAPACITY`` tokens; then the model starts a new one, and whoever is still
reading with the old one keeps it.
"""

import threading
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from classifier.features import Codes, Places, Shape, hash_of, rows_of, token_grams
from classifier.language import kind
from classifier.lexicon import Lexicon
from classifier.reading import chunk_pieces, chunk_places
from classifier.repair import Repairs
from classifier.text import Span

CAPACITY: Final = 1 << 18  # tokens
_AFTER: Final = frozenset(",.?:;)")  # marks that no disguise is made of
_ROOM: Final = 41_000  # tokens that the longest text may bring, read twice
_FEW_FILLED, _FEW_HASHED = 6, 24  # tokens of a usual length that cost less without NumPy's calls
_CHUNKS: Final = 1 << 16  # pieces of text between spaces that are remembered
_LONGEST_CHUNK: Final = 48  # code points; longer pieces are addresses and keys, never met again

Ids = tuple[int, ...]
Spans = tuple[Span, ...]
Remembered = TypeVar("Remembered", Ids, Spans)


class Table(NamedTuple):
    """What the weights of one head look like to a vocabulary: scaled sums of rows."""

    weights: NDArray[np.int16]
    scale: NDArray[np.float32]
    shape: Shape


class Sums:
    """What each token adds to the margins of one head, worked out when first asked for.

    ``values`` is (``CAPACITY``, labels + 1): the sums, and last the number of n-grams, which
    is 0 for a token not asked for yet.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.values = np.zeros((CAPACITY, table.weights.shape[1] + 1), np.float32)

    def fill(self, ids: Places, tokens: Sequence[str]) -> None:
        """Work out the sums of these tokens (``ids`` are their numbers)."""
        if _few(tokens, _FEW_FILLED):
            self._fill_few(ids, tokens)
            return
        grams = token_grams(tokens, self.table.shape)
        picked = self.table.weights.take(grams.rows.ravel(), 0)
        summed = picked.reshape(*grams.rows.shape, -1).sum(0, dtype=np.int32)
        added = np.empty((len(tokens), self.values.shape[1]), np.float32)
        added[:, :-1] = np.add.reduceat(summed, grams.firsts) * self.table.scale
        added[:, -1] = np.add.reduceat(np.count_nonzero(grams.rows, 0), grams.firsts)
        self.values[ids] = added

    def _fill_few(self, ids: Places, tokens: Sequence[str]) -> None:
        each = [rows_of(token, self.table.shape) for token in tokens]
        firsts = [0, *accumulate(map(len, each[:-1]))]
        picked = self.table.weights.take(list(chain.from_iterable(each)), 0)
        summed = np.add.reduceat(picked, firsts, 0, dtype=np.int32)
        self.values[ids, :-1] = summed * self.table.scale
        self.values[ids, -1] = [len(rows) for rows in each]


class Vocabulary:
    """Numbers of tokens and of the pieces of text that they come from.

    Reading is safe in any thread; new tokens are added under a lock.
    """

    def __init__(
        self, lexicon: Lexicon, repairs: Repairs, languages: Sequence[str], tables: Sequence[Table]
    ) -> None:
        self.tokens: list[str] = []
        self._hashes: Codes = np.zeros(CAPACITY, np.uint32)
        self._hashed = 0
        """Tokens whose hashes are worked out: those of a call's new ones are, all at once."""
        self.kinds = np.zeros(CAPACITY, np.uint8)
        self.sums = [Sums(table) for table in tables]
        self.learnt = 0
        """Words of the lexicon that are numbered already."""
        self._numbers: dict[str, int] = {}
        # As written first, then with repairs: ``repaired`` is the place.
        self._chunks: tuple[dict[str, Ids], dict[str, Ids]] = ({}, {})
        self._places: tuple[dict[str, Spans], dict[str, Spans]] = ({}, {})
        self._markers, self._languages = lexicon.markers, languages
        self._repairs = repairs
        self._shape = tables[0].shape
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether the next long text may not fit."""
        return len(self.tokens) > CAPACITY - _ROOM

    def read(self, text: str, *, repaired: bool) -> list[int]:
        """Numbers of the tokens of a text, disguised words as they are meant if ``repaired``."""
        found: list[int] = []
        known = self._chunks[repaired]
        for chunk in text.split():
            ids = known.get(chunk)
            found += self._meet(chunk, known, repaired=repaired) if ids is None else ids
        return found

    def places(self, text: str, *, repaired: bool) -> list[Span]:
        """Where in the text each of the tokens that ``read`` gives comes from."""
        found: list[Span] = []
        end = 0
        for chunk in text.split():
            start = text.index(chunk, end)
            end = start + len(chunk)
            spans = self._chunk_places(chunk, repaired=repaired)
            found += [(start + low, start + high) for low, high in spans]
        return found

    def places_of(self, text: str, tokens: Sequence[int], *, repaired: bool) -> dict[int, Span]:
        """Where some of the tokens that ``read`` gives come from, by their place among them."""
        found: dict[int, Span] = {}
        wanted, known = iter(sorted(tokens)), self._chunks[repaired]
        token, first, end = next(wanted, None), 0, 0
        for chunk in text.split():
            if token is None:
                break
            start = text.index(chunk, end)
            end = start + len(chunk)
            ids = known.get(chunk)
            count = len(self._chunk_places(chunk, repaired=repaired) if ids is None else ids)
            while token is not None and token < first + count:
                low, high = self._chunk_places(chunk, repaired=repaired)[token - first]
                found[token] = start + low, start + high
                token = next(wanted, None)
            first += count
        return found

    def _chunk_places(self, chunk: str, *, repaired: bool) -> Spans:
        known = self._places[repaired]
        spans = known.get(chunk)
        if spans is None:
            spans = chunk_places(chunk, self._repairs if repaired else None)
            _remember(known, chunk, spans)
        return spans

    def sums_of(self, head: int, ids: Places) -> NDArray[np.float32]:
        """What these tokens add to a head's margins, (T, labels + 1); see ``Sums``."""
        sums = self.sums[head]
        found = sums.values[ids]
        new = found[:, -1] == 0
        if new.any():
            missing = np.unique(ids[new])
            sums.fill(missing, [self.tokens[i] for i in missing.tolist()])
            found = sums.values[ids]
        return found

    def hashes_of(self, ids: Places) -> Codes:
        """The hashes of these tokens."""
        if self._hashed < len(self.tokens):
            with self._lock:
                first, end = self._hashed, len(self.tokens)
                if first < end:
                    self._hashes[first:end] = _hashes(self.tokens[first:end], self._shape)
                    self._hashed = end
        return self._hashes[ids]

    def add(self, tokens: Iterable[str]) -> Ids:
        """Numbers of these tokens, new ones for those not met before."""
        found = list(tokens)
        with self._lock:
            new = [t for t in dict.fromkeys(found) if t not in self._numbers]
            if new:
                self._number(new)
        return tuple(self._numbers[token] for token in found)

    def _number(self, tokens: list[str]) -> None:
        first, end = len(self.tokens), len(self.tokens) + len(tokens)
        if end > CAPACITY:
            raise OverflowError(f"more than {CAPACITY} different tokens in one call")
        self.kinds[first:end] = [kind(t, self._markers, self._languages) for t in tokens]
        self.tokens += tokens
        self._numbers.update(zip(tokens, range(first, end), strict=True))

    def learn(self, words: Sequence[str]) -> Places:
        """Number plain words, each a chunk that reads as itself."""
        ids = self.add(words)
        known = self._chunks[True]
        known.update((word, (number,)) for word, number in zip(words, ids, strict=True))
        return np.array(ids, np.intp)

    def _meet(self, chunk: str, known: dict[str, Ids], *, repaired: bool) -> Ids:
        """Numbers of the tokens of a chunk not met before.

        Case, and a mark after letters, change nothing about the rest: most chunks are made
        up of some that have been met.
        """
        ids = None
        lower = chunk.lower() if chunk.isascii() else chunk
        if lower != chunk:
            ids = known.get(lower)
        if ids is None:
            head, mark = lower[:-1], lower[-1:]
            if mark in _AFTER and head in known and head.isalpha():
                ids = known[head] + self.add((mark,))
            else:
                pieces = chunk_pieces(lower, self._repairs if repaired else None)
                ids = self.add(token for token, _, _ in pieces)
        _remember(known, chunk, ids)
        return ids


def _few(tokens: Sequence[str], most: int) -> bool:
    return len(tokens) <= most and sum(map(len, tokens)) <= 12 * most


def _hashes(tokens: Sequence[str], shape: Shape) -> Codes | list[int]:
    if _few(tokens, _FEW_HASHED):
        return [hash_of(token) for token in tokens]
    return token_grams(tokens, shape).hashes


def _remember(known: dict[str, Remembered], chunk: str, found: Remembered) -> None:
    if len(chunk) <= _LONGEST_CHUNK:
        if len(known) >= _CHUNKS:
            known.clear()
        known[chunk] = found
