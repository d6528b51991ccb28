"""A comment is read back as it was written, whatever its scores, and damage is told as such."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.records import Site
from service.store import codec
from tests.store.builders import build

LABELS = (
    "spam", "toxicity", "severe_toxicity", "identity_attack", "insult", "profanity", "threat",
    "sexually_explicit",
)  # fmt: skip
SITE = Site(id="blog", number=1, origins=(), created_at=0)
kept = st.integers(0, 10_000).map(lambda whole: round(whole / 10_000, 4))
any_score = st.one_of(kept, st.floats(0, 1), st.floats(-10, 10))
scores = st.one_of(
    st.none(),
    st.lists(kept, min_size=8, max_size=8).map(lambda row: dict(zip(LABELS, row, strict=True))),
    st.lists(any_score, min_size=8, max_size=8).map(
        lambda row: dict(zip(LABELS, row, strict=True))
    ),
    st.dictionaries(st.sampled_from([*LABELS, "else"]), any_score),
)


@given(scores=scores)
def test_a_comment_is_read_back_as_it_was_written(scores: dict[str, float] | None) -> None:
    comment = msgspec.structs.replace(build(SITE), scores=scores)
    assert codec.decode_comment(codec.encode_comment(comment)) == comment
    # What was written before scores stood in front is read as well.
    assert codec.decode_comment(codec.encode(comment)) == comment


def test_the_scores_of_a_model_take_seventeen_bytes() -> None:
    made = build(SITE)
    plain = len(codec.encode(msgspec.structs.replace(made, scores=None)))
    scored = msgspec.structs.replace(made, scores=dict.fromkeys(LABELS, 0.1234))
    assert len(codec.encode_comment(scored)) == plain + 17


def test_scores_that_are_no_numbers_are_kept() -> None:
    comment = msgspec.structs.replace(build(SITE), scores=dict.fromkeys(LABELS, math.nan))
    assert all(map(math.isnan, codec.decode_comment(codec.encode_comment(comment)).scores.values()))


@pytest.mark.parametrize("size", [0, 1, 5, 17, 18, 40])
def test_a_cut_record_is_told_as_one(size: int) -> None:
    comment = msgspec.structs.replace(build(SITE), scores=dict.fromkeys(LABELS, 0.5))
    with pytest.raises(msgspec.DecodeError):
        codec.decode_comment(codec.encode_comment(comment)[:size])
