"""The language of a text is told by script and marker words first, by a library last."""

import pytest

from classifier import language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I think this is a very good article and I agree with it.", "en"),
        ("idiot", "en"),
        ("Das ist ein wirklich guter Artikel, vielen Dank dafür.", "de"),
        ("Bu yazı çok güzel olmuş ama daha iyi bir çeviri gerek.", "tr"),
        ("Je pense que les gens sont très contents de cet article.", "fr"),
        ("Você não sabe o que está falando, isso é muito bom.", "pt"),
        ("这是一个非常好的评论，谢谢你", "zh"),
        ("이 기사는 정말 좋습니다 감사합니다", "ko"),
        ("شكرا جزيلا على هذا المقال الرائع", "ar"),
        ("yeh bohat acha hai lekin tum kya kar rahe ho bhai", "ur-Latn"),
        ("Большое спасибо за эту статью", "ru"),
        ("Muchas gracias por este artículo, me ha gustado mucho leerlo", "es"),
        ("これはとても良い記事です", "ja"),
        ("", "und"),
        ("12345 !!!", "und"),
    ],
)
def test_the_language_of_plain_sentences(shipped, text, language):
    assert shipped.language(text) == language


def test_the_model_says_which_languages_it_was_trained_for(shipped):
    assert shipped.languages[0] == "en"
    assert {"tr", "zh", "ko", "pt", "de", "fr", "ar", "ur-Latn"} <= set(shipped.languages)


def test_a_lone_surrogate_is_no_reason_to_fail(shipped):
    assert shipped.language("\ud800 wörter \udfff über alles mögliche") != ""


@pytest.mark.parametrize("text", ["porra mano kkkkkkk", "eu to morrendo kkkkkk", "gente vsf kkkkk"])
def test_short_slang_is_told_by_its_words_where_the_library_names_no_relative(shipped, text):
    assert shipped.language(text) == "pt"


def test_a_relative_without_a_head_keeps_its_name_and_is_read_by_the_nearest_head(shipped):
    text = "Muchas gracias por este artículo, me ha gustado mucho leerlo"
    _, reading = shipped.reading(text)
    toxicity = shipped.labels.index("toxicity")
    assert reading.language == "es"
    assert shipped.heads[shipped.head_for(reading, toxicity)].language == "pt"


def test_a_language_that_is_given_is_believed(shipped):
    """One word tells no language by itself, and a batch may mix what is given and what is not."""
    told, given = shipped.score(["Arschloch", "Arschloch"], [None, "de"])
    assert given[1] > 0.5 > told[1]
    assert shipped.score(["Arschloch"])[0].tolist() == pytest.approx(told.tolist())


@pytest.mark.parametrize(
    ("text", "sure"),
    [
        ("Muchas gracias por este artículo, me ha gustado mucho leerlo", True),
        ("これはとても良い記事です", True),
        ("Большое спасибо за эту статью", True),
        ("I think this is a very good article and I agree with it.", False),
        ("lol Arjun ur perverted", False),
        ("jim wales must die " * 50, False),
        ("a. " * 5000, False),
        ("", False),
        ("https://example.com 12345 😂", False),
        ("\ud800", False),
    ],
)
def test_only_what_is_clearly_foreign_is_called_so(text, sure):
    assert language.foreign(text) is sure
