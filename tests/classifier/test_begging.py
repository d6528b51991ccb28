"""Begging for clicks stands beside its innocent like in training; the model tells them apart."""

from classifier.evaluation import HOLDS
from classifier.generated import begging
from classifier.labels import column
from classifier.sources import SOURCES

SPAM = column("spam")


def test_the_rows_are_the_same_every_time_distinct_and_without_gaps():
    made = [row["text"] for row in begging.rows()]
    assert made == [row["text"] for row in begging.rows()]
    assert len(made) == len(set(made)) > 2000
    assert not [text for text in made if "{" in text or "}" in text]


def test_frames_of_both_kinds_are_kept_for_evaluation():
    (source,) = (source for source in SOURCES if source.name == "begging")
    kept = [row["label"] for row in begging.rows() if row["frame"] in source.held_out]
    assert 0.15 < len(kept) / len(list(begging.rows())) < 0.35
    assert set(kept) == {0, 1}


def test_begging_is_held_and_the_same_words_without_a_wish_are_not(shipped):
    held_out = [row for row in begging.rows() if row["frame"] in begging.HELD_OUT]
    held = shipped.score([row["text"] for row in held_out])[:, SPAM] >= HOLDS["spam"]
    begs = [hit for hit, row in zip(held, held_out, strict=True) if row["label"]]
    wants_nothing = [hit for hit, row in zip(held, held_out, strict=True) if not row["label"]]
    assert sum(begs) > 0.8 * len(begs)
    assert sum(wants_nothing) <= 0.02 * len(wants_nothing)


def test_readers_may_speak_of_likes_channels_and_money(shipped):
    texts = [
        "Thumbs up, this fixed it for me.",
        "I like your channel, keep going.",
        "If you agree, please comment on the issue on GitHub.",
        "Please check out the develop branch first, then run the tests.",
        "My channel on the mixer was broken, so I have soldered it.",
    ]
    assert (shipped.score(texts)[:, SPAM] < HOLDS["spam"]).all()
