"""Word lists and patterns of a policy, compiled once and then searched at a flat cost.

A word is looked for in the text *as seen* (without invisible characters, in lower case) and in its
*folded* form (the classifier's normal form, where disguises are taken off); only the first gives
spans. One search for all words answers "none of them" in a few microseconds; the words are
told apart only after it hit. Everything that comes from a policy runs on RE2, whose time grows
with the text and never explodes; `re2.Set` is avoided because it silently finds nothing once its
memory is used up, while a single RE2 falls back to a slower way.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import re2

from service.errors import Invalid
from service.records import (
    AllowEntry,
    FieldError,
    PatternEntry,
    Policy,
    Strict,
    WordEntry,
)

PATTERN_MEMORY: Final = 1 << 20
"""Bytes RE2 may use for one pattern of a policy; larger patterns are refused. The worst we found to
fit takes 0.13 s on 10,000 characters, ordinary ones a few microseconds."""
WORDS_MEMORY: Final = 8 << 20
"""Bytes for one search of many words or patterns at once."""
PATTERNS_SIZE: Final = 200_000
"""RE2 instructions that all patterns of a policy may have together: bounds the time to compile them
(about 0.2 s) and to search. A plain pattern has some tens, `\\pL{1,40}` has 48,000."""
SPANS_MAX: Final = 50

Span = tuple[int, int]
Match = Literal["exact", "word", "wildcard"]

# Drawn as nothing: soft hyphen, joiners, bidi controls, variation selectors, tags.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
# Scripts written without spaces between words: Thai, Lao, Burmese, Khmer, Tibetan, kana, Han.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
_WORD_RUN: Final = r"[\pL\pN\pM]*"


class PolicyError(Invalid):
    """A policy document breaks rules; carries each of them."""

    title = "The policy is not valid"


# ---------------------------------------------------------------------- text as seen


class Seen(NamedTuple):
    """A text as a reader sees it; `offsets` tells each character's place in the original."""

    text: str
    offsets: list[int] | None
    """None = the same places."""

    def origin(self, span: Span) -> Span:
        """The span in the original text."""
        if self.offsets is None or span[0] >= span[1]:
            return span
        return self.offsets[span[0]], self.offsets[span[1] - 1] + 1


def see(text: str) -> Seen:
    """`text` without the characters that draw nothing."""
    if text.isascii() or not _INVISIBLE.search(text):
        return Seen(text, None)
    kept = [(i, char) for i, char in enumerate(text) if not _INVISIBLE.match(char)]
    return Seen("".join(char for _, char in kept), [i for i, _ in kept])


def _lower(text: str) -> str:
    """Lower case, character by character, so that places stay the same (`İ` alone would grow)."""
    return text.lower() if text.isascii() else text.replace("İ", "i").lower().replace("ς", "σ")


# ------------------------------------------------------------------------- one entry


class _Needle(NamedTuple):
    """One entry of a list in one form of text."""

    pieces: tuple[str, ...]
    """What must occur in a text before it is worth a closer look."""
    match: Match
    regex: Any = None
    """For a wildcard only."""

    def find(self, text: str) -> list[Span]:
        """Where it occurs in `text`, which must be in the same form."""
        if not self.pieces or not all(piece in text for piece in self.pieces):
            return []
        spans = self._spans(text)
        return [s for s in spans if self.match == "exact" or _stands_alone(text, s)]

    def _spans(self, text: str) -> Iterator[Span]:
        if self.regex is not None:
            yield from (found.span() for found in self.regex.finditer(text))
            return
        piece = self.pieces[0]
        start = text.find(piece)
        while start >= 0:
            yield start, start + len(piece)
            start = text.find(piece, start + 1)


def _needle(text: str, match: Match) -> _Needle:
    if match != "wildcard":
        return _Needle((text,) if text else (), match)
    pieces = tuple(piece for piece in text.split("*") if piece)
    source = _WORD_RUN.join(re2.escape(piece) for piece in re.sub(r"\*+", "*", text).split("*"))
    return _Needle(pieces, match, re2.compile(source, _options(PATTERN_MEMORY)))


