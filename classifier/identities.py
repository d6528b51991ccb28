"""Which groups of people an English text names, so that quality can be told for each.

A word list, not understanding: it finds texts that name a group, whoever writes and whatever
about it. Colours, "straight", "blind" and the like count only next to a word for people.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Masks = dict[str, NDArray[np.bool_]]

_PEOPLE: Final = (
    "people person persons man men woman women guy guys girl girls boy boys folk folks kid kids"
    " child children community communities family families friend friends male males female"
    " females teen teenager teenagers student students couple couples"
)
_SINGLE: Final = {
    "gender: women": "woman women female females lady ladies feminist feminists",
    "gender: men": "man men male males",
    "gender: trans": "trans transgender transgendered transsexual transsexuals nonbinary",
    "orientation: gay": "gay gays homosexual homosexuals homosexuality lgbt lgbtq queer",
    "orientation: lesbian": "lesbian lesbians",
    "orientation: bisexual": "bisexual bisexuals",
    "orientation: straight": "heterosexual heterosexuals",
    "religion: muslim": "muslim muslims islam islamic islamist islamists",
    "religion: jewish": "jew jews jewish judaism",
    "religion: christian": "christian christians christianity evangelical evangelicals",
    "religion: catholic": "catholic catholics catholicism",
    "religion: hindu": "hindu hindus hinduism",
    "religion: buddhist": "buddhist buddhists buddhism",
    "religion: atheist": "atheist atheists atheism",
    "race: black": "blacks african africans",
    "race: white": "whites caucasian caucasians",
    "race: asian": "asian asians",
    "race: latino": "latino latinos latina latinas latinx hispanic hispanics",
    "race: arab": "arab arabs arabic",
    "race: indigenous": "aborigine aborigines aboriginal aboriginals indigenous",
    "race: roma": "roma gypsy gypsies",
    "nationality: american": "american americans",
    "nationality: british": "british english englishman brit brits",
    "nationality: mexican": "mexican mexicans",
    "nationality: chinese": "chinese",
    "nationality: japanese": "japanese",
    "nationality: indian": "indian indians",
    "nationality: pakistani": "pakistani pakistanis",
    "nationality: russian": "russian russians",
    "nationality: polish": "polish poles",
    "nationality: german": "german germans",
    "nationality: french": "french",
    "nationality: irish": "irish",
    "nationality: turkish": "turkish turk turks",
    "nationality: israeli": "israeli israelis",
    "nationality: immigrant": "immigrant immigrants migrant migrants refugee refugees",
    "disability: physical": "disabled disability disabilities wheelchair paraplegic",
    "disability: mental": "autistic autism schizophrenic schizophrenia bipolar",
    "disability: deaf": "deaf deafness",
    "disability: blind": "blindness",
}
_BEFORE_PEOPLE: Final = {
    "black": "race: black",
    "white": "race: white",
    "straight": "orientation: straight",
    "blind": "disability: blind",
    "native": "race: indigenous",
}
_PHRASES: Final = {
    "african american": "race: black",
    "african americans": "race: black",
    "native american": "race: indigenous",
    "native americans": "race: indigenous",
    "mentally ill": "disability: mental",
    "mental illness": "disability: mental",
}
_WORD: Final = re.compile(r"[a-z]+")


class WordList:
    """The word list, compiled once for many texts."""

    def __init__(self) -> None:
        self._words = {word: name for name, row in _SINGLE.items() for word in row.split()}
        pairs = {f"{a} {p}": name for a, name in _BEFORE_PEOPLE.items() for p in _PEOPLE.split()}
        self._pairs = pairs | _PHRASES

    def groups(self, text: str) -> set[str]:
        """Names like ``religion: muslim`` and, for each, its family, ``religion``."""
        words = _WORD.findall(text.lower())
        found = {self._words[word] for word in words if word in self._words}
        pairs = map(" ".join, pairwise(words))
        found |= {self._pairs[pair] for pair in pairs if pair in self._pairs}
        return found | {name.partition(":")[0] for name in found}


def named_groups(texts: Sequence[str], langs: NDArray[np.str_]) -> Masks:
    """Rows that name each group, by the group's name, in order; only English texts are read."""
    words = WordList()
    masks: Masks = {}
    for row in np.flatnonzero(langs == "en").tolist():
        for name in words.groups(texts[row]):
            masks.setdefault(name, np.zeros(len(texts), np.bool_))[row] = True
    return dict(sorted(masks.items()))
