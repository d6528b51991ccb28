"""Words behind disguises that no rule of spelling undoes: stars, typos, joined words.

Only a token that is no word anybody uses (``known``) is read as another: "fcuk" as it is
meant, "duck" stays a duck. A *weighty* word, one that is mostly met in abuse, comes first;
then a frequent one, since around an insult it helps to know what it is said of.
Distances are those of Damerau 1964 restricted to one step (a letter missing, doubled, wrong,
or two swapped), found by looking up deletions (the symmetric-delete idea of Garbe 2012).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property

from classifier.lookalikes import latin_lookalikes

_SHORTEST_TYPO = 4  # letters of a word that a slip is looked for in
_LONGEST_TYPO = 20
_SHORTEST_FREQUENT = 5  # letters of a frequent word that a slip is looked for in
_FREQUENT = 5000  # words that count as frequent
_SHORTEST_PLAIN = 3  # letters of each of two joined words of which none is weighty
_SHORTEST_JOINED = 6  # letters of two words written as one
_LONGEST_JOINED = 40
_SHORTEST_PART = 4  # letters of a weighty word inside joined words
_MOST_PARTS = 7
_STARS = r"*#@$%•_\-.?!"
_STARRED = re.compile(
    rf"[a-z]+[{_STARS}]+[a-z]*(?:[{_STARS}]+[a-z]+)*|[{_STARS}]{{1,3}}[a-z]{{2,}}"
)
_STAR_RUN = re.compile(rf"[{_STARS}]+")
_EDGES = "\"'([{<,;:)]}>"
_LEET = tuple(str.maketrans("013457869@$!|+", f"o{one}eastbggasi{one}t") for one in "il")
_FEWEST_LETTERS = 2  # that must be left standing between stars

Weights = Mapping[str, float]


class Repairs:
    """What to read instead of a token, from the words met in training.

    ``known`` are words in use, ``common`` those that others may be joined to, the most
    frequent first, ``weighty`` maps words mostly met in abuse to how strongly they speak for it.
    """

    def __init__(self, known: Set[str], common: Sequence[str], weighty: Weights) -> None:
        self._known = known
        self._common = frozenset(common)
        self._weighty = weighty
        frequent = [word for word in common if len(word) >= _SHORTEST_FREQUENT][:_FREQUENT]
        # Every weighty word is above every frequent one.
        self._strength = {word: -float(place) for place, word in enumerate(frequent, 1)}
        self._strength.update(weighty)

    def word(self, token: str) -> tuple[str, ...] | None:
        """What is meant by a word of the normal form that nobody uses; None for as written."""
        if token in self._known or not token.isalpha():
            return None
        if not token.isascii():
            skeleton = token.translate(latin_lookalikes())
            return (skeleton,) if skeleton in self._weighty else None
        if _SHORTEST_TYPO <= len(token) <= _LONGEST_TYPO and (meant := self._typo(token)):
            return (meant,)
        if _SHORTEST_JOINED <= len(token) <= _LONGEST_JOINED:
            return self._joined(token)
        return None

    def marked(self, chunk: str) -> str | None:
        """The weighty word behind stars, digits or marks in a piece of text between spaces.

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
        return self._strongest(exact or fitting)

    def _typo(self, token: str) -> str | None:
        return self._strongest(word for word in self._near(token) if word[0] == token[0])

    def _near(self, token: str) -> Iterator[str]:
        """Weighty and frequent words one slip away from the token."""
        yield from self._deletions.get(token, "").split()
        for shorter in _deletions(token):
            if shorter in self._strength and len(shorter) >= _SHORTEST_TYPO:
                yield shorter
            for word in self._deletions.get(shorter, "").split():
                if len(word) == len(token) and _one_slip(word, token):
                    yield word

    def _joined(self, token: str) -> tuple[str, ...] | None:
        """The fewest words that make up the token: common ones around a weighty one, or two."""
        best: list[tuple[int, float, tuple[str, ...]] | None] = [(0, 0.0, ())]
        for end in range(1, len(token) + 1):
            best.append(self._best_end(token, end, best))
        found = best[-1]
        if found is None or found[0] < 2:
            return None
        plain = found[0] == 2 and min(map(len, found[2])) >= _SHORTEST_PLAIN
        return found[2] if found[1] < 0.0 or plain else None

    def _best_end(
        self, token: str, end: int, best: list[tuple[int, float, tuple[str, ...]] | None]
    ) -> tuple[int, float, tuple[str, ...]] | None:
        chosen = None
        for start in range(max(0, end - _LONGEST_TYPO), end):
            before, part = best[start], token[start:end]
            if before is None or before[0] >= _MOST_PARTS:
                continue
            weight = self._weighty.get(part, 0.0) if len(part) >= _SHORTEST_PART else 0.0
            if not weight and part not in self._common:
                continue
            found = (before[0] + 1, min(before[1], -weight), (*before[2], part))
            chosen = min(chosen, found) if chosen else found
        return chosen

    def _strongest(self, words: Iterable[str]) -> str | None:
        return max(words, key=lambda word: (self._strength[word], word), default=None)

    @cached_property
    def _by_letter(self) -> dict[str, list[str]]:
        letters: dict[str, list[str]] = {}
        for word in self._weighty:
            letters.setdefault(word[0], []).append(word)
        return letters

    @cached_property
    def _deletions(self) -> dict[str, str]:
        """What is left of a word without one letter, and the words it is left of, with blanks
        between: most have only one, which takes nothing more."""
        found: dict[str, str] = {}
        for word in self._strength:
            if len(word) >= _SHORTEST_TYPO and word.isalpha():
                for shorter in _deletions(word):
                    found[shorter] = f"{found[shorter]} {word}" if shorter in found else word
        return found


def _deletions(word: str) -> set[str]:
    """The word with each one of its letters left out."""
    return {word[:place] + word[place + 1 :] for place in range(len(word))}


def _one_slip(word: str, token: str) -> bool:
    """Whether two words of one length differ in one letter, or in two neighbours swapped."""
    apart = [place for place in range(len(word)) if word[place] != token[place]]
    if len(apart) == 1:
        return True
    if len(apart) != 2 or apart[1] != apart[0] + 1:
        return False
    first, second = apart
    return word[first] == token[second] and word[second] == token[first]


def _star_pattern(core: str) -> re.Pattern[str]:
    """Letters as they stand; a run of k marks is 1 to k + 1 letters, k at least as typed."""
    return re.compile(_STAR_RUN.sub(lambda run: f"[a-z]{{1,{len(run[0]) + 1}}}", core))
