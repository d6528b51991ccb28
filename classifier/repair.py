"""Words behind disguises that no rule of spelling undoes: stars, typos, joined words.

Only a token that is no word anybody uses (``known``) is read as another: "fcuk" as it is
meant, "duck" stays a duck. Which word is meant is settled as by a noisy channel (Kernighan,
Church and Gale 1990): a word costs the more the rarer it is (Zipf: its place in the list of
words), a *weighty* one, that is mostly met in abuse, costs less, because those are what people
disguise; a slip costs something, and so does each blank left out. The cheapest reading wins,
unless a word that nobody has met is the more likely one. Slips are those of Damerau 1964
(a letter missing, doubled, wrong, or two swapped), found by looking up deletions (the
symmetric-delete idea of Garbe 2012).
"""

import re
from collections.abc import Iterator, Mapping, Set
from functools import cached_property
from itertools import islice
from math import inf, log

from classifier.lookalikes import latin_lookalikes

_SHORTEST_TYPO = 3  # letters of a token and of a word that a slip is looked for in
_LONGEST_TYPO = 20
_FREQUENT = 5000  # words that count as frequent
_SHORTEST_JOINED = 4  # letters of words written as one
_LONGEST_JOINED = 40
_STARS = r"*#@$%•_\-.?!"
_STARRED = re.compile(
    rf"[a-z]+[{_STARS}]+[a-z]*(?:[{_STARS}]+[a-z]+)*|[{_STARS}]{{1,3}}[a-z]{{2,}}"
)
_STAR_RUN = re.compile(rf"[{_STARS}]+")
_EDGES = "\"'([{<,;:)]}>"
_LEET = tuple(str.maketrans("013457869@$!|+", f"o{one}eastbggasi{one}t") for one in "il")
_FEWEST_LETTERS = 2  # that must be left standing between stars

# Costs in nats: minus the logarithm of a chance, as far as one can be told.
_FIRST = 10  # added to a word's place, so that the first few are not free
_WEIGHTY = 2.0  # less for a weighty word
_SLIP = 5.0  # two letters swapped, one missing, one doubled, or the key beside it
_RARE_SLIP = 7.5  # any other letter
_BLANK = 1.5  # a blank left out
_NEW, _NEW_LETTER = 1.8, 2.6  # a word nobody has met, and each of its letters

_KEYS = {
    "q": "wa", "w": "qeas", "e": "wrsd", "r": "etdf", "t": "ryfg", "y": "tugh", "u": "yihj",
    "i": "uojk", "o": "ipkl", "p": "ol", "a": "qwsz", "s": "awedzx", "d": "serfxc", "f": "drtgcv",
    "g": "ftyhvb", "h": "gyujbn", "j": "huiknm", "k": "jiolm", "l": "kop", "z": "asx", "x": "zsdc",
    "c": "xdfv", "v": "cfgb", "b": "vghn", "n": "bhjm", "m": "njk",
}  # fmt: skip

Weights = Mapping[str, float]
Reading = tuple[float, tuple[str, ...]]
"""What a token may mean: its cost, and the words."""


