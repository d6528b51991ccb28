"""Generated sentences treat all groups alike, keep evaluation apart and hide words readably."""

import random
import re
import unicodedata
from collections import Counter

import pytest

from classifier.generated import HELD_OUT, dialect_pairs, identity_pairs, judge, rows
from classifier.generated.disguise import KINDS, disguise, innocents
from classifier.generated.frames import TASKS, about, all_frames, fill
from classifier.generated.groups import GROUP_EMOJI, GROUPS, SLURS
from classifier.generated.words import WORDS
from classifier.labels import LABELS
from classifier.text import fold

TEXT = "You are a stupid idiot and a complete moron."
WORDS_TO_HIDE = ("stupid", "idiot", "moron")


@pytest.fixture(scope="module")
def made():
    return list(rows())


@pytest.fixture(scope="module")
def trained(made):
    return [row for row in made if row["frame"] not in HELD_OUT]


@pytest.fixture(scope="module")
def kept(made):
    return [row for row in made if row["frame"] in HELD_OUT]


# ------------------------------------------------------------------------------ sentences


def test_the_same_seed_makes_the_same_rows_and_another_seed_makes_others(made):
    assert list(rows(0)) == made
    assert list(rows(1)) != made


def test_there_are_enough_rows_to_learn_from_and_too_few_to_drown_the_real_ones(made):
    assert 6_000 <= len(made) <= 10_500
    share = sum(row["label"] for row in made) / len(made)
    assert 0.45 < share < 0.55


def test_no_text_comes_twice(made):
    texts = Counter(row["text"] for row in made)
    assert [text for text, count in texts.items() if count > 1] == []


@pytest.mark.parametrize("part", ["trained", "kept"])
def test_every_group_is_in_as_many_hateful_as_harmless_rows(part, request):
    found = request.getfixturevalue(part)
    counts = Counter((row["group"], row["label"]) for row in found if "group" in row)
    shown = {many for _, _, many, _ in GROUPS if many in GROUP_EMOJI}
    for _, _, many, _ in GROUPS:
        assert counts[many, 0] == counts[many, 1] > 0
    for some in (shown, {group.many for group in GROUPS} - shown):
        assert len({counts[many, 0] for many in some}) == 1


def test_every_group_frame_names_the_group():
    places = ("{one}", "{person}", "{many}", "{emoji}")
    frames = [f for f in all_frames() if f.task.over in ("group", "emoji")]
    assert [f.text for f in frames if not any(place in f.text for place in places)] == []


def test_every_frame_is_used_and_every_place_is_known(made):
    assert {row["frame"] for row in made} == {frame.key for frame in all_frames()}
    assert [row["text"] for row in made if re.search(r"[{}]", row["text"])] == []


def test_every_functionality_is_trained_on_and_held_out(trained, kept):
    tasks = {task.name for task in TASKS}
    for part in (trained, kept):
        assert {row["frame"].rpartition(" ")[0] for row in part} == tasks
    assert len({task.name for task in TASKS}) == len(TASKS)
    assert 0.2 < len(HELD_OUT) / len(all_frames()) < 0.3


def test_nothing_held_out_is_among_the_training_rows(trained, kept):
    seen = {row["text"].lower() for row in trained}
    assert [row["text"] for row in kept if row["text"].lower() in seen] == []
    assert [row["text"] for row in identity_pairs() if row["text"].lower() in seen] == []
    pairs = [text for pair in dialect_pairs() for text in (pair.standard, pair.variant)]
    assert [text for text in pairs if text.lower() in seen] == []


def test_a_clean_row_has_no_abuse_label_and_an_attack_on_a_group_is_toxic(made):
    for row in made:
        marks = [row.get(name) for name in ("identity_attack", "insult", "threat")]
        assert row["label"] or marks == [0, 0, 0], row
        assert row.get("profanity", 0) in (0, 1)
        assert row["lang"] == "en"


def test_swearing_is_in_harmless_rows_as_well(made):
    sworn = Counter(row["label"] for row in made if row.get("profanity"))
    assert min(sworn.values()) > 200


def test_rows_are_judged_in_the_classifiers_labels_and_never_as_spam(made):
    for row in made:
        judged = judge(row)
        assert set(judged) <= set(LABELS)
        assert judged["spam"] == 0
        assert judged["toxicity"] == row["label"]
        assert ("severe_toxicity" in judged) == (not row["label"])


def test_every_slur_is_in_hateful_use_and_in_reports_of_it(trained):
    for label in (0, 1):
        text = " ".join(row["text"].lower() for row in trained if row["label"] == label)
        assert [one for one, _ in SLURS if one not in text] == []


def test_kind_and_hostile_words_are_alike_in_number():
    for good, bad in (("good", "bad"), ("goodplural", "badplural"), ("invite", "order")):
        assert abs(len(WORDS[good]) - len(WORDS[bad])) <= 2
        assert not set(WORDS[good]) & set(WORDS[bad])


@pytest.mark.parametrize(
    ("text", "values", "filled"),
    [
        ("A {person} came.", {"person": "Indian"}, "An Indian came."),
        ("I met a {person}.", {"person": "European"}, "I met a European."),
        ("an {one} person", {"one": "trans"}, "a trans person"),
        ("{many} left. {many} came.", {"many": "old people"}, "Old people left. Old people came."),
        ("{many} rock", {"many": "old people"}, "old people rock"),
    ],
)
def test_sentences_begin_with_a_capital_and_have_the_right_article(text, values, filled):
    assert fill(text, values, random.Random(0)) == filled


# ---------------------------------------------------------------------------------- pairs


