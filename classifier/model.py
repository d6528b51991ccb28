"""Scoring: what the tokens of a text add up to, turned into probabilities.

A text is read into numbered tokens (``vocabulary``), its language told, and the head of that
language asked: the general head knows all eight labels, a language's own head those that its
sources judge. Each distinct token and pair of a text counts once. How a margin comes about
is told in ``heads`` and ``passages``.
"""

import threading
from collections.abc import Sequence
from itertools import accumulate, pairwise, zip_longest
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier import artifact, explain, language
from classifier.artifact import Manifest
from classifier.errors import ArtifactError
from classifier.explain import Explanation
from classifier.features import Places, pair_rows
from classifier.heads import Head, head, log_odds
from classifier.labels import LABELS, column
from classifier.lexicon import Lexicon
from classifier.passages import Margins, Sums, passage_margins, running, strongest
from classifier.text import Span, fold
from classifier.vocabulary import CAPACITY, Table, Vocabulary

Scores = NDArray[np.float32]

LONGEST: Final = 20_000  # code points read of one text; the rest is ignored
_BATCH: Final = 64  # texts scored in one go
_REMEMBERED: Final = 512  # texts read last, whose words may be asked for next
_KEPT: Final = 500  # tokens of a text up to which what they add is remembered, too
_PRELOADED: Final = 4_000  # words whose sums are worked out at the start
_SPELT: Final = 3  # letters standing alone in a row from which they may be one word
_SELF_TEST_TOLERANCE: Final = 1e-3
_GENERAL: Final = 0  # place of the general head


class Reading(NamedTuple):
    """A text as the model reads it: its tokens, its language, and whether it was joined."""

    ids: Places
    language: str
    joined: bool
    sums: dict[int, Sums]
    """By place of the head: running sums of what its tokens add, where it was scored and is short
    enough to be kept."""


class _Seen(threading.local):
    """Tables of places, by size, of one thread."""

    def __init__(self) -> None:
        self.tables: dict[int, NDArray[np.int32]] = {}


