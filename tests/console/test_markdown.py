"""The Markdown of model cards as data: what is not known is shown as it is written."""

from __future__ import annotations

import pytest

from service.console.markdown import inline, sections

CARD = """# Title

One `code` and **strong**
on two lines.

## Lists

- first
  goes on
- second

| a | b |
| --- | ---: |
| 1 | `2` |
"""


def plain(text: list) -> str:  # type: ignore[type-arg]
    return "".join(piece.text for piece in text)


def test_a_card_is_cut_at_its_headings() -> None:
    title, lists = sections(CARD)
    assert [(plain(s.title), s.depth) for s in (title, lists)] == [("Title", 1), ("Lists", 2)]
    assert plain(title.blocks[0].rows[0][0]) == "One code and strong on two lines."
    items, table = lists.blocks
    assert [plain(row[0]) for row in items.rows] == ["first goes on", "second"]
    assert [[plain(cell) for cell in row] for row in table.rows] == [["a", "b"], ["1", "2"]]


@pytest.mark.parametrize(
    "text",
    ["<b>x</b>", "[a](javascript:alert(1))", "![x](y)", "`open", "**", "| not | a table", "#x"],
)
def test_what_is_not_known_stays_text(text: str) -> None:
    (section,) = sections(text)
    assert plain(section.blocks[0].rows[0][0]) == text


def test_an_empty_card_has_no_sections() -> None:
    assert sections("") == []
    assert inline("") == []
