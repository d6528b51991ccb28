"""The vectorised hashes are the plain ones, for every text and every batch."""

from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.features import CHAR_ORDERS, WORD_ORDERS, Shape, distinct_rows, grams

SHAPE = Shape(12, 11)
MASK = 0xFFFFFFFF
TEXTS = st.lists(
    st.text(st.one_of(st.sampled_from("ab c d'é字😀.\n"), st.characters()), max_size=30), max_size=5
)


def spread(char: str) -> int:
    code = 32 if is_space(char) else ord(char)
    return (code + 1) * 0x9E3779B1 & MASK


def is_space(char: str) -> bool:
    if ord(char) >= 0xFFFF:
        return False
    return char.isspace() or ord(char) < 32 or (ord(char) < 128 and not char.isprintable())


def char_rows(text: str) -> set[int]:
    padded = " " + text + " " * 5
    rows = set()
    for start in range(len(text) + 1):
        for order in CHAR_ORDERS:
            gram = padded[start : start + order]
            inside = gram[1:-1]
            if any(map(is_space, inside)) or (is_space(gram[0]) and is_space(gram[1])):
                continue
            hashed = 0
            for char in gram:
                hashed = (hashed * 0x01000193 + spread(char)) & MASK
            rows.add((hashed * 0x9E3779B1 & MASK) >> (32 - SHAPE.char_bits))
    return rows - {0}


def test_character_rows_agree_with_a_plain_loop():
    @settings(max_examples=150, deadline=None)
    @given(TEXTS)
    def agree(texts):
        batch = grams(texts, SHAPE)
        for k, text in enumerate(texts):
            found = batch.chars[:, batch.char_bounds[k] : batch.char_bounds[k + 1]]
            assert set(found.ravel().tolist()) - {0} == char_rows(text)

    agree()


def word_hash(word: str) -> int:
    total = sum(spread(char) * pow(0x01000193, i, 1 << 32) for i, char in enumerate(word)) & MASK
    total ^= total >> 15
    return (total * 0x85EBCA6B + 1) & MASK


def word_rows(words: list[str]) -> set[int]:
    hashes = [word_hash(word) for word in words]
    rows = set()
    for i in range(len(hashes)):
        for order in WORD_ORDERS:
            if i + order <= len(hashes):
                total = hashes[i]
                for factor, h in zip(
                    (0x85EBCA6B, 0xC2B2AE35), hashes[i + 1 : i + order], strict=False
                ):
                    total = (total + h * factor) & MASK
                rows.add((total * 0x9E3779B1 & MASK) >> (32 - SHAPE.word_bits))
    return rows - {0}


def test_word_rows_agree_with_a_plain_loop_and_stay_inside_their_text():
    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.lists(st.text("abcé", min_size=1, max_size=6), max_size=6), max_size=5))
    def agree(texts):
        batch = grams([" ".join(words) for words in texts], SHAPE)
        for k, words in enumerate(texts):
            found = batch.words[:, batch.word_bounds[k] : batch.word_bounds[k + 1]]
            assert set(found.ravel().tolist()) - {0} == word_rows(words)

    agree()


def test_a_text_has_the_same_rows_alone_and_in_any_batch():
    @settings(max_examples=150, deadline=None)
    @given(TEXTS)
    def agree(texts):
        together = list(distinct_rows(texts, SHAPE))
        for text, rows in zip(texts, together, strict=True):
            (alone,) = distinct_rows([text], SHAPE)
            assert set(rows.tolist()) == set(alone.tolist())
            assert len(set(rows.tolist())) == len(rows)

    agree()


def test_each_ideogram_and_each_emoji_is_a_word_of_its_own():
    assert len(grams(["我们 ok😀"], SHAPE).starts) == 4


def test_word_places_point_at_the_words():
    text = "one, two  three"
    batch = grams([text], SHAPE)
    pairs = zip(batch.starts - 1, batch.ends - 1, strict=True)
    assert [text[a:b] for a, b in pairs] == ["one", "two", "three"]
