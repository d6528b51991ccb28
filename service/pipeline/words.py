"""Word lists and patterns of a policy, compiled once and then searched at a flat cost.

A word is looked for in the text *as seen* (without invisible characters, in lower case) and in its
*folded* form (the classifier's normal form, where disguises are taken off); only the first gives
spans. One search for all words answers "none of them" in a few microseconds; the words are
told apart only after it hit. Everything that comes from a policy runs on RE2, whose time grows
with the text and never explodes; `re2.Set` is avoided because it silently finds nothing once its
memory is used up, while a single RE2 falls back to a slower way.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any, Final, NamedTuple

import re2

from service.errors import Invalid
from service.pipeline.needles import (
    PATTERN_MEMORY,
    Looks,
    Needle,
    Seen,
    Span,
    Text,
    lower,
    make_needle,
    options,
    see,
)
from service.pipeline.price import CHEAP, price
from service.records import (
    AllowEntry,
    FieldError,
    PatternEntry,
    Policy,
    Strict,
    WordEntry,
)

WORDS_MEMORY: Final = 8 << 20
"""Bytes for one search of many words or patterns at once."""
PATTERNS_SIZE: Final = 50_000
"""RE2 instructions that all patterns of a policy may have together: bounds the time to compile them
(below 0.1 s). A plain pattern has some tens, `\\pL{1,40}` has 48,000."""
PATTERNS_PRICE: Final = 800
"""What all patterns of a policy may cost together to search, see `price`. RE2 takes about 15 ns for
each byte and each place of a pattern where it may stand at once, so 160 places of dear patterns
(`DEAR` = 5) take 25 ms on 10,000 bytes and 100 ms on 10,000 emoji; places of cheap ones are
remembered, and far quicker."""
BATCH_SIZE: Final = 2_000
"""RE2 instructions of patterns tried together, so that `WORDS_MEMORY` holds all it remembers."""
WILDCARDS_SIZE: Final = 80_000
"""RE2 instructions that all wildcards of a policy may have together; a plain `f*k` has some
60. They take about 0.1 s to compile."""
SPANS_MAX: Final = 50


class PolicyError(Invalid):
    """A policy document breaks rules; carries each of them."""

    title = "The policy is not valid"


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
    seen: Needle
    folded: Needle
    rarest: tuple[str, str]
    """The longest piece of either needle: a quick no for nearly every entry."""


class _Allow(NamedTuple):
    seen: Needle
    folded: Needle


class _Pattern(NamedTuple):
    """A compiled pattern and its place in the policy."""

    place: int
    entry: PatternEntry
    regex: Any
    price: int


class _Batch(NamedTuple):
    """Patterns tried together first."""

    together: Any
    members: tuple[_Pattern, ...]


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
        as_seen = lower(seen.text)
        in_seen = self._holds_any(as_seen)
        in_folded = in_seen if folded == as_seen else self._holds_any(folded)
        if not in_seen and not in_folded:
            return []
        return list(self._tell_apart(seen, as_seen, folded if in_folded else ""))

    def _holds_any(self, text: str) -> bool:
        return bool(text) and any(search.search(text) for search in self.searches)

    def _tell_apart(self, seen: Seen, as_seen: str, folded: str) -> Iterator[Hit]:
        seen_text = Text(as_seen)
        folded_text = seen_text if folded == as_seen else Text(folded)
        looks = Looks()
        allowed = _outermost(s for e in self.allow for s in e.seen.find(seen_text, looks))
        void = _outermost(s for e in self.allow for s in e.folded.find(folded_text, looks))
        looks = Looks()
        for entry, needle, folded_needle, (piece, folded_piece) in self.block:
            if not (seen_text.may_hold(piece) or folded_text.may_hold(folded_piece)):
                continue
            spans = list(_uncovered(needle.find(seen_text, looks), allowed))
            in_folded = _uncovered(folded_needle.find(folded_text, looks), void)
            if spans or any(in_folded) or looks.spent:
                yield Hit(entry.text, entry.outcome, entry.shadow, tuple(map(seen.origin, spans)))
            if looks.spent:
                return

    def matched(self, seen: Seen) -> list[PatternHit]:
        """The patterns that match a text as seen."""
        purse = _Purse()
        return [hit for batch in self.batches for hit in _matches(batch, seen, purse)]


def _outermost(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, without those that lie within another."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not kept or span[1] > kept[-1][1]:
            kept.append(span)
    return kept


def _uncovered(spans: Iterator[Span], allowed: list[Span]) -> Iterator[Span]:
    """The first spans that lie within none of the `_outermost` ones."""
    free = (span for span in spans if not _covered(span, allowed))
    return islice(free, SPANS_MAX)


def _covered(span: Span, allowed: list[Span]) -> bool:
    last = bisect_right(allowed, span[0], key=itemgetter(0)) - 1
    return last >= 0 and span[1] <= allowed[last][1]


class _Purse:
    """What one text may spend on finding a pattern's second and further places."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = PATTERNS_PRICE

    def pays(self, cost: int) -> bool:
        """Whether this is still to be had; if so, it is spent."""
        self.left -= cost
        return self.left >= 0