def _stands_alone(text: str, span: Span) -> bool:
    """Whether no letter or digit of the same word touches either end."""
    start, end = span
    before = start == 0 or _parts(text[start - 1], text[start])
    return before and (end == len(text) or _parts(text[end - 1], text[end]))


def _parts(left: str, right: str) -> bool:
    """Whether a word may end between two neighbours."""
    if not (_in_word(left) and _in_word(right)):
        return True
    return bool(_UNSPACED.match(left) or _UNSPACED.match(right))


def _in_word(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char)[0] == "M"


def _options(memory: int) -> Any:
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    return options


# -------------------------------------------------------------------- compiled lists


class Hit(NamedTuple):
    """A block-list entry that a text holds."""

    text: str
    outcome: Strict
    shadow: bool
    spans: tuple[Span, ...]
    """Empty where only the folded text holds it."""


class PatternHit(NamedTuple):
    """A pattern that matches a text, and its place in the policy."""

    place: int
    entry: PatternEntry
    spans: tuple[Span, ...]


class _Block(NamedTuple):
    entry: WordEntry
    seen: _Needle
    folded: _Needle
    rarest: tuple[str, str]
    """The longest piece of either needle: a quick no for nearly every entry."""


class _Allow(NamedTuple):
    seen: _Needle
    folded: _Needle


class _Batch(NamedTuple):
    """Patterns tried together first, each with its place in the policy."""

    together: Any
    members: tuple[tuple[int, PatternEntry, Any], ...]


@dataclass(frozen=True, slots=True)
class CompiledLists:
    """The lists of one policy version, ready to search; share it between comments."""

    block: tuple[_Block, ...] = ()
    allow: tuple[_Allow, ...] = ()
    searches: tuple[Any, ...] = ()
    """Together they find every word of the block list; nearly always one."""
    batches: tuple[_Batch, ...] = ()

    def blocked(self, seen: Seen, folded: str = "") -> list[Hit]:
        """The block-list entries in a text, as seen and folded, that no allowed word covers."""
        if not self.block:
            return []
        as_seen = _lower(seen.text)
        in_seen = self._holds_any(as_seen)
        in_folded = in_seen if folded == as_seen else self._holds_any(folded)
        if not in_seen and not in_folded:
            return []
        return list(self._tell_apart(seen, as_seen, folded if in_folded else ""))

    def _holds_any(self, text: str) -> bool:
        return bool(text) and any(search.search(text) for search in self.searches)

    def _tell_apart(self, seen: Seen, as_seen: str, folded: str) -> Iterator[Hit]:
        allowed = [span for entry in self.allow for span in entry.seen.find(as_seen)]
        allowed_folded = [span for entry in self.allow for span in entry.folded.find(folded)]
        for entry, needle, folded_needle, (piece, folded_piece) in self.block:
            if piece not in as_seen and folded_piece not in folded:
                continue
            spans = _uncovered(needle.find(as_seen), allowed)
            if spans or _uncovered(folded_needle.find(folded), allowed_folded):
                origins = tuple(seen.origin(span) for span in spans[:SPANS_MAX])
                yield Hit(entry.text, entry.outcome, entry.shadow, origins)

    def matched(self, seen: Seen) -> list[PatternHit]:
        """The patterns that match a text as seen."""
        return [hit for batch in self.batches for hit in _matches(batch, seen)]


def _uncovered(spans: list[Span], allowed: list[Span]) -> list[Span]:
    return [s for s in spans if not any(a[0] <= s[0] and s[1] <= a[1] for a in allowed)]


def _matches(batch: _Batch, seen: Seen) -> Iterator[PatternHit]:
    if batch.together.search(seen.text) is None:
        return
    for index, entry, regex in batch.members:
        found = [
            m.span() for m, _ in zip(regex.finditer(seen.text), range(SPANS_MAX), strict=False)
        ]
        if found:
            spans = tuple(seen.origin(span) for span in found if span[0] < span[1])
            yield PatternHit(index, entry, spans)


# --------------------------------------------------------------------------- compile


