"""Scores, windows and explanations of a model."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier import LABELS, default_artifact, load

TOXICITY, SPAM = LABELS.index("toxicity"), LABELS.index("spam")

TEXTS = st.text(
    st.one_of(st.sampled_from("abc fuck idiot 013.$é字😀\u200bе"), st.characters()), max_size=80
)


def test_scores_are_probabilities_for_any_text(shipped):
    @settings(max_examples=100, deadline=None)
    @given(st.lists(TEXTS, max_size=4))
    def hold(texts):
        scores = shipped.score(texts)
        assert scores.shape == (len(texts), 8)
        assert scores.dtype == np.float32
        assert ((scores >= 0) & (scores <= 1)).all()

    hold()


def test_a_text_scores_the_same_alone_and_in_a_batch(shipped):
    texts = ["you idiot", "", "thanks!", "a long one " * 90, "字字字 ok", "you idiot " * 60]
    together = shipped.score(texts)
    for text, row in zip(texts, together, strict=True):
        np.testing.assert_allclose(shipped.score([text])[0], row, atol=1e-5)


def test_words_met_one_by_one_and_many_at_once_add_the_same():
    """Few new words are summed without NumPy's vectors; what comes out is the same to the bit."""
    words = [f"{word}{n}" for n in range(40) for word in ("quix", "ärgz", "字xz", "!z")]
    singly, together = load(default_artifact()), load(default_artifact())
    pieces = np.concatenate([singly.margins([word]) for word in words])
    np.testing.assert_array_equal(pieces, together.margins(words))


@pytest.mark.parametrize("label", LABELS)
def test_an_explanation_sums_to_the_margin_and_the_score(shipped, label):
    for text in (
        "",
        "ok",
        "You are a f.u.c.k.i.n.g idiot, see http://x.com",
        "word " * 300 + "you moron",
    ):
        found = shipped.explain(text, label)
        total = found.bias + sum(t.weight for t in found.tokens) - found.penalty
        margin = shipped.margins([text])[0, LABELS.index(label)]
        assert found.margin == pytest.approx(total, abs=1e-6)
        assert found.margin == pytest.approx(margin, abs=2e-3)
        assert found.score == pytest.approx(shipped.score([text])[0, LABELS.index(label)], abs=2e-3)


def test_spans_and_tokens_lie_in_the_text_as_written(shipped):
    @settings(max_examples=100, deadline=None)
    @given(TEXTS)
    def hold(text):
        found = shipped.explain(text, "toxicity")
        for token in found.tokens:
            assert 0 <= token.start < token.end <= len(text)
            assert text[token.start : token.end] == token.text
        for start, end in shipped.spans(text, "toxicity", limit=3):
            assert 0 <= start < end <= len(text)
        assert len(shipped.spans(text, "toxicity", limit=3)) <= 3

    hold()


def test_the_word_that_matters_is_the_first_span(shipped):
    text = "I think that you are a stup\u200bid 1d1ot and the weather is nice"
    start, end = shipped.spans(text, "toxicity")[0]
    assert text[start:end] in {"stup\u200bid", "1d1ot"}


def test_an_explanation_says_what_the_score_is_without_the_links(shipped):
    text = "Buy cheap pills at http://cheap-pills.example.com/casino"
    found = shipped.explain(text, "spam")
    assert found.without_links == pytest.approx(
        float(shipped.score(["Buy cheap pills at  "])[0, SPAM]), abs=1e-5
    )
    assert shipped.explain("no link here", "spam").without_links is None


def test_an_unknown_label_is_a_value_error(shipped):
    with pytest.raises(ValueError, match="kindness"):
        shipped.explain("text", "kindness")


def test_an_insult_in_five_thousand_benign_characters_is_not_diluted(shipped):
    insult = "you are a fucking idiot and a stupid moron"
    benign = "The build went fine and the release notes are on the wiki. " * 45
    alone, hidden = shipped.score([insult, f"{benign} {insult}. {benign}"])[:, TOXICITY]
    assert alone > 0.9
    assert hidden > 0.85
    assert shipped.score([benign * 2])[0, TOXICITY] < 0.1


@pytest.mark.parametrize(
    "text",
    [
        "You are a fucking idiot.",
        "what a stupid piece of shit you are",
        "y0u are a st*pid fuсking m0ron",
        "shut up you disgusting moron",
    ],
)
def test_plain_insults_score_high(shipped, text):
    assert shipped.score([text])[0, TOXICITY] > 0.8


@pytest.mark.parametrize(
    "text",
    [
        "Cheap viagra and cialis online, buy now http://pills.example.com",
        "Play online casino and win a bonus! http://best-casino.example.com",
        "Great post! Thanks for sharing. Visit my website for cheap essay writing service",
    ],
)
def test_plain_spam_scores_high(shipped, text):
    assert shipped.score([text])[0, SPAM] > 0.8


@pytest.mark.parametrize(
    "text",
    [
        "Thanks, this fixed my build as well.",
        "I get a null reference in line 42 when the list is empty. Any idea?",
        "Great explanation, although I would use a dictionary here instead of a switch.",
        "How does this compare to the approach of the previous article?",
        "We moved to PostgreSQL 15 last year and the migration took a weekend.",
        "The baker on our corner is Jewish and his bread is wonderful.",
    ],
)
def test_ordinary_comments_score_low_on_everything(shipped, text):
    assert shipped.score([text])[0].max() < 0.5


def test_loading_and_scoring_need_neither_scikit_learn_nor_scipy_nor_the_service():
    code = (
        "import sys, classifier as c\n"
        "m = c.load(c.default_artifact())\n"
        "m.score(['hello wörld']); m.explain('you idiot', 'insult')\n"
        "c.run_signals(c.SignalInput(text='hi'))\n"
        "roots = {name.split('.')[0] for name in sys.modules}\n"
        "banned = {'sklearn', 'scipy', 'joblib', 'litestar', 'redis', 'httpx', 'service'}\n"
        "print(sorted(roots & banned))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_shipped_model_is_small_and_its_card_is_there():
    folder = default_artifact()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 24 * 2**20
    assert "Sources and licences" in (folder / "CARD.md").read_text(encoding="utf-8")
    assert load(folder).labels == LABELS


def test_words_met_ahead_change_no_score(shipped):
    texts = ["An economist forecasting the residency of a bratty parakeet", "you stupid hippies"]
    model = load(default_artifact())
    before = model.score(texts)
    pieces = 0
    while model.learn_ahead(5_000):
        pieces += 1
    assert pieces > 3
    assert not model.learn_ahead(1)
    assert np.array_equal(model.score(texts), before)
    assert np.array_equal(shipped.score(texts), before)
    model.forget()
    assert model.learn_ahead(10), "a new vocabulary begins anew"
