"""The words a model has met: which are in use, which are weighty, which mark a language.

Kept as ``lexicon.tsv``: word, weight (empty unless it is mostly met in abuse), the language
that it marks (empty for most), the most frequent first. Plain counts, no model: ``learn``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Final

from classifier.errors import ArtifactError
from classifier.repair import Repairs

LARGEST: Final = 4 << 20  # bytes of the file
_FEWEST_TEXTS = 5  # texts that a word stands in, to count as in use
_RARE_TEXTS = 200  # texts of a word that may be a slip
_SLIP_SHARE = 0.55  # of its texts that are abuse, if it is one of a weighty word
_WEIGHTY_TEXTS = 8  # texts a weighty word stands in
_WEIGHTY_SHARE = 0.62  # share of them that are abuse
_SHORTEST_WEIGHTY = 3  # letters
_MARKER_SHARE = 0.003  # of a language's texts that hold a marker
_MARKER_TIMES = 5.0  # how many times more often than in the next language
# How far down the list a word of that many letters may stand to be joined to others.
_COMMON: Mapping[int, int] = {1: 1200, 2: 160, 3: 1200, 4: 5000, 5: 9000}
_LONGER = 14_000
_JOINED_LETTERS = ("a", "i", "u")


@dataclass(frozen=True, slots=True)
class Word:
    """One line: the word, how strongly it speaks for abuse (0: it does not), its language."""

    text: str
    weight: float = 0.0
    language: str = ""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words, the most frequent first, and what is told of the few that anything is told of.

    Sixty thousand words stand in each process: plain strings take half of what records would.
    """

    words: tuple[str, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    markers: dict[str, str] = field(default_factory=dict)

    def repairs(self) -> Repairs:
        """What the words tell about disguised ones."""
        return Repairs(frozenset(self.words), self._meant(), self.weights)

    def _meant(self) -> dict[str, int]:
        """Words that a disguised one may stand for, with their places: frequent or weighty."""
        found = {}
        for place, text in enumerate(self.words):
            frequent = place < _COMMON.get(len(text), _LONGER) and text.isascii()
            if text in self.weights or (frequent and (len(text) > 1 or text in _JOINED_LETTERS)):
                found[text] = place
        return found


def lexicon(words: Iterable[Word]) -> Lexicon:
    """A lexicon of these words, in this order."""
    texts: list[str] = []
    weights: dict[str, float] = {}
    markers: dict[str, str] = {}
    for word in words:
        texts.append(word.text)
        if word.weight:
            weights[word.text] = word.weight
        if word.language:
            markers[word.text] = word.language
    return Lexicon(tuple(texts), weights, markers)


def encode(found: Lexicon) -> bytes:
    """The lexicon as the bytes of its file."""
    weight, marked = found.weights.get, found.markers.get
    lines = (f"{text}\t{weight(text, '')}\t{marked(text, '')}\n" for text in found.words)
    return "".join(lines).encode("utf-8")


def decode(raw: bytes) -> Lexicon:
    """The lexicon in the bytes of a file; ``ArtifactError`` if they are not one."""
    try:
        found = lexicon(_word(line) for line in raw.decode("utf-8").splitlines())
        if not all(found.words):
            raise ValueError("a line without a word")
        return found
    except (UnicodeDecodeError, ValueError) as error:
        raise ArtifactError(f"not a lexicon: {error}") from error


def _word(line: str) -> Word:
    text, weight, language = line.split("\t")
    return Word(text, float(weight) if weight else 0.0, language)


@dataclass(slots=True)
class Counts:
    """In how many texts each word stands: all, abusive and judged English ones, by language."""

    texts: Counter[str] = field(default_factory=Counter)
    abusive: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    languages: dict[str, Counter[str]] = field(default_factory=dict)
    sizes: Counter[str] = field(default_factory=Counter)

    def add(self, words: Iterable[str], language: str, abusive: float | None) -> None:
        """Count a text with these distinct words; ``abusive`` is None if nobody judged it."""
        found = list(words)
        self.texts.update(found)
        self.sizes[language] += 1
        self.languages.setdefault(language, Counter()).update(found)
        if abusive is not None and language == "en":
            self.judged.update(found)
            if abusive:
                self.abusive.update(found)


def learn(counts: Counts, marked: Sequence[str], known_abuse: Iterable[str] = ()) -> Lexicon:
    """The lexicon of counted texts, with marker words for the languages ``marked``.

    ``known_abuse`` are words taken as weighty without having been met.
    """
    abuse = set(known_abuse)
    for word in abuse:
        counts.texts[word] = max(counts.texts[word], _FEWEST_TEXTS)
    ranked = sorted(counts.texts.items(), key=lambda item: (-item[1], item[0]))
    words = [
        Word(text, _weight(counts, text, text in abuse), _marked(counts, text, marked))
        for text, held in ranked
        if held >= _FEWEST_TEXTS and text.isalpha()
    ]
    return lexicon(_without_slips(words, counts))


def _without_slips(words: Sequence[Word], counts: Counts) -> Iterable[Word]:
    """The words less those that are only others mistyped: they are to be repaired.

    Foreign words stay. What is close to a weighty word goes only if it is met in abuse itself:
    "idoit" is an idiot, but birches are no bitches.
    """
    found, english = lexicon(words), counts.languages.get("en", Counter())
    repairs = found.repairs()
    for place, word in enumerate(words):
        text, held = word.text, counts.texts[word.text]
        rare = held < _RARE_TEXTS and text.isascii()
        meant = None
        if rare and not word.language and 2 * english[text] > held:
            meant = repairs.slip_of(text, place)
        if meant is None or (meant in found.weights and _share(counts, text) < _SLIP_SHARE):
            yield word


def _share(counts: Counts, word: str) -> float:
    """The share of abuse among the judged texts that hold the word."""
    return (counts.abusive[word] + 0.5) / (counts.judged[word] + 1.0)


def _weight(counts: Counts, word: str, known: bool) -> float:
    """Log-odds of abuse in the texts that hold the word, 0 unless mostly abuse."""
    if not (word.isascii() and len(word) >= _SHORTEST_WEIGHTY):
        return 0.0
    judged, share = counts.judged[word], _share(counts, word)
    if judged >= _WEIGHTY_TEXTS and share < (0.4 if known else _WEIGHTY_SHARE):
        return 0.0
    if judged < _WEIGHTY_TEXTS and not known:
        return 0.0
    return round(max(log(share / (1 - share)), 0.1), 2)


def _marked(counts: Counts, word: str, languages: Sequence[str]) -> str:
    """The language that the word marks: frequent there and rare in all others."""
    held = {language: counts.languages.get(language, Counter())[word] for language in languages}
    shares = sorted(((n / max(counts.sizes[la], 1), la) for la, n in held.items()), reverse=True)
    first, second = shares[0], shares[1] if len(shares) > 1 else (0.0, "")
    clear = first[0] >= _MARKER_SHARE and first[0] > _MARKER_TIMES * second[0]
    return first[1] if clear else ""