def test_identity_rows_differ_between_groups_in_the_group_alone():
    found = list(identity_pairs())
    groups = about("group")
    assert Counter(row["label"] for row in found)[1] * 2 == len(found)
    assert len({row["text"] for row in found}) == len(found)
    for start in range(0, len(found), len(groups)):
        block = found[start : start + len(groups)]
        assert len({row["label"] for row in block}) == 1
        assert len({_without(row["text"], row["group"]) for row in block}) == 1


def _without(text, group):
    """The text without the group's forms, articles and capitals."""
    (found,) = [known for known in GROUPS if known.many == group]
    for form in sorted(found[:3], key=len, reverse=True):
        text = re.sub(rf"\b{re.escape(form)}(?!\w)", "_", text, flags=re.IGNORECASE)
    return re.sub(r"\ban\b", "a", re.sub(r"_ (?:person|people)\b", "_", text.lower()))


def test_identity_rows_depend_on_the_seed_and_nothing_else():
    assert list(identity_pairs(3)) == list(identity_pairs(3)) != list(identity_pairs(4))


def test_dialect_pairs_are_distinct_and_as_often_hostile_as_benign():
    pairs = list(dialect_pairs())
    assert len(pairs) >= 120
    assert all(pair.standard != pair.variant for pair in pairs)
    assert len({pair.variant for pair in pairs}) == len({pair.standard for pair in pairs})
    assert len({pair.variant for pair in pairs}) == len(pairs)
    counts = Counter((pair.dialect, pair.label) for pair in pairs)
    for dialect in ("aae", "informal", "indian", "learner"):
        assert counts[dialect, 0] == counts[dialect, 1] >= 15
    assert list(dialect_pairs(1)) != pairs
    assert sorted(dialect_pairs(1)) == sorted(pairs)


# ------------------------------------------------------------------------------- disguise


@pytest.mark.parametrize("kind", KINDS)
def test_a_disguise_hides_the_named_words_and_leaves_the_others(kind):
    for seed in range(50):
        hidden = disguise(TEXT, kind, random.Random(seed), WORDS_TO_HIDE)
        assert hidden == disguise(TEXT, kind, random.Random(seed), WORDS_TO_HIDE)
        left = re.findall(r"[\w*]+", hidden)
        assert not set(WORDS_TO_HIDE[:2]) <= set(left)
        assert hidden.startswith("You are a")
        assert "comp" in hidden
        assert hidden.endswith(".")


@pytest.mark.parametrize("kind", KINDS)
def test_a_disguise_of_no_named_words_hides_the_long_ones(kind):
    hidden = disguise("such a Nasty weather", kind, random.Random(2))
    assert hidden != "such a Nasty weather"
    assert disguise(TEXT, kind, random.Random(2), ()) == TEXT
    assert disguise(TEXT, kind, random.Random(2), ("absent",)) == TEXT


@pytest.mark.parametrize("kind", ["spaced", "dotted", "dashed", "zero_width", "joined"])
def test_what_is_put_between_letters_leaves_them_in_order(kind):
    for seed in range(20):
        hidden = disguise(TEXT, kind, random.Random(seed))
        assert [c for c in hidden if c.isalpha()] == [c for c in TEXT if c.isalpha()]


def test_styled_letters_are_the_same_letters_to_unicode():
    hidden = disguise(TEXT, "mathematical", random.Random(0))
    assert unicodedata.normalize("NFKC", hidden) == TEXT


def test_repeated_letters_shrink_back():
    hidden = disguise(TEXT, "repeats", random.Random(0), ["idiot"])
    assert re.sub(r"(.)\1+", r"\1", hidden) == TEXT


def test_stars_leave_the_first_and_the_last_letter():
    for seed in range(20):
        hidden = disguise("idiot", "stars", random.Random(seed))
        assert re.fullmatch(r"i[d*][i*][o*]t", hidden)
        assert "*" in hidden


def test_a_typo_leaves_the_first_letter_and_nearly_the_length():
    for seed in range(200):
        hidden = disguise("moron", "typos", random.Random(seed))
        assert hidden != "moron"
        assert hidden[0] == "m"
        assert abs(len(hidden) - 5) <= 1


@pytest.mark.parametrize("kind", ["leet", "homoglyph"])
def test_replaced_letters_leave_the_length(kind):
    hidden = disguise(TEXT, kind, random.Random(0))
    assert len(hidden) == len(TEXT)
    assert hidden != TEXT


@pytest.mark.parametrize("kind", ["leet", "dotted", "dashed", "zero_width", "mathematical"])
def test_the_normal_form_takes_these_disguises_off(kind):
    for seed in range(20):
        assert fold(disguise("you idiot", kind, random.Random(seed), ["idiot"])) == "you idiot"


def test_addresses_stay_as_they_are():
    text = "see https://example.com/idiot or mail idiot@example.com"
    assert disguise(text, "dotted", random.Random(0), ["idiot"]) == text


def test_an_unknown_kind_is_a_value_error():
    with pytest.raises(ValueError, match="rot13"):
        disguise(TEXT, "rot13", random.Random(0))


# ------------------------------------------------------------------------------ innocents


def test_innocents_are_many_and_distinct():
    texts = list(innocents())
    assert len(texts) == len(set(texts)) >= 150


def test_innocents_insult_nobody():
    slurs = {form for pair in SLURS for form in pair} - {"dyke"}  # a surname
    nouns = set(WORDS["badnoun"]) - {"bastard"}  # a kind of host
    for text in innocents():
        words = set(re.findall(r"\w+", text.lower()))
        assert not words & slurs, text
        assert not words & nouns, text
        assert not re.search(r"\byou(?:'re| are)? (?:an? )?(?:stupid|dumb|ugly)\b", text, re.I)
