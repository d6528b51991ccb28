"""Disguised words are read as they are meant, innocent ones as they stand."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from classifier.errors import ArtifactError
from classifier.lexicon import Counts, Word, decode, encode, learn, lexicon
from classifier.reading import chunk_pieces, chunk_places, text_tokens

WORDS = lexicon(
    [
        *(Word(w) for w in ("the", "you", "are", "an", "duck", "class", "what", "therapist")),
        *(Word(w, 2.0) for w in ("fuck", "idiot", "shit", "bastard", "stupid", "fucking")),
    ]
)
REPAIRS = WORDS.repairs()


def read(text):
    return text_tokens(text, REPAIRS, {})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("id*ot", ["idiot"]),
        ("f**k", ["fuck"]),
        ("sh!t", ["shit"]),
        ("5hit", ["shit"]),
        ("fcuk", ["fuck"]),
        ("idoit", ["idiot"]),
        ("stupidd", ["stupid"]),
        ("bastrd", ["bastard"]),
        ("youidiot", ["you", "idiot"]),
        ("youstupididiot", ["you", "stupid", "idiot"]),
        ("i d i o t", ["idiot"]),
        ("f u c k i n g b a s t a r d", ["fucking", "bastard"]),
        ("f.u.c.k", ["fuck"]),
        ("іdіоt", ["idiot"]),
        ("fuuuuck", ["fuck"]),
        ("yuo", ["you"]),  # short words around an insult say whom it is for
        ("tge", ["the"]),
        ("y*u", ["you"]),
        ("sh*t", ["shit"]),
        ("youare", ["you", "are"]),
        ("he's d u c k", ["he", "'", "s", "duck"]),  # the s is his, not the duck's
    ],
)
def test_a_disguised_word_is_read_as_it_is_meant(written, meant):
    assert read(written) == meant


@pytest.mark.parametrize(
    "text", ["duck", "class", "therapist", "a/b*c", "x * y", "well-known", "https://fcuk.example"]
)
def test_a_word_in_use_and_a_piece_of_code_stay_as_they_are(text):
    assert read(text) == text_tokens(text, None, {})


def test_an_ideogram_and_an_emoji_are_tokens_and_korean_is_spelt_out():
    assert text_tokens("我们 ok😀😀!!!!!!", None, {}) == ["我", "们", "ok", "😀", "😀", "!!!"]
    assert text_tokens("한국", None, {}) == ["\u1112\u1161\u11ab\u1100\u116e\u11a8"]


@settings(max_examples=300, deadline=None)
@given(st.text(st.one_of(st.sampled_from("aAbsfuckidotе*.-!013\u200b𝐟가字"), st.characters())))
@example("F.U.C.K!!")
@example("Youidiot,")
def test_every_token_of_a_chunk_has_a_place_inside_it(text):
    for chunk in text.split():
        pieces = chunk_pieces(chunk, REPAIRS)
        places = chunk_places(chunk, REPAIRS)
        assert len(pieces) == len(places)
        assert all(0 <= low < high <= len(chunk) for low, high in places)


def test_the_cheaper_reading_wins_a_blank_left_out_or_a_slip():
    """A slip makes "youre" of "youare", too, but both of its words are frequent."""
    words = [Word(w) for w in ("you", "are", "the")]
    rare = [Word(f"w{chr(97 + k // 26)}{chr(97 + k % 26)}x") for k in range(600)]
    repairs = lexicon([*words, *rare, Word("youre"), Word("yours")]).repairs()
    assert repairs.word("youare") == ("you", "are")
    assert repairs.word("yourw") == ("youre",)  # the key beside it
    assert repairs.word("qqqqq") is None


def test_the_word_meant_is_the_more_frequent_one_and_a_weighty_one_before_its_like():
    plain = lexicon([Word("shot"), Word("shut")]).repairs()
    assert plain.word("shpt") == ("shot",)
    weighty = lexicon([Word("shot"), Word("shit", 2.0)]).repairs()
    assert weighty.word("shpt") == ("shot",)  # p is beside o and not beside i
    assert weighty.word("shkt") == ("shit",)


def counted(texts):
    counts = Counts()
    for words, abusive, times in texts:
        for _ in range(times):
            counts.add(set(words), "en", abusive)
    return counts


def test_a_rare_word_that_is_a_frequent_one_mistyped_is_not_in_use():
    letters = "abcdefghijklmnop"
    others = [f"z{a}{b}{c}z" for a in letters for b in letters for c in letters]
    texts = [(["the", "bitch"], 1.0, 300), (["the", "other"], 0.0, 900), (others, 0.0, 10)]
    texts += [(["bich"], 1.0, 6), (["birch"], 0.0, 6), (["otehr"], 0.0, 6), ([], None, 5000)]
    learnt = learn(counted(texts), ("en",))
    assert {"bich", "otehr"}.isdisjoint(learnt.words)
    assert "birch" in learnt.words
    assert learnt.repairs().word("bich") == ("bitch",)
    assert learnt.repairs().word("birch") is None


def test_words_met_mostly_in_abuse_are_weighty_and_words_of_one_language_mark_it():
    counts = Counts()
    for _ in range(20):
        counts.add({"you", "moron"}, "en", 1.0)
        counts.add({"you", "friend"}, "en", 0.0)
        counts.add({"arkadas", "bir"}, "tr", 0.0)
    learnt = learn(counts, ("en", "tr"))
    assert learnt.weights["moron"] > 0
    assert {"friend", "you"} <= set(learnt.words) - set(learnt.weights)
    assert learnt.markers["bir"] == "tr"
    assert learnt.markers["friend"] == "en"


def test_a_lexicon_is_written_and_read_back_and_anything_else_refused():
    assert decode(encode(WORDS)) == WORDS
    for bad in (b"\xff", b"word\n", b"\t1\t\n", b"word\tmuch\t\n"):
        with pytest.raises(ArtifactError, match="not a lexicon"):
            decode(bad)


def test_a_hostile_text_is_read_in_reasonable_time():
    for text in ("a." * 5000, "*" * 9000, "f " * 9000, "fuckidiot" * 1500, "f*" * 4000):
        read(text)
