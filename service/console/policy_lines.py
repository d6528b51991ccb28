"""Word lists and patterns as lines of text, one entry a line; reading gives back what was written.

    casino                      a whole word, held
    cas*no => spam              a star stands for any run of letters or digits
    free money => reject, exact
    rude word => hold, trial    only says what it would have done
    (?i)buy +now => spam # a note for colleagues

An entry that would be read otherwise (it ends like options, begins with a quote or a blank) is
written in double quotes, as in JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from service.pipeline.shown import shown
from service.records import AllowEntry, FieldError, PatternEntry, WordEntry

Entry = TypeVar("Entry", WordEntry, AllowEntry, PatternEntry)

OUTCOMES: Final = ("hold", "spam", "reject")
MATCHES: Final = ("word", "exact", "wildcard")
TRIAL: Final = "trial"
_TAIL: Final = re.compile(r" +=> *([a-z]+(?: *, *[a-z]+)*)(?: +#(.*))?$")


class Wrong(Exception):
    """Why a line cannot be read."""


class Line(Struct, frozen=True):
    """A line taken apart."""

    text: str
    options: tuple[str, ...] = ()
    note: str = ""


class Listed(Struct, frozen=True):
    """What a text of many lines says."""

    entries: tuple[WordEntry | AllowEntry | PatternEntry, ...]
    lines: tuple[int, ...]
    """Which line each entry is on, from 1."""
    errors: tuple[FieldError, ...]
    """Lines that cannot be read; the pointer's number is the line's, not an entry's."""


# -------------------------------------------------------------------------- reading


def read_words(text: str) -> Listed:
    """Entries of a block list."""
    return _listed(text, _word)


def read_allowed(text: str) -> Listed:
    """Entries of an allow list."""
    return _listed(text, _allowed)


def read_patterns(text: str) -> Listed:
    """Patterns."""
    return _listed(text, _pattern)


def _listed(text: str, read: Callable[[Line], WordEntry | AllowEntry | PatternEntry]) -> Listed:
    entries, lines, errors = [], [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            entries.append(read(_taken_apart(line.strip())))
            lines.append(number)
        except Wrong as wrong:
            errors.append(FieldError(f"/{number}", "invalid_line", str(wrong)))
    return Listed(tuple(entries), tuple(lines), tuple(errors))


def _taken_apart(line: str) -> Line:
    if line.startswith('"'):
        return _quoted(line)
    tail = _TAIL.search(line)
    if tail is None:
        return Line(line)
    options = tuple(option.strip() for option in tail[1].split(","))
    return Line(line[: tail.start()].strip(), options, (tail[2] or "").strip())


def _quoted(line: str) -> Line:
    try:
        text, end = json.JSONDecoder(strict=False).raw_decode(line)
    except ValueError:
        raise Wrong("this quote is not closed") from None
    tail = _TAIL.fullmatch(line[end:]) if line[end:].strip() else None
    if line[end:].strip() and tail is None:
        raise Wrong("something stands behind the closing quote")
    options = tuple(o.strip() for o in tail[1].split(",")) if tail else ()
    note = (tail[2] or "").strip() if tail else ""
    return Line(str(text), options, str(json.loads(note)) if note.startswith('"') else note)


def _chosen(line: Line, *tables: Sequence[str]) -> list[str]:
    """One option of each table, its first where none is named."""
    left = list(line.options)
    chosen = []
    for table in tables:
        found = [option for option in left if option in table]
        if len(found) > 1:
            raise Wrong(f"{found[0]} or {found[1]}, not both")
        chosen.append(found[0] if found else table[0])
        left = [option for option in left if option not in table]
    if left:
        raise Wrong(f"there is no option {left[0]!r}")
    return chosen


def _match(text: str) -> Sequence[str]:
    """How a text is matched, the usual way first: a star makes it a wildcard."""
    return ("wildcard", "word", "exact") if "*" in text else MATCHES


def _word(line: Line) -> WordEntry:
    outcome, match, trial = _chosen(line, OUTCOMES, _match(line.text), ("", TRIAL))
    return _made(WordEntry, text=line.text, match=match, outcome=outcome, shadow=trial == TRIAL)


def _allowed(line: Line) -> AllowEntry:
    (match,) = _chosen(line, _match(line.text))
    return _made(AllowEntry, text=line.text, match=match)


def _pattern(line: Line) -> PatternEntry:
    outcome, trial = _chosen(line, OUTCOMES, ("", TRIAL))
    return _made(
        PatternEntry,
        pattern=line.text,
        outcome=outcome,
        detail=line.note,
        shadow=trial == TRIAL,
    )


def _made(kind: type[Entry], **fields: object) -> Entry:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise Wrong(str(error).partition(" - ")[0].replace("`", "")) from None


# -------------------------------------------------------------------------- writing


def written(entries: Sequence[WordEntry | AllowEntry | PatternEntry]) -> str:
    """Entries, one a line."""
    return "\n".join(map(line_of, entries))


def line_of(entry: WordEntry | AllowEntry | PatternEntry) -> str:
    """One entry as a line."""
    match entry:
        case WordEntry(text=text):
            options, note = [*_named(entry.outcome, OUTCOMES), *_how(text, entry.match)], ""
            read: Callable[[Line], object] = _word
        case AllowEntry(text=text):
            options, note, read = _how(text, entry.match), "", _allowed
        case PatternEntry(pattern=text):
            options, note, read = _named(entry.outcome, OUTCOMES), entry.detail, _pattern
    if getattr(entry, "shadow", False):
        options.append(TRIAL)
    if note and not options:
        options = [OUTCOMES[0]]
    plain = _joined(text, options, note)
    if _reads_as(plain, read, entry):
        return plain
    return _joined(json.dumps(text), options, json.dumps(note) if note else "")


def _named(option: str, table: Sequence[str]) -> list[str]:
    return [] if option == table[0] else [option]


def _how(text: str, match: str) -> list[str]:
    return _named(match, _match(text))


def _joined(text: str, options: Sequence[str], note: str) -> str:
    return text + (f" => {', '.join(options)}" if options else "") + (f" # {note}" if note else "")


def _reads_as(line: str, read: Callable[[Line], object], entry: object) -> bool:
    if "\n" in line or "\r" in line or shown(line) != line:
        return False  # a form would not bring it back as it is
    try:
        return read(_taken_apart(line.strip())) == entry
    except Wrong:
        return False
