"""The normal form: what a comment says once its disguises are taken off.

``fold`` is the fast way and gives text only; ``fold_traced`` gives the same text and, for
each of its characters, where that character came from in the original, in code points.
Order of the steps: ignorable characters out, NFKC, case folding, Latin accents off,
lookalikes of other scripts in Latin words back to Latin (UTS #39), then leet digits, spelled
out letters and repeats. Plain ASCII text that shows no sign of the last three is only
lower-cased.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from classifier.lookalikes import IGNORABLE_RANGES, fold_table, latin_lookalikes

_LEET = str.maketrans("013457@$!", "oieastasi")
_VOWELS = "aeiou"
_PASSES = 8  # each pass shortens the text or removes a digit; real text settles in one or two

_LEET_INSIDE = r"(?<=[a-z])[013457@$!]+(?=[a-z])|(?<=[a-z])\$+(?![\w$])"
# The s of "he's" and the t of "don't" begin no spelt-out word.
_SPELLED = r"(?<![^\W_])(?<!['\u2019])[a-z](?P<gap>[ .\-_*])[a-z](?:(?P=gap)[a-z])+(?![^\W_])"
_REPEAT = r"([a-z])\1\1+"
# Cheap looks that decide whether the slow steps are needed at all; each begins with a
# character that is rare in plain text, so that the search skips along.
_LEET_SIGN = re.compile(r"[013457@$!](?<=[a-z].)(?:(?=[013457@$!]*[a-z])|(?<=\$))")
_SPELLED_SIGN = re.compile(r"[ .\-_*][a-z][ .\-_*][a-z](?![a-z0-9])")
_RUNS = tuple(letter * 3 for letter in "abcdefghijklmnopqrstuvxyz")
_ADDRESS = re.compile(r"://|www\.|@[\w-]+\.|\.(?:com|org|net|io|ru|html?|php)\b")
_LONGEST_DISGUISE = 40  # code points; longer tokens are keys, hashes or addresses

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Folded:
    """A text in normal form and the place in the original of each of its characters.

    ``starts[i]`` and ``ends[i]`` bound, in code points of the original, what folded character
    ``i`` was made from; both never decrease.
    """

    text: str
    starts: list[int]
    ends: list[int]

    def origin(self, start: int, end: int) -> Span:
        """Span in the original of the folded characters ``start`` to ``end`` (exclusive)."""
        if start >= end:
            return (0, 0)
        return (self.starts[start], self.ends[end - 1])


@dataclass(frozen=True, slots=True)
class _Step:
    """One rewriting step: what to look for and what to put in its place."""

    pattern: re.Pattern[str]
    rewrite: Callable[[re.Match[str]], str]


def fold(text: str) -> str:
    """The normal form of ``text``; ``fold(fold(text)) == fold(text)``."""
    if text.isascii():
        folded = text.lower()
        return _undisguise(folded) if _suspect(folded) else folded
    return _settle(text)


def fold_traced(text: str) -> Folded:
    """The normal form of ``text`` with the origin of every character; same text as ``fold``."""
    places = list(range(len(text)))
    folded = Folded(text, places, [place + 1 for place in places])
    for _ in range(_PASSES):
        before = folded.text
        for step in _steps(before):
            folded = _apply(folded, step)
        if folded.text == before:
            break
    return folded


def neutralise(text: str) -> str:
    """A copy safe to show and to match: no bidi or zero-width characters, no control codes.

    Line breaks and tabs stay; letters, case and emoji stay as written, except that joined
    emoji fall apart into their parts.
    """
    return text if text.isascii() and text.isprintable() else _unsafe().sub("", text)


def _suspect(text: str) -> bool:
    if _LEET_SIGN.search(text) or _SPELLED_SIGN.search(text):
        return True
    for run in _RUNS:  # noqa: SIM110 (any() takes twice as long)
        if run in text:
            return True
    return False


def _settle(text: str) -> str:
    for _ in range(_PASSES):
        before = text
        text = _widely(text)
        if _suspect(text):
            text = _undisguise(text)
        if text == before or text.isascii():
            break
    return text


def _widely(text: str) -> str:
    """One pass of the character steps, the same as ``_plain_steps`` and ``_wide_steps``."""
    text = text.translate(fold_table())
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text).translate(fold_table())
    if _mixed().search(text):
        for step in _latin_steps():
            text = step.pattern.sub(step.rewrite, text)
    return text


@cache
def _mixed() -> re.Pattern[str]:
    """A Latin letter beside a combining mark or another script's letter: what the Latin steps are
    for. Typographic quotes and dashes, which most such texts have, need none of them."""
    letter = r"[^\W\d_\x00-\x7f]"
    return re.compile(rf"[a-z](?:{letter}|[{_MARKS}])|{letter}[a-z]")


def _undisguise(text: str) -> str:
    for _ in range(_PASSES):
        before = text
        for step in _disguise_steps():
            text = step.pattern.sub(step.rewrite, text)
        if text == before or not _suspect(text):
            break
    return text


def _apply(folded: Folded, step: _Step) -> Folded:
    """The folded text after one step, origins carried along."""
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for match in step.pattern.finditer(folded.text):
        first, last = match.span()
        parts.append(folded.text[done:first])
        starts += folded.starts[done:first]
        ends += folded.ends[done:first]
        new = step.rewrite(match)
        parts.append(new)
        _share(folded, (first, last), len(new), starts, ends)
        done = last
    parts.append(folded.text[done:])
    return Folded("".join(parts), starts + folded.starts[done:], ends + folded.ends[done:])


def _share(folded: Folded, span: Span, count: int, starts: list[int], ends: list[int]) -> None:
    """Share the source characters of ``span`` out among ``count`` new ones, in order."""
    first, last = span
    size = last - first
    for k in range(count):
        low = first + k * size // count
        high = max(low + 1, first + (k + 1) * size // count)
        starts.append(folded.starts[low])
        ends.append(folded.ends[high - 1])


def _steps(text: str) -> tuple[_Step, ...]:
    if text.isascii():
        return (*_plain_steps(), *_disguise_steps())
    return (*_plain_steps(), *_wide_steps(), *_disguise_steps())


@cache
def _plain_steps() -> tuple[_Step, ...]:
    return (_Step(re.compile(r"[A-Z]+"), lambda m: m[0].lower()),)


@cache
def _wide_steps() -> tuple[_Step, ...]:
    marks = f"[{_MARKS}]"
    cluster = (
        rf"[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]+|[^\x00-\x7f]{marks}*|[\x00-\x7f]{marks}+"
    )
    return (
        _Step(re.compile(r"[^\x00-\x7f]"), lambda m: m[0].translate(fold_table())),
        _Step(re.compile(cluster), _fold_cluster),
        *_latin_steps(),
    )


@cache
def _latin_steps() -> tuple[_Step, ...]:
    return (
        _Step(re.compile(f"(?<=[a-z])[{_MARKS}]+"), lambda _: ""),
        _Step(re.compile(r"[^\W\d_]+"), _to_latin),
    )


# Combining marks of the scripts in use, half-width voicing marks included.
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u0670\u0900-\u0903\u093a-\u094f"
    "\u0981-\u0983\u09bc-\u09d7\u0b3e-\u0b57\u0bbe-\u0bd7\u0cbe-\u0cd6\u0d3e-\u0d57\u0e31"
    "\u0e34-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f"
    "\uff9e\uff9f"
)


@cache
def _disguise_steps() -> tuple[_Step, ...]:
    return (
        _Step(re.compile(r"(?<!\S)[^\s013457@$!]*[013457@$!]\S*"), _unleet),
        _Step(re.compile(_SPELLED), lambda m: re.sub(r"[^a-z]", "", m[0])),
        _Step(re.compile(_REPEAT), _shorten),
    )


def _fold_cluster(match: re.Match[str]) -> str:
    composed = unicodedata.normalize("NFKC", match[0])
    return composed.translate(fold_table())


def _to_latin(match: re.Match[str]) -> str:
    word = match[0]
    if word.isascii() or not any("a" <= c <= "z" for c in word):
        return word
    return word.translate(latin_lookalikes())


@cache
def _leet_inside() -> re.Pattern[str]:
    return re.compile(_LEET_INSIDE)


def _unleet(match: re.Match[str]) -> str:
    token = match[0]
    if len(token) > _LONGEST_DISGUISE or _ADDRESS.search(token):
        return token
    return _leet_inside().sub(lambda m: m[0].translate(_LEET), token)


def _shorten(match: re.Match[str]) -> str:
    letter = match[1]
    if letter == "w":  # www.
        return match[0]
    return letter if letter in _VOWELS else letter * 2


def _ranges() -> str:
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in IGNORABLE_RANGES)


@cache
def _unsafe() -> re.Pattern[str]:
    return re.compile(f"[{_ranges()}\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]+")
