"""Word lists as lines: what is written is read back, and what cannot be read is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.console.policy_lines import (
    MATCHES,
    OUTCOMES,
    line_of,
    read_allowed,
    read_patterns,
    read_words,
    written,
)
from service.pipeline.shown import shown
from service.records import AllowEntry, PatternEntry, WordEntry

TEXTS = st.text(min_size=1, max_size=40) | st.text(
    alphabet=' =>#,"abtrialhold*\\\n\t\u200b\u202e', min_size=1, max_size=40
)
WORDS = st.builds(
    WordEntry,
    text=TEXTS,
    match=st.sampled_from(MATCHES),
    outcome=st.sampled_from(OUTCOMES),
    shadow=st.booleans(),
)
ALLOWED = st.builds(AllowEntry, text=TEXTS, match=st.sampled_from(MATCHES))
PATTERNS = st.builds(
    PatternEntry,
    pattern=TEXTS,
    outcome=st.sampled_from(OUTCOMES),
    detail=st.just("") | TEXTS,
    shadow=st.booleans(),
)


@given(st.lists(WORDS, max_size=4), st.lists(ALLOWED, max_size=4), st.lists(PATTERNS, max_size=4))
def test_every_list_survives_a_form_as_browsers_send_it(
    words: list[WordEntry], allowed: list[AllowEntry], patterns: list[PatternEntry]
) -> None:
    for entries, read in ((words, read_words), (allowed, read_allowed), (patterns, read_patterns)):
        sent = shown(written(entries)).replace("\n", "\r\n")
        found = read(sent)
        assert found.errors == ()
        assert list(found.entries) == entries


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("casino", WordEntry("casino")),
        ("cas*no => spam", WordEntry("cas*no", "wildcard", "spam")),
        ("free money  =>  reject,exact", WordEntry("free money", "exact", "reject")),
        ("rude => trial", WordEntry("rude", shadow=True)),
        ('"a => spam"', WordEntry("a => spam")),
        ("2 => 3", WordEntry("2 => 3")),
    ],
)
def test_a_line_says_what_it_looks_like(line: str, entry: WordEntry) -> None:
    assert read_words(line).entries == (entry,)


def test_simple_entries_look_simple() -> None:
    assert line_of(WordEntry("casino")) == "casino"
    assert line_of(WordEntry("cas*no", "wildcard", "spam")) == "cas*no => spam"
    assert line_of(AllowEntry("press")) == "press"
    assert line_of(PatternEntry("a+", detail="why")) == "a+ => hold # why"


def test_what_cannot_be_read_is_named_by_its_line() -> None:
    text = 'fine\n\nbad => spma\n"open\nx => hold, spam\n' + "y" * 201 + '\n"a" b'
    found = read_words(text)
    assert found.lines == (1,)
    assert [(e.pointer, e.detail) for e in found.errors] == [
        ("/3", "there is no option 'spma'"),
        ("/4", "this quote is not closed"),
        ("/5", "hold or spam, not both"),
        ("/6", "Expected str of length <= 200"),
        ("/7", "something stands behind the closing quote"),
    ]
