"""What a moderator sees of a text, and of a score."""

from __future__ import annotations

import pytest

from service.console.cards import actor, word
from service.html.times import ago
from service.pipeline.shown import Segment, masked, segments, shown


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("pay\u202elive\u202c", "paylive"),
        ("\u2067x\u2069", "x"),
        ("a\u200bb\u200dc\ufeffd\u00ade", "abcde"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
        ("👩\u200d🌾", "👩\u200d🌾"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("a\ufe0fb\U000e0041", "ab"),
        ("\x1b[31m\x85", "[31m"),
    ],
)
def test_nothing_unseen_is_shown_but_what_a_script_or_emoji_needs(written: str, seen: str) -> None:
    assert shown(written) == seen


def test_marks_count_characters_of_the_text_as_written() -> None:
    text = "a\u202eb bad\u200bword c"
    assert segments(text, [((4, 12), "Listed")]) == [
        Segment("ab "),
        Segment("badword", "Listed"),
        Segment(" c"),
    ]


def test_marks_that_overlap_or_touch_become_one() -> None:
    spans = [((0, 3), "insult"), ((4, 7), "insult"), ((5, 9), "threat"), ((90, 99), "gone")]
    assert segments("you bad man, go", spans) == [
        Segment("you bad m", "insult, threat"),
        Segment("an, go"),
    ]


def test_scores_read_as_words() -> None:
    assert [word(score) for score in (0.0, 0.34, 0.35, 0.69, 0.7, 1.0)] == [
        "Unlikely",
        "Unlikely",
        "Maybe",
        "Maybe",
        "Likely",
        "Likely",
    ]


def test_an_address_is_masked() -> None:
    assert masked("reader@example.org") == "r…@example.org"
    assert masked("") == ""


def test_deciders_are_called_by_name() -> None:
    assert actor("personal:x", {"x": "Dana"}) == "Dana"
    assert actor("personal:y", {}) == "a former moderator"
    assert actor("secret:z", {}) == "the website"


def test_moments_are_told_in_the_largest_unit() -> None:
    day = 86_400_000
    assert [ago(0, now) for now in (-5, 59_999, 60_000, 7_200_000, 3 * day, 40 * day)] == [
        "just now",
        "just now",
        "1 minute ago",
        "2 hours ago",
        "3 days ago",
        "1 January 1970",
    ]