class Repairs:
    """What to read instead of a token, from the words met in training.

    ``known`` are words in use; ``places`` says of those that may be meant how many are more
    frequent, the most frequent first; ``weighty`` maps words mostly met in abuse to how strongly
    they speak for it.
    """

    def __init__(self, known: Set[str], places: Mapping[str, int], weighty: Weights) -> None:
        self._known = known
        self._weighty = weighty
        self._costs = {word: _cost(place, word in weighty) for word, place in places.items()}

    def word(self, token: str) -> tuple[str, ...] | None:
        """What is meant by a word of the normal form that nobody uses; None for as written."""
        if token in self._known or not token.isalpha():
            return None
        if not token.isascii():
            skeleton = token.translate(latin_lookalikes())
            return (skeleton,) if skeleton in self._weighty else None
        cost, words = min(self._typo(token), self._joined(token))
        return words if cost < _new(token) else None

    def slip_of(self, word: str, place: int) -> str | None:
        """The word that a rare one, with ``place`` more frequent ones, may be a slip of."""
        cost, words = self._typo(word)
        return words[0] if cost < min(log(place + _FIRST), _new(word)) else None

    def marked(self, chunk: str) -> str | None:
        """The word behind stars, digits or marks in a piece of text between spaces.

        ``chunk`` is in normal form. The result stands for all of it but the marks around.
        """
        if chunk.isalpha() or len(chunk) > _LONGEST_TYPO:
            return None
        return self._leet(chunk.strip(_EDGES)) or self._starred(chunk.strip(_EDGES))

    def _leet(self, core: str) -> str | None:
        """Digits and marks read as letters, at the edges of a word too."""
        for written in (core, core.rstrip(".!?")):
            if written and not written.isalpha() and not written.isdigit():
                for table in _LEET:
                    if (word := written.translate(table)) in self._weighty:
                        return word
        return None

    def _starred(self, core: str) -> str | None:
        core = core.rstrip(".!?")
        if not _STARRED.fullmatch(core) or len(_STAR_RUN.sub("", core)) < _FEWEST_LETTERS:
            return None
        if core.isascii() and "*" not in core and "#" not in core and "@" not in core:
            return None  # a full stop or a dash alone is punctuation
        words = self._weighty if core[0] in _STARS else self._by_letter.get(core[0], ())
        fits = _star_pattern(core).fullmatch
        fitting = [word for word in words if fits(word)]
        exact = [word for word in fitting if len(word) == len(core)]
        return min(exact or fitting, key=self._costs.__getitem__, default=None)

    def _typo(self, token: str) -> Reading:
        """The cheapest frequent or weighty word one slip away."""
        if not _SHORTEST_TYPO <= len(token) <= _LONGEST_TYPO:
            return inf, ()
        near = ((self._costs[word] + _slip(word, token), (word,)) for word in self._near(token))
        return min(near, default=(inf, ()))

    def _near(self, token: str) -> Iterator[str]:
        """Words that are perhaps one slip away from the token and begin as it does."""
        yield from self._deletions.get(token, "").split()
        for shorter in _deletions(token):
            if shorter in self._slipping:
                yield shorter
            yield from self._deletions.get(shorter, "").split()

    def _joined(self, token: str) -> Reading:
        """The cheapest words that make up the token."""
        if not _SHORTEST_JOINED <= len(token) <= _LONGEST_JOINED:
            return inf, ()
        costs, best = self._costs, [-_BLANK]
        firsts = [0]  # where the last word of the cheapest reading up to each letter begins
        for end in range(1, len(token) + 1):
            cheapest, first = inf, 0
            for start in range(max(0, end - _LONGEST_TYPO), end):
                if best[start] < cheapest and token[start:end] in costs:
                    cost = best[start] + _BLANK + costs[token[start:end]]
                    if cost < cheapest:
                        cheapest, first = cost, start
            best.append(cheapest)
            firsts.append(first)
        return best[-1], _words(token, firsts)

    @cached_property
    def _slipping(self) -> frozenset[str]:
        """Words that a slip is looked for in: the frequent ones and the weighty ones."""
        words = {*islice(self._costs, _FREQUENT), *self._weighty}
        return frozenset(w for w in words if len(w) >= _SHORTEST_TYPO and w.isalpha())

    @cached_property
    def _by_letter(self) -> dict[str, list[str]]:
        letters: dict[str, list[str]] = {}
        for word in self._slipping:
            letters.setdefault(word[0], []).append(word)
        return letters

    @cached_property
    def _deletions(self) -> dict[str, str]:
        """What is left of a word without one letter, and the words it is left of, with blanks
        between: most have only one, which takes nothing more."""
        found: dict[str, str] = {}
        for word in self._slipping:
            for shorter in _deletions(word):
                found[shorter] = f"{found[shorter]} {word}" if shorter in found else word
        return found


def _cost(place: int, weighty: bool) -> float:
    """What it costs to mean a word with ``place`` more frequent ones."""
    return log(place + _FIRST) - (_WEIGHTY if weighty else 0.0)


def _words(token: str, firsts: list[int]) -> tuple[str, ...]:
    """The words of a token, of which those up to each letter begin at ``firsts``."""
    found, end = list[str](), len(token)
    while end:
        found.append(token[firsts[end] : end])
        end = firsts[end]
    return tuple(reversed(found))


def _new(token: str) -> float:
    """What it costs that nobody has met the word."""
    return _NEW + _NEW_LETTER * len(token)


def _deletions(word: str) -> set[str]:
    """The word with each one of its letters left out, but the first: hardly anybody slips there."""
    return {word[:place] + word[place + 1 :] for place in range(1, len(word))}


def _slip(word: str, token: str) -> float:
    """What it costs to write ``token`` for ``word``; infinite if it takes more than one slip."""
    if word[0] != token[0] or word == token:
        return inf
    first = next((k for k in range(len(word)) if word[k : k + 1] != token[k : k + 1]), len(word))
    if len(word) > len(token):
        return _SLIP if word[first + 1 :] == token[first:] else inf
    if len(word) < len(token):
        if word[first:] != token[first + 1 :]:
            return inf
        return _SLIP if token[first] == token[first - 1] else _RARE_SLIP
    if word[first + 1 :] == token[first + 1 :]:
        return _SLIP if token[first] in _KEYS.get(word[first], "") else _RARE_SLIP
    swapped = word[first] == token[first + 1] and word[first + 1] == token[first]
    return _SLIP if swapped and word[first + 2 :] == token[first + 2 :] else inf


def _star_pattern(core: str) -> re.Pattern[str]:
    """Letters as they stand; a run of k marks is 1 to k + 1 letters, k at least as typed."""
    return re.compile(_STAR_RUN.sub(lambda run: f"[a-z]{{1,{len(run[0]) + 1}}}", core))
