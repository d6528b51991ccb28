"""No cell of an answer with comma-separated values is a formula to a spreadsheet."""

from __future__ import annotations

import pytest

from service.api.compat.akismet_usage import cell


@pytest.mark.parametrize("first", [*"=+-@\t\r＝＋－＠", " =", "\ufeff@"])
def test_a_cell_that_begins_like_a_formula_gets_a_quote_in_front(first: str) -> None:
    assert cell(first + "cmd") == f"'{first}cmd"


def test_every_other_cell_stays_as_it_is() -> None:
    for text in ("blog.example", "xn--bcher-kva.example", "127.0.0.1", "", "a=b"):
        assert cell(text) == text
