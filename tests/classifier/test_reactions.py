"""Emoji as readers use them are made for training, and the shipped model lets them pass."""

from classifier.evaluation import HOLDS
from classifier.generated import reactions
from classifier.labels import LABELS
from classifier.sources import SOURCES


def test_every_emoji_stands_alone_and_among_friendly_words():
    made = list(reactions.rows())
    for emoji in reactions.emoji():
        frames = {row["frame"] for row in made if emoji in row["text"]}
        assert {"{e}", "{e}{e}"} <= frames
        assert len(frames & set(reactions.FRIENDLY)) >= 3


def test_the_rows_are_the_same_every_time_and_distinct():
    made = [row["text"] for row in reactions.rows()]
    assert made == [row["text"] for row in reactions.rows()]
    assert len(made) == len(set(made))


def test_some_frames_are_kept_for_evaluation():
    (source,) = (source for source in SOURCES if source.name == "reactions")
    kept = [row for row in reactions.rows() if row["frame"] in source.held_out]
    assert 0.1 < len(kept) / len(list(reactions.rows())) < 0.4


def test_an_emoji_alone_or_a_friendly_reaction_is_not_held(shipped):
    """Once in a hundred at most: at the thresholds of the default policy, on held-out frames."""
    texts = [row["text"] for row in reactions.rows() if row["frame"] in reactions.HELD_OUT]
    texts += list(reactions.emoji())
    scores = shipped.score(texts)
    held = {
        text
        for text, row in zip(texts, scores, strict=True)
        for label, score in zip(LABELS, row, strict=True)
        if score >= HOLDS.get(label, 1.1)
    }
    assert len(held) <= len(texts) / 100, sorted(held)
    assert not held & {"😂", "😡", "👍", "❤", "🙏", "🔥", "🌈", "🏳️‍🌈", "🐵", "🇵🇰", "🇮🇱"}