def _matches(batch: _Batch, seen: Seen, purse: _Purse) -> Iterator[PatternHit]:
    if len(batch.members) > 1 and batch.together.search(seen.text) is None:
        return
    for pattern in batch.members:
        found = list(_places(pattern, seen.text, purse))
        if found:
            spans = tuple(seen.origin(span) for span in found if span[0] < span[1])
            yield PatternHit(pattern.place, pattern.entry, spans)


def _places(pattern: _Pattern, text: str, purse: _Purse) -> Iterator[Span]:
    for count, found in enumerate(pattern.regex.finditer(text), 1):
        yield found.span()
        if count == SPANS_MAX or not purse.pays(1 + pattern.price):
            return


# --------------------------------------------------------------------------- compile


def compile_lists(policy: Policy, fold: Callable[[str], str] = str.casefold) -> CompiledLists:
    """The policy's lists, ready to search; up to 0.3 s, so keep them per policy version.

    Safe to call in a thread: it shares nothing with other calls but caches that lock.

    Args:
        policy: the policy.
        fold: makes the folded text that comments carry (`classifier.text.fold`), so that entries
            are looked for in the same form.

    Raises:
        PolicyError: a pattern is not valid, or a pattern or wildcard too costly.
    """
    patterns, errors = compile_patterns(policy.patterns)
    errors += wildcard_errors(policy, fold)
    if errors:
        raise PolicyError(tuple(errors))
    block = tuple(_blocking(entry, fold) for entry in policy.block)
    allow = tuple(_Allow(_as_seen(e), _as_folded(e, fold)) for e in policy.allow)
    pieces = sorted({piece for entry in block for piece in entry.rarest if piece})
    return CompiledLists(block, allow, tuple(_searches(pieces)), tuple(_batches(patterns)))


def wildcard_errors(policy: Policy, fold: Callable[[str], str] = str.casefold) -> list[FieldError]:
    """An error for each wildcard that RE2 cannot hold, and for the first that is one too many."""
    errors: list[FieldError] = []
    size = 0
    for pointer, entry in _wildcards(policy):
        try:
            needles = {n.pieces: n.regex for n in (_as_seen(entry), _as_folded(entry, fold))}
            size += sum(regex.programsize for regex in needles.values())
        except (re2.error, UnicodeError):
            errors.append(FieldError(pointer, "too_costly", "This wildcard is too large"))
        if size > WILDCARDS_SIZE:
            detail = "The wildcards up to this one are too large together"
            return [*errors, FieldError(pointer, "too_costly", detail)]
    return errors


def _wildcards(policy: Policy) -> Iterator[tuple[str, WordEntry | AllowEntry]]:
    lists: tuple[tuple[str, Sequence[WordEntry | AllowEntry]], ...] = (
        ("block", policy.block),
        ("allow", policy.allow),
    )
    for name, entries in lists:
        for index, entry in enumerate(entries):
            if entry.match == "wildcard":
                yield f"/{name}/{index}/text", entry


