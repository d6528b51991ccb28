"""The normal form takes disguises off and knows where every character came from."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from classifier.text import fold, fold_traced, neutralise

ALPHABET = st.one_of(
    st.sampled_from(
        "aAbBsStT0134578@$!*._- \n\tеоѕіρ\u200b\u202e\u0301\u0308éßﬁⅨ𝐟Ｆ가\u1112\u1161"
    ),
    st.characters(),
)
TEXTS = st.text(ALPHABET, max_size=60)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("You are a sh1t a$$hole", "you are a shit asshole"),
        ("f u c k off", "fuck off"),
        ("f.u.c.k off", "fuck off"),
        ("f-u-c-k off", "fuck off"),
        ("fuuuuuck", "fuck"),
        ("ASSSSSS", "ass"),
        ("ｆｕｃｋ 𝐟𝐮𝐜𝐤 𝕗𝕦𝕔𝕜", "fuck fuck fuck"),
        ("fu\u200bck f\u00aduck", "fuck fuck"),
        ("ѕhіt fuсk", "shit fuck"),
        ("sʜɪᴛ 🅰🅱", "shit ab"),
        ("f̷u̷c̷k̷", "fuck"),
        ("Straße café", "strasse cafe"),
    ],
)
def test_a_disguised_word_folds_to_what_it_means(written, meant):
    assert fold(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        "привет, как дела",
        "καλημέρα κόσμε",
        "مرحبا بالعالم",
        "हिन्दी में लिखा",
        "这是一个评论",
        "これは普通のコメントです",
        "안녕하세요 여러분",
    ],
)
def test_other_scripts_are_left_as_they_are(text):
    assert fold(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "see http://a1b.example.com/x1y and www.example.com",
        "mail foo@bar.com for k8s, i18n, sha256sum, h2o and mp3",
        "a. b. c. and e.g. python3",
    ],
)
def test_innocent_technical_text_is_not_rewritten(text):
    assert fold(text) == text


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("ƥ\u0345ͅ")
def test_folding_twice_changes_nothing(text):
    once = fold(text)
    assert fold(once) == once


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_the_traced_form_is_the_fast_form_and_its_origins_are_in_range_and_in_order(text):
    traced = fold_traced(text)
    assert traced.text == fold(text)
    assert len(traced.starts) == len(traced.ends) == len(traced.text)
    assert all(0 <= a < b <= len(text) for a, b in zip(traced.starts, traced.ends, strict=True))
    assert traced.starts == sorted(traced.starts)
    assert traced.ends == sorted(traced.ends)


def test_the_origin_of_a_word_is_the_whole_disguise():
    text = "you 𝐟.𝐮.𝐜.𝐤 head"
    traced = fold_traced(text)
    start = traced.text.index("fuck")
    low, high = traced.origin(start, start + 4)
    assert text[low:high] == "𝐟.𝐮.𝐜.𝐤"


def test_a_neutral_copy_has_no_bidi_zero_width_or_control_characters():
    assert neutralise("a\u202eb\u200bc\x07d\ufeff\ne\tf") == "abcd\ne\tf"


@given(TEXTS)
def test_a_neutral_copy_of_a_neutral_copy_is_the_same(text):
    assert neutralise(neutralise(text)) == neutralise(text)


def test_a_long_hostile_text_folds_in_reasonable_time():
    for text in ("a." * 10_000, "a1" * 10_000, "f " * 10_000, "aaa" * 7_000, "е" * 20_000):
        assert len(fold(text)) <= len(text)
