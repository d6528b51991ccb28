"""The vectorised hashes are the plain ones, for every token and every batch."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.design import design, token_rows
from classifier.features import (
    CHAR_ORDERS,
    Shape,
    hash_of,
    pair_rows,
    rows_of,
    token_grams,
    word_rows,
)

SHAPE = Shape(12, 11)
MASK = 0xFFFFFFFF
TOKENS = st.lists(
    st.text(st.one_of(st.sampled_from("abcd'é字😀.!"), st.characters()), min_size=1, max_size=12)
    .map(lambda text: "".join(text.split()).replace(" ", ""))
    .filter(bool),
    min_size=1,
    max_size=6,
)


def spread(char: str) -> int:
    return (ord(char) + 1) * 0x9E3779B1 & MASK


def char_rows(token: str) -> list[int]:
    padded = f" {token} "
    rows = []
    for order in CHAR_ORDERS:
        for start in range(len(padded) - order + 1):
            hashed = 0
            for char in padded[start : start + order]:
                hashed = (hashed * 0x01000193 + spread(char)) & MASK
            rows.append((hashed * 0x9E3779B1 & MASK) >> (32 - SHAPE.char_bits))
    return sorted(row for row in rows if row)


def token_hash(token: str) -> int:
    total = sum(spread(c) * pow(0x01000193, i, 1 << 32) for i, c in enumerate(token)) & MASK
    total ^= total >> 15
    return (total * 0x85EBCA6B + 1) & MASK


def word_row(hashed: int) -> int:
    return ((hashed * 0x9E3779B1 & MASK) >> (32 - SHAPE.word_bits)) + (1 << SHAPE.char_bits)


def test_the_rows_of_a_token_agree_with_a_plain_loop_in_any_batch():
    @settings(max_examples=200, deadline=None)
    @given(TOKENS)
    def agree(tokens):
        found = token_grams(tokens, SHAPE)
        ends = [*found.firsts[1:], found.rows.shape[1]]
        for k, token in enumerate(tokens):
            mine = found.rows[:, found.firsts[k] : ends[k]]
            assert sorted(row for row in mine[1:].ravel().tolist() if row) == char_rows(token)
            assert mine[0][mine[0] > 0].tolist() == [word_row(token_hash(token))]
            assert int(found.hashes[k]) == token_hash(token) == hash_of(token)
            assert sorted(rows_of(token, SHAPE)) == sorted(filter(None, mine.ravel().tolist()))

    agree()


def test_a_pair_has_the_row_of_both_hashes_and_the_first_token_has_none():
    hashes = token_grams(["you", "are", "kind"], SHAPE).hashes
    rows = pair_rows(hashes, SHAPE)
    first, second, third = map(int, hashes)
    plain = [(a * 0x85EBCA6B + b) & MASK for a, b in ((first, second), (second, third))]
    assert rows.tolist() == [0, *map(word_row, plain)]


def test_no_row_of_a_word_lies_in_the_character_table():
    rows = word_rows(np.arange(1000, dtype=np.uint32), SHAPE)
    assert rows.min() >= 1 << SHAPE.char_bits
    assert rows.max() < SHAPE.rows


def test_the_factored_features_count_each_distinct_token_and_pair_once():
    texts = token_rows([["you", "you", "idiot"], ["you", "idiot", "you", "idiot"], []])
    found = design(texts, SHAPE)
    assert found.held.sum(1).ravel().tolist()[0] == [2.0, 2.0, 0.0]
    assert found.pairs.sum(1).ravel().tolist()[0] == [2.0, 2.0, 0.0]
    assert found.root[2] == 1.0