def compile_lists(policy: Policy, fold: Callable[[str], str] = str.casefold) -> CompiledLists:
    """The policy's lists, ready to search; milliseconds, so keep them per policy version.

    Args:
        policy: the policy.
        fold: makes the folded text that comments carry (`classifier.text.fold`), so that entries
            are looked for in the same form.

    Raises:
        PolicyError: a pattern is not valid.
    """
    patterns, errors = compile_patterns(policy.patterns)
    if errors:
        raise PolicyError(tuple(errors))
    block = tuple(_blocking(entry, fold) for entry in policy.block)
    allow = tuple(_Allow(_as_seen(e), _as_folded(e, fold)) for e in policy.allow)
    pieces = sorted({piece for entry in block for piece in entry.rarest if piece})
    return CompiledLists(block, allow, tuple(_searches(pieces)), tuple(_batches(patterns)))


def _blocking(entry: WordEntry, fold: Callable[[str], str]) -> _Block:
    seen, folded = _as_seen(entry), _as_folded(entry, fold)
    return _Block(entry, seen, folded, (_longest(seen), _longest(folded)))


def _longest(needle: _Needle) -> str:
    return max(needle.pieces, key=len, default="")


def _as_seen(entry: WordEntry | AllowEntry) -> _Needle:
    return _needle(key(entry), entry.match)


def _as_folded(entry: WordEntry | AllowEntry, fold: Callable[[str], str]) -> _Needle:
    text = key(entry)
    if entry.match == "wildcard":  # piece by piece, for `fold` may read a `*` as a disguise
        return _needle("*".join(fold(piece) for piece in text.split("*")), entry.match)
    return _needle(fold(text), entry.match)


def key(entry: WordEntry | AllowEntry) -> str:
    """What is looked for in a text as seen; empty where the entry shows nothing."""
    return _lower(see(entry.text).text).strip()


def _searches(pieces: list[str]) -> Iterator[Any]:
    """Alternations of all pieces: one, or more where one would not fit into the memory."""
    if not pieces:
        return
    try:
        yield re2.compile("|".join(map(re2.escape, pieces)), _options(WORDS_MEMORY))
    except re2.error:
        middle = len(pieces) // 2
        yield from _searches(pieces[:middle])
        yield from _searches(pieces[middle:])


_Compiled = tuple[int, PatternEntry, Any]


def compile_patterns(
    entries: Sequence[PatternEntry],
) -> tuple[list[_Compiled], list[FieldError]]:
    """The valid patterns with their places, and an error for each of the others."""
    compiled: list[_Compiled] = []
    errors: list[FieldError] = []
    size = 0
    for index, entry in enumerate(entries):
        pointer = f"/patterns/{index}/pattern"
        regex = _compile_pattern(entry.pattern)
        if isinstance(regex, FieldError):
            errors.append(FieldError(pointer, regex.code, regex.detail))
            continue
        size += regex.programsize
        if size > PATTERNS_SIZE:
            detail = "The patterns up to this one are too large together"
            return compiled, [*errors, FieldError(pointer, "too_costly", detail)]
        compiled.append((index, entry, regex))
    return compiled, errors


def _compile_pattern(pattern: str) -> Any:
    """The pattern on RE2, or what is wrong with it."""
    try:
        regex = re2.compile(pattern, _options(PATTERN_MEMORY))
    except re2.error as error:
        return FieldError("", "invalid_pattern", _re2_says(error))
    except UnicodeError:
        return FieldError("", "invalid_pattern", "Holds half of a surrogate pair")
    if regex.search("") is not None and regex.search("\0") is not None:
        return FieldError("", "matches_everything", "This pattern matches every text")
    return regex


def _re2_says(error: Exception) -> str:
    message = error.args[0] if error.args else ""
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)


def _batches(patterns: Sequence[_Compiled]) -> Iterator[_Batch]:
    """Patterns in as few batches as RE2 can hold; halved where names clash or memory runs out."""
    if not patterns:
        return
    if len(patterns) == 1:
        yield _Batch(patterns[0][2], tuple(patterns))
        return
    source = "|".join(f"(?:{entry.pattern})" for _, entry, _ in patterns)
    try:
        yield _Batch(re2.compile(source, _options(WORDS_MEMORY)), tuple(patterns))
    except re2.error:
        middle = len(patterns) // 2
        yield from _batches(patterns[:middle])
        yield from _batches(patterns[middle:])
