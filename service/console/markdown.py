"""The little Markdown that model cards are written in, as data that a template shows. Pure.

Headings, paragraphs, lists, tables, and within them code and strong words; everything else is
shown as it is written. Nothing here makes HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

_INLINE: Final = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")
_RULE: Final = re.compile(r"\|(\s*:?-+:?\s*\|)+\s*")


class Piece(Struct, frozen=True):
    """A run of text of one kind."""

    kind: Literal["plain", "code", "strong"]
    text: str


Text = list[Piece]


class Block(Struct, frozen=True):
    """A paragraph (one row of one cell), a list (a row for each item) or a table (head first)."""

    kind: Literal["paragraph", "list", "table"]
    rows: list[list[Text]]


class Section(Struct, frozen=True):
    """A heading with what stands below it."""

    depth: int
    title: Text
    blocks: list[Block]


def sections(text: str) -> list[Section]:
    """A text by its headings; what stands before the first one has no title."""
    found = [Section(0, [], [])]
    for chunk in re.split(r"\n(?:[ \t]*\n)+", text.strip()):
        lines = chunk.splitlines()
        while lines and (heading := re.fullmatch(r"(#{1,6}) +(.*?)(?: +#+)?", lines[0])):
            found.append(Section(len(heading[1]), inline(heading[2]), []))
            lines = lines[1:]
        if lines:
            found[-1].blocks.append(_block(lines))
    return [section for section in found if section.title or section.blocks]


def _block(lines: list[str]) -> Block:
    if len(lines) > 1 and lines[0].startswith("|") and _RULE.fullmatch(lines[1]):
        return Block("table", [_cells(line) for line in (lines[0], *lines[2:])])
    if lines[0].startswith(("- ", "* ")):
        return Block("list", [[inline(item)] for item in _items(lines)])
    return Block("paragraph", [[inline(" ".join(line.strip() for line in lines))]])


def _cells(line: str) -> list[Text]:
    return [
        inline(cell.strip()) for cell in line.strip().removeprefix("|").removesuffix("|").split("|")
    ]


def _items(lines: list[str]) -> Iterator[str]:
    item = ""
    for line in lines:
        if line.startswith(("- ", "* ")):
            if item:
                yield item
            item = line[2:].strip()
        else:
            item += " " + line.strip()
    yield item


def inline(text: str) -> Text:
    """A line's plain, code and strong runs."""
    pieces, end = [], 0
    for match in _INLINE.finditer(text):
        if match.start() > end:
            pieces.append(Piece("plain", text[end : match.start()]))
        pieces.append(Piece("code", match[1]) if match[1] else Piece("strong", match[2]))
        end = match.end()
    if end < len(text):
        pieces.append(Piece("plain", text[end:]))
    return pieces