class Classifier:
    """A loaded model. Safe to share between threads and forked processes."""

    def __init__(
        self, manifest: Manifest, tables: Sequence[NDArray[np.int16]], lexicon: Lexicon
    ) -> None:
        self.manifest = manifest
        self.lexicon = lexicon
        self.repairs = lexicon.repairs()
        self.heads = [head(*pair) for pair in zip(manifest.heads, tables, strict=True)]
        self._by_language = {h.language: place for place, h in enumerate(self.heads) if place}
        self._languages = [language.ENGLISH, *manifest.marked]
        self._plain = [word for word in lexicon.words if word.isascii()]
        self._vocabulary = self._fresh()
        self._seen = _Seen()
        self._recent: dict[str, tuple[Vocabulary, Reading]] = {}

    @property
    def version(self) -> str:
        """Name of the model, for example ``2026.11-1``."""
        return self.manifest.version

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the score columns."""
        return LABELS

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the model was trained for, English first (ISO 639-1, ur-Latn)."""
        return (language.ENGLISH, *self._by_language)

    def score(self, texts: Sequence[str], languages: Sequence[str | None] = ()) -> Scores:
        """Calibrated probabilities, float32 (n, 8) in 0..1, one row a text.

        ``languages`` says of each text which language it is in; None: as the text itself tells.
        """
        odds = self._score(texts, languages, calibrated=True)
        scores: Scores = 0.5 + 0.5 * np.tanh(0.5 * odds)  # without overflow
        return scores

    def log_odds(self, texts: Sequence[str]) -> Scores:
        """Calibrated scores as log-odds, float32 (n, 8)."""
        return self._score(texts, calibrated=True)

    def margins(self, texts: Sequence[str]) -> Scores:
        """Uncalibrated scores, float32 (n, 8)."""
        return self._score(texts, calibrated=False)

    def language(self, text: str) -> str:
        """The language of a text: ISO 639-1, ``ur-Latn`` for Roman Urdu, or ``und``."""
        found = self.reading(text)[1].language
        return language.detect(text) if found == language.FOREIGN else found

    def explain(self, text: str, label: str) -> Explanation:
        """Why ``text`` scores what it scores for ``label``; ``ValueError`` for another label."""
        return explain.explain(self, text, column(label))

    def spans(self, text: str, label: str, limit: int = 5) -> list[Span]:
        """Places in ``text`` of the words that speak most for ``label``, strongest first."""
        return explain.spans(self, text, column(label), limit)

    def reading(self, text: str) -> tuple[Vocabulary, Reading]:
        """One text as the model reads it; those scored last are remembered."""
        known = self._recent.get(text)
        if known is None:
            vocabulary, (found,) = self.read([text])
            known = vocabulary, found
        return known

    def read(
        self, texts: Sequence[str], languages: Sequence[str | None] = ()
    ) -> tuple[Vocabulary, list[Reading]]:
        """Texts as the model reads them, and the vocabulary that numbers their tokens.

        At least one text is read; the rest may be left for the next call where the
        vocabulary is full.
        """
        if self._vocabulary.full:
            self._vocabulary = self._fresh()
        vocabulary, readings = self._vocabulary, []
        for text, given in zip_longest(texts, languages[: len(texts)]):
            readings.append(self._read(vocabulary, text[:LONGEST], given))
            if vocabulary.full:
                break
        return vocabulary, readings

    def forget(self) -> None:
        """Begin anew with the words of the lexicon: a call that was interrupted may have left
        the vocabulary half changed. Costs about 0.1 s.
        """
        self._vocabulary = self._fresh()

    def head_for(self, reading: Reading, label: int) -> int:
        """Place of the head that scores the label (its column) of a text."""
        own = self._own_head(reading)
        return own if label in self.heads[own].places else _GENERAL

    def _own_head(self, reading: Reading) -> int:
        """Place of the head that reads the text's language; of the general one if none does."""
        heard = language.HEARD_BY.get(reading.language, reading.language)
        return self._by_language.get(heard, _GENERAL)

    def additions(
        self, vocabulary: Vocabulary, place: int, ids: Places, bounds: list[int]
    ) -> NDArray[np.float32]:
        """What each token adds to a head's margins, itself and its pair, where met first.

        (T, labels + 1), last the number of n-grams. Text k is ``bounds[k]``..``bounds[k + 1]``.
        """
        added, table = vocabulary.sums_of(place, ids), self.heads[place].table
        rows = pair_rows(vocabulary.hashes_of(ids), table.shape).astype(np.intp)
        rows[[start for start in bounds if start < len(rows)]] = 0
        added *= self._new(ids, bounds, CAPACITY)[:, None]
        rows *= self._new(rows, bounds, table.shape.rows)
        added[:, :-1] += table.weights.take(rows, 0) * table.scale
        added[:, -1] += rows > 0
        return added

    def _new(self, keys: Places, bounds: list[int], size: int) -> NDArray[np.bool_]:
        """Which keys have not stood earlier in the same text.

        Every key writes its place into a table, the last first, so that the earliest stays;
        far cheaper than sorting, and the table needs no clearing.
        """
        table = self._table(size)
        new = np.empty(len(keys), np.bool_)
        for start, end in pairwise(bounds):
            places, part = np.arange(end - start, dtype=np.int32), keys[start:end]
            table[part[::-1]] = places[::-1]
            np.equal(table[part], places, out=new[start:end])
        return new

    def _table(self, size: int) -> NDArray[np.int32]:
        tables = self._seen.tables
        if size not in tables:
            tables[size] = np.zeros(size, np.int32)
        return tables[size]

    def _score(
        self, texts: Sequence[str], languages: Sequence[str | None] = (), *, calibrated: bool
    ) -> Scores:
        found = np.empty((len(texts), len(LABELS)), np.float32)
        first = 0
        while first < len(texts):
            last = first + _BATCH
            vocabulary, readings = self.read(texts[first:last], languages[first:last])
            part = found[first : first + len(readings)]
            self._fill(part, vocabulary, readings, calibrated=calibrated)
            if not any(languages[first:last]):
                self._remember(texts[first:last], vocabulary, readings)
            first += len(readings)
        return found

    def _remember(
        self, texts: Sequence[str], vocabulary: Vocabulary, readings: list[Reading]
    ) -> None:
        if len(self._recent) > _REMEMBERED:
            self._recent = {}
        self._recent.update((t, (vocabulary, r)) for t, r in zip(texts, readings, strict=False))

    def _fill(
        self, found: Scores, vocabulary: Vocabulary, readings: list[Reading], *, calibrated: bool
    ) -> None:
        everything = list(range(len(readings)))
        groups = {_GENERAL: everything}
        for k, reading in enumerate(readings):
            if (place := self._own_head(reading)) != _GENERAL:
                groups.setdefault(place, []).append(k)
        for place, members in groups.items():
            own = self.heads[place]
            pair = self.read_margins(vocabulary, place, [readings[k] for k in members])
            margins = combined(own, *pair)
            values = log_odds(own, margins) if calibrated else margins
            if place == _GENERAL:
                found[:] = values
            else:
                found[np.array(members)[:, None], own.columns] = values

    def read_margins(
        self, vocabulary: Vocabulary, place: int, readings: Sequence[Reading]
    ) -> tuple[Margins, Margins]:
        """Margins of each whole text and of its strongest window, (n, k) each."""
        bounds = [0, *accumulate(len(reading.ids) for reading in readings)]
        if len(readings) == 1:
            ids = readings[0].ids
        else:
            ids = np.concatenate([reading.ids for reading in readings])
        bias = self.heads[place].bias
        if not len(ids):
            empty = np.tile(bias, (len(readings), 1))
            return empty, empty
        sums = running(self.additions(vocabulary, place, ids, bounds))
        for reading, (start, end) in zip(readings, pairwise(bounds), strict=True):
            if end - start <= _KEPT:
                reading.sums[place] = sums[start : end + 1] - sums[start]
        edges = sums[bounds]
        whole = passage_margins(edges[1:] - edges[:-1])
        window = strongest(sums, bounds, whole)
        return whole + bias, window + bias

    def _read(self, vocabulary: Vocabulary, text: str, given: str | None = None) -> Reading:
        ids, joined = np.array(vocabulary.read(text, repaired=True), np.intp), False
        counts = self._kinds(vocabulary, ids)
        if counts[language.SINGLE] >= _SPELT and self._spelt(vocabulary, ids):
            text, joined = fold(text), True
            ids = np.array(vocabulary.read(text, repaired=True), np.intp)
            counts = self._kinds(vocabulary, ids)
        found = given or language.told(counts, self._languages, text)
        if found not in (language.ENGLISH, language.UNKNOWN):
            ids = np.array(vocabulary.read(text, repaired=False), np.intp)
        return Reading(ids, found, joined, {})

    def _kinds(self, vocabulary: Vocabulary, ids: Places) -> list[int]:
        kinds = len(self._languages) + language.FIRST_MARKER
        counts: list[int] = np.bincount(vocabulary.kinds[ids], minlength=kinds).tolist()
        return counts

    @staticmethod
    def _spelt(vocabulary: Vocabulary, ids: Places) -> bool:
        """Whether three letters in a row stand alone: a word spelt out, perhaps."""
        single = vocabulary.kinds[ids] == language.SINGLE
        return bool((single[2:] & single[1:-1] & single[:-2]).any())

    def _fresh(self) -> Vocabulary:
        tables: list[Table] = [h.table for h in self.heads]
        vocabulary = Vocabulary(self.lexicon, self.repairs, self._languages, tables)
        while vocabulary.learnt < min(_PRELOADED, len(self._plain)):
            self._learn(vocabulary, 2000)
        return vocabulary

    def learn_ahead(self, count: int) -> bool:
        """Work out the next ``count`` words of the lexicon before a text brings them, which costs
        it 60 microseconds a word; whether some are left.
        """
        vocabulary = self._vocabulary
        if vocabulary.full or vocabulary.learnt >= len(self._plain):
            return False
        self._learn(vocabulary, count)
        return True

    def _learn(self, vocabulary: Vocabulary, count: int) -> None:
        words = self._plain[vocabulary.learnt : vocabulary.learnt + count]
        vocabulary.sums_of(_GENERAL, vocabulary.learn(words))
        vocabulary.learnt += len(words)


def combined(found: Head, whole: Margins, window: Margins) -> Margins:
    """The margin of each text from that of the whole and of its strongest window."""
    mixed = whole + found.mix * (window - whole)
    margins: Margins = np.maximum(mixed, window - found.penalty)
    return margins


def load(folder: Path) -> Classifier:
    """The model in ``folder``; ``ArtifactError`` if it is missing, altered or misbehaves."""
    manifest, tables, words = artifact.read(folder)
    try:
        classifier = Classifier(manifest, tables, words)
        passed = _passes(classifier)
    except Exception as error:  # whatever a folder holds, it must not bring a process down
        raise ArtifactError(f"{folder}: the model breaks: {error!r}") from error
    if not passed:
        raise ArtifactError(f"{folder}: the model does not reproduce its self-test")
    return classifier


def _passes(classifier: Classifier) -> bool:
    vectors = classifier.manifest.self_test
    scores = classifier.score([vector.text for vector in vectors])
    with np.errstate(over="ignore"):
        expected = np.array([vector.scores for vector in vectors], np.float32)
    same = expected.shape == scores.shape
    return same and bool(np.allclose(scores, expected, atol=_SELF_TEST_TOLERANCE))
