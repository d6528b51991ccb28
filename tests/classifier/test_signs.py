"""Signs only ever save work: what is found with them is what is found without them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier import signals
from classifier.signals import SignalInput, examine
from classifier.signals.signs import Sign, signs

PARTS = (
    *"abcxyz013457@$!.-_* \n",
    *("\u0301", "é", "а", "е", "’", "한", "글", "ı", "İ", "ſ", "\u212a", "०", "😀", "\u200b"),
    *("\ud800", "http://", "www.", ".com", "whatsapp ", "t.me/", "@x.com", "<a href", "[url="),
    *("aaa", "!!!!!!!!", "great post", "visit my ", "+1 555 123 4567", "Keep It Up", "s.h.i.t"),
    "f u c k",
)
texts = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PARTS), max_size=30).map("".join))


@given(text=texts)
@settings(max_examples=600, deadline=None)
def test_with_signs_the_same_is_found_as_without(text: str) -> None:
    given = SignalInput(text=text, name="x")
    found = examine(given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signals, "signs", lambda *_: frozenset(Sign))
        assert examine(given) == found


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("see HTTPS://a.example/", Sign.LINK),
        ("<A HREF=x>", Sign.MARKUP),
        ("call २३", Sign.DIGITS),
        ("my Telegram: @someone", Sign.MESSENGER),
        ("Great post!", Sign.PRAISE),
        ("you id1ot", Sign.DISGUISE),
        ("soooo", Sign.DISGUISE),
        ("?" * 8, Sign.RUN),
        ("…" * 8, Sign.RUN),
    ],
)
def test_each_sign_is_seen_and_a_plain_text_has_none(text: str, sign: Sign) -> None:
    assert sign in signs(text, text.lower())
    assert not signs("I do not agree with this at all.", "i do not agree with this at all.")


def test_no_text_uses_the_automaton_up() -> None:
    """RE2's sets find nothing, and say nothing, once their memory is full; this one starts anew."""
    draw = random.Random(3)
    letters = "ab \u0430\u0431 19.-_@$!?wхw" + "".join(map(chr, range(0x4E00, 0x4E40)))
    for _ in range(300):
        text = "".join(draw.choices(letters, k=5_000)) + " great post www.a.com"
        assert {Sign.PRAISE, Sign.LINK} <= set(signs(text, text.lower()))