def _blocking(entry: WordEntry, fold: Callable[[str], str]) -> _Block:
    seen, folded = _as_seen(entry), _as_folded(entry, fold)
    return _Block(entry, seen, folded, (_longest(seen), _longest(folded)))


def _longest(needle: Needle) -> str:
    return max(needle.pieces, key=len, default="")


def _as_seen(entry: WordEntry | AllowEntry) -> Needle:
    return make_needle(key(entry), entry.match)


def _as_folded(entry: WordEntry | AllowEntry, fold: Callable[[str], str]) -> Needle:
    text = key(entry)
    if entry.match == "wildcard":  # piece by piece, for `fold` may read a `*` as a disguise
        return make_needle("*".join(fold(piece) for piece in text.split("*")), entry.match)
    return make_needle(fold(text), entry.match)


def key(entry: WordEntry | AllowEntry) -> str:
    """What is looked for in a text as seen; empty where the entry shows nothing."""
    return lower(see(entry.text).text).strip()


def _searches(pieces: list[str]) -> Iterator[Any]:
    """Alternations of all pieces: one, or more where one would not fit into the memory."""
    if not pieces:
        return
    try:
        yield re2.compile("|".join(map(re2.escape, pieces)), options(WORDS_MEMORY))
    except re2.error:
        middle = len(pieces) // 2
        yield from _searches(pieces[:middle])
        yield from _searches(pieces[middle:])


def compile_patterns(
    entries: Sequence[PatternEntry],
) -> tuple[list[_Pattern], list[FieldError]]:
    """The valid patterns with their places, and an error for each of the others."""
    compiled: list[_Pattern] = []
    errors: list[FieldError] = []
    size = cost = 0
    for index, entry in enumerate(entries):
        pointer = f"/patterns/{index}/pattern"
        regex = _compile_pattern(entry.pattern)
        if isinstance(regex, FieldError):
            errors.append(FieldError(pointer, regex.code, regex.detail))
            continue
        pattern = _Pattern(index, entry, regex, price(entry.pattern))
        size += regex.programsize
        cost += pattern.price
        if size > PATTERNS_SIZE or cost > PATTERNS_PRICE:
            detail = "The patterns up to this one are too large together"
            return compiled, [*errors, FieldError(pointer, "too_costly", detail)]
        compiled.append(pattern)
    return compiled, errors


def _compile_pattern(pattern: str) -> Any:
    """The pattern on RE2, or what is wrong with it."""
    try:
        regex = re2.compile(pattern, options(PATTERN_MEMORY))
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


def _batches(patterns: Sequence[_Pattern]) -> Iterator[_Batch]:
    """Patterns in few batches, each of which RE2 searches one step per byte."""
    batch: list[_Pattern] = []
    for pattern in patterns:
        if not _fits([*batch, pattern]):
            yield from _batch(batch)
            batch = []
        batch.append(pattern)
    yield from _batch(batch)


def _fits(batch: Sequence[_Pattern]) -> bool:
    size = sum(pattern.regex.programsize for pattern in batch)
    return size <= BATCH_SIZE and sum(pattern.price for pattern in batch) <= CHEAP


def _batch(patterns: Sequence[_Pattern]) -> Iterator[_Batch]:
    """One batch, or halves of it where names clash or memory runs out."""
    if not patterns:
        return
    if len(patterns) == 1:
        yield _Batch(patterns[0].regex, tuple(patterns))
        return
    source = "|".join(f"(?:{pattern.entry.pattern})" for pattern in patterns)
    try:
        yield _Batch(re2.compile(source, options(WORDS_MEMORY)), tuple(patterns))
    except re2.error:
        middle = len(patterns) // 2
        yield from _batch(patterns[:middle])
        yield from _batch(patterns[middle:])
