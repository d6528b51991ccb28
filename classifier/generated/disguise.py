"""How people hide a word from a filter and not from a reader: one transform a kind.

Used to train against evasion and to measure it. ``innocents`` are texts that look like
disguises, or hold the letters of rude words, and are neither.
"""

import random
import re
from collections.abc import Callable, Collection, Iterator, Sequence

from classifier.generated.innocent import TEXTS

KINDS = (
    "leet", "spaced", "dotted", "dashed", "zero_width", "homoglyph", "mathematical", "repeats",
    "stars", "typos", "joined",
)  # fmt: skip

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_ADDRESS = re.compile(r"\S*(?:://|www\.|@)\S*")
_LONG = 4  # letters of a word that is disguised if none are named

_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7"}
_RARE_LEET = {"b": "8", "g": "9", "l": "1", "z": "2"}  # for words without any of the above
_INVISIBLE = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad")
_TWINS = {
    "a": "аα", "b": "Ь", "c": "сϲ", "d": "ԁ", "e": "еε", "g": "ɡ", "h": "һ", "i": "іι", "j": "ј",
    "k": "кκ", "m": "м", "n": "п", "o": "оο", "p": "рρ", "q": "ԛ", "r": "г", "s": "ѕ", "t": "тτ",
    "u": "υ", "v": "ν", "w": "ԝ", "x": "хχ", "y": "уγ",
}  # fmt: skip
_UPPER_TWINS = dict(zip("ABCEHIKMOPSTXY", "АВСЕНІКМОРЅТХУ", strict=True))
# First capital of each alphabet whose 26 capitals and 26 small letters follow one another:
# bold, bold script, bold fraktur, sans-serif bold, monospace; fullwidth has a gap between.
_ALPHABETS = (0x1D400, 0x1D4D0, 0x1D56C, 0x1D5D4, 0x1D670)
_FULLWIDTH = 0xFEE0  # distance from ASCII
_KEYS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok",
    "o": "ipl", "p": "ol", "a": "qsz", "s": "adw", "d": "sfe", "f": "dgr", "g": "fht", "h": "gjy",
    "j": "hku", "k": "jli", "l": "ko", "z": "xas", "x": "zcs", "c": "xvd", "v": "cbf", "b": "vng",
    "n": "bmh", "m": "nj",
}  # fmt: skip


