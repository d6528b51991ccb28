"""XML as a stream of small records: expat, and nothing kept of what was read.

No document type, no entities of one's own, bounded depth, and no more of a text than a comment can
be: a file of any size is read in the same memory, and a hostile one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from xml.parsers import expat

from service.errors import Malformed
from service.importing.opened import Opened

CHUNK: Final = 1 << 18
"""Bytes read at once."""
DEPTH_MAX: Final = 64
TEXT_MAX: Final = 1 << 18
"""Characters of one element that are kept."""
TOKEN_MAX: Final = 1 << 24
"""Bytes one tag may take: expat looks at an unfinished one again with every chunk."""
NAMES_MAX: Final = 10_000
INSIDE_MAX: Final = 100
"""Records kept inside another one."""

Fields = dict[str, Any]

_VOCABULARY: Final = (
    (re.compile(r"https?://wordpress\.org/export/[\d.]+/?"), "wp:"),
    (re.compile(r"https?://disqus\.com/?"), ""),
    (re.compile(r"https?://disqus\.com/disqus-internals/?"), "dsq:"),
    (re.compile(""), ""),
)
"""Namespaces whatever their version, and what stands for them in a name."""
# Exporters copy such characters from comments though XML forbids them.
_CONTROL: Final = bytes(c for c in range(32) if c not in b"\t\n\r")
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
"""How UTF-16 begins: there these bytes are parts of characters."""


class Shape(NamedTuple):
    """What of a document is of interest."""

    records: frozenset[str]
    """Elements that hold others; each becomes fields."""
    texts: frozenset[str]
    """Elements whose text, or whose `dsq:id`, becomes a field of the record around them."""
    given: frozenset[str]
    """The records to hand out; any other one is kept inside the record around it."""


class Element(NamedTuple):
    """A record that has ended."""

    name: str
    fields: Fields
    around: Fields
    """The fields so far of the record it stands in; records inside it are in its own fields."""
    nested: bool
    """Whether it stands in a record at all."""


def elements(file: Opened, shape: Shape) -> Iterator[Element]:
    """The wanted records of a document, as they end.

    Raises:
        Malformed: behind what stood before the damage.
    """
    reading = _Reading(shape)
    control = b"" if file.head.startswith(_WIDE) else _CONTROL
    more = True
    try:
        while more:
            data = file.read(CHUNK)
            more = bool(data)
            reading.feed(data.translate(None, control), last=not more)
            yield from reading.taken()
    except Malformed:
        yield from reading.taken()
        raise


class _Reading:
    """A document on its way through expat."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._ended: list[Element] = []
        self._names: dict[str, str] = {}
        self._open: list[Fields] = [{}]
        self._text: list[str] | None = None
        self._length = 0
        self._depth = 0
        self._fed = 0
        parser = self._parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse_doctype

    def feed(self, data: bytes, *, last: bool) -> None:
        """Takes the next bytes."""
        parser = self._parser
        try:
            parser.Parse(data, last)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            raise Malformed(
                f"damaged at line {error.lineno}, column {error.offset + 1}: {what}"
            ) from None
        except (LookupError, ValueError) as error:  # an encoding that nobody knows
            raise Malformed(f"the encoding of the file cannot be read: {error}") from None
        self._fed += len(data)
        if self._fed - parser.CurrentByteIndex > TOKEN_MAX:
            raise self._refused("a tag has no end")

    def taken(self) -> list[Element]:
        """The records that have ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._refused(f"nested deeper than {DEPTH_MAX} elements")
        local = self._names.get(name) or self._local(name)
        if local in self._shape.records:
            self._open.append(self._identity(attributes))
        elif local in self._shape.texts:
            self._text, self._length = [], 0
            if attributes:
                for key, value in self._identity(attributes).items():
                    self._open[-1][f"{local} {key}"] = value

    def _characters(self, text: str) -> None:
        if self._text is not None and self._length < TEXT_MAX:
            self._text.append(text[: TEXT_MAX - self._length])
            self._length += len(text)

    def _end(self, name: str) -> None:
        self._depth -= 1
        local = self._names.get(name) or self._local(name)
        if local in self._shape.records:
            fields, around = self._open.pop(), self._open[-1]
            if local in self._shape.given:
                self._ended.append(Element(local, fields, around, len(self._open) > 1))
            elif len(inside := around.setdefault(local, [])) < INSIDE_MAX:
                inside.append(fields)
        elif self._text is not None and local in self._shape.texts:
            self._open[-1][local] = "".join(self._text).strip()
            self._text = None

    def _identity(self, attributes: dict[str, str]) -> Fields:
        named = ((self._local(name), value) for name, value in attributes.items())
        return {name: value for name, value in named if name == "dsq:id"}

    def _local(self, name: str) -> str:
        """A name with its namespace's short form, or as it is."""
        uri, _, local = name.rpartition(" ")
        short = next((short for known, short in _VOCABULARY if known.fullmatch(uri)), uri + " ")
        if len(self._names) < NAMES_MAX:
            self._names[name] = short + local
        return short + local

    def _refuse_doctype(self, *_: object) -> None:
        raise self._refused("a document type is not read")

    def _refused(self, why: str) -> Malformed:
        at = self._parser
        return Malformed(
            f"refused at line {at.CurrentLineNumber}, column {at.CurrentColumnNumber + 1}: {why}"
        )