def disguise(
    text: str, kind: str, draw: random.Random, words: Collection[str] | None = None
) -> str:
    """The text with ``words`` (default: all of four letters or more) disguised in a way.

    ``ValueError`` for a ``kind`` that is not in ``KINDS``. Addresses stay as they are, and so
    does a word that the kind cannot change and still leave readable.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not one of {', '.join(KINDS)}")
    places = _chosen(text, words)
    if kind == "joined":
        return _joined(text, places, draw)
    rewrite = _REWRITES[kind]
    parts, done = [], 0
    for start, end in places:
        parts += [text[done:start], rewrite(text[start:end], draw)]
        done = end
    return "".join([*parts, text[done:]])


def innocents() -> Iterator[str]:
    """Texts without any abuse that a filter may take for disguised or real abuse."""
    yield from TEXTS


def _chosen(text: str, words: Collection[str] | None) -> list[tuple[int, int]]:
    """Where the words to disguise stand."""
    wanted = None
    if words is not None:
        wanted = {m[0].lower() for word in words for m in _WORD.finditer(word)}
    addresses = [m.span() for m in _ADDRESS.finditer(text)]
    return [
        m.span()
        for m in _WORD.finditer(text)
        if (len(m[0]) >= _LONG if wanted is None else m[0].lower() in wanted)
        and not any(first <= m.start() < last for first, last in addresses)
    ]


def _joined(text: str, places: Sequence[tuple[int, int]], draw: random.Random) -> str:
    """The text with each word glued to one neighbour, and never three words to one."""
    cut: list[tuple[int, int]] = []
    busy = -1  # end of the last word that is glued already
    for start, end in places:
        before = re.search(r"\w(\s+)$", text[:start])
        after = re.match(r"\s+(\w+)", text[end:])
        options = []
        if before and start > busy and before.start() >= busy:
            options.append((before.start(1), start, end))
        if after and start > busy:
            options.append((end, end + after.start(1), end + after.end()))
        if options:
            first, last, busy = draw.choice(options)
            cut.append((first, last))
    for first, last in reversed(cut):
        text = text[:first] + text[last:]
    return text


def _some(places: Sequence[int], draw: random.Random, share: float) -> set[int]:
    """About ``share`` of the places, at least one if there are any."""
    found = {place for place in places if draw.random() < share}
    return found or set(draw.sample(places, min(1, len(places))))


def _leet(word: str, draw: random.Random) -> str:
    table = _LEET if any(c in _LEET for c in word.lower()) else _RARE_LEET
    # A digit at either end of a word reads badly and is rare.
    places = [i for i, c in enumerate(word) if c.lower() in table]
    inner = [i for i in places if 0 < i < len(word) - 1] or places
    chosen = _some(inner, draw, 0.7)
    return "".join(draw.choice(table[c.lower()]) if i in chosen else c for i, c in enumerate(word))


def _between(mark: str) -> Callable[[str, random.Random], str]:
    return lambda word, _: mark.join(word)


def _zero_width(word: str, draw: random.Random) -> str:
    chosen = _some(range(1, len(word)), draw, 0.4)
    return "".join(draw.choice(_INVISIBLE) + c if i in chosen else c for i, c in enumerate(word))


def _homoglyph(word: str, draw: random.Random) -> str:
    twins = {i: _TWINS.get(c) or _UPPER_TWINS.get(c) for i, c in enumerate(word)}
    chosen = _some([i for i, found in twins.items() if found], draw, 0.6)
    return "".join(draw.choice(twins[i] or c) if i in chosen else c for i, c in enumerate(word))


def _mathematical(word: str, draw: random.Random) -> str:
    first = draw.choice((*_ALPHABETS, _FULLWIDTH))
    return "".join(_styled(c, first) if c.isascii() and c.isalpha() else c for c in word)


def _styled(letter: str, first: int) -> str:
    if first == _FULLWIDTH:
        return chr(ord(letter) + first)
    return chr(first + (ord(letter) - ord("A") if letter.isupper() else ord(letter) - 71))


def _repeats(word: str, draw: random.Random) -> str:
    vowels = [i for i, c in enumerate(word) if i and c.lower() in "aeiou"]
    place = draw.choice(vowels or [len(word) - 1])
    return word[:place] + word[place] * draw.randint(3, 6) + word[place + 1 :]


def _stars(word: str, draw: random.Random) -> str:
    """One or two inner letters starred; two-letter words have none."""
    inner = range(1, len(word) - 1)
    vowels = [i for i in inner if word[i].lower() in "aeiou"]
    places = vowels[:1] or list(inner[:1])
    if len(word) > _LONG and draw.random() < 0.5:
        places = [places[0], min(places[0] + 1, len(word) - 2)]
    return "".join("*" if i in places else c for i, c in enumerate(word))


def _typos(word: str, draw: random.Random) -> str:
    """One slip of the finger behind the first letter; words below three letters stay."""
    if len(word) < 3:
        return word
    place = draw.randrange(1, len(word))
    slips = [_swapped, _dropped, _doubled, _missed]
    draw.shuffle(slips)
    found = (slip(word, place, draw) for slip in slips)
    return next((slipped for slipped in found if slipped != word), word)


def _swapped(word: str, place: int, _: random.Random) -> str:
    place = min(place, len(word) - 2)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _dropped(word: str, place: int, _: random.Random) -> str:
    return word[:place] + word[place + 1 :] if len(word) > 3 else word


def _doubled(word: str, place: int, _: random.Random) -> str:
    return word[:place] + word[place] + word[place:]


def _missed(word: str, place: int, draw: random.Random) -> str:
    near = draw.choice(_KEYS.get(word[place].lower(), word[place]))
    return word[:place] + near + word[place + 1 :]


_REWRITES: dict[str, Callable[[str, random.Random], str]] = {
    "leet": _leet,
    "spaced": _between(" "),
    "dotted": _between("."),
    "dashed": _between("-"),
    "zero_width": _zero_width,
    "homoglyph": _homoglyph,
    "mathematical": _mathematical,
    "repeats": _repeats,
    "stars": _stars,
    "typos": _typos,
}
