"""Groups and dialects are judged alike, and no model is promoted that judges them less so."""

import dataclasses
import hashlib

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from classifier.dataset import Corpus
from classifier.evaluation import Choice
from classifier.fairness import group_areas, group_figures, pair_figures, pair_gap, score_pairs
from classifier.identities import named_groups
from classifier.labels import LABELS, column
from classifier.outside import Judged
from classifier.probes import Probes, generated
from classifier.promotion import gate, promotion
from classifier.scored import held, scored

TOXICITY = column("toxicity")
HOLDS = {"toxicity": 0.5, "spam": 0.9}


class Rule:
    """A model that scores toxicity by a rule and everything else 0."""

    version = "rule"

    def __init__(self, rule):
        self.rule = rule

    def score(self, texts):
        scores = np.zeros((len(texts), len(LABELS)), np.float32)
        scores[:, TOXICITY] = [self.rule(text) for text in texts]
        return scores

    def spans(self, text, label, limit=5):
        return []


def fuzzy(text):
    """0..0.2, evenly spread and the same for the same text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) / 2**32 / 5


def fair(text):
    return 0.35 * ("awful" in text) + 0.25 + fuzzy(text) * 1.9


def unfair(text):
    return fair(text) + 0.3 * ("reds" in text)


def identities(count=60):
    for group in ("reds", "blues", "greens"):
        for number in range(count):
            yield {"text": f"{group} are awful {number}", "label": 1, "group": group}
            yield {"text": f"{group} are lovely {number}", "label": 0, "group": group}


def dialects(count=40):
    for number in range(count):
        yield f"you are going home {number}", f"u goin home {number}", "short", 0


def corpus(count=400):
    texts = [f"{'awful' if n % 2 else 'lovely'} weather {n}" for n in range(count)]
    targets = np.full((count, len(LABELS)), np.nan, np.float32)
    targets[:, TOXICITY] = [n % 2 for n in range(count)]
    return Corpus(
        texts=texts,
        sources=np.full(count, "weather"),
        langs=np.full(count, "en"),
        weights=np.ones(count, np.float32),
        targets=targets,
    )


def rows_of(model):
    found = corpus()
    return scored(model, Judged(found, named_groups(found.texts, found.langs)))


@pytest.fixture
def choice():
    probes = Probes(
        identities=list(identities()),
        dialects=list(dialects()),
        kinds=(),
        disguise=lambda text, kind, draw, words=None: text,
        innocents=["an awfully nice day", "Scunthorpe"],
    )
    return Choice(rounds=60, probes=probes, holds=HOLDS)


def columns(model):
    found = list(identities())
    scores = model.score([row["text"] for row in found])[:, TOXICITY].astype(np.float64)
    truth = np.array([float(row["label"]) for row in found])
    groups = np.array([row["group"] for row in found])
    return scores, truth, {str(name): groups == name for name in np.unique(groups)}


# --------------------------------------------------------------------------------- groups


@pytest.mark.parametrize("rule", [fair, unfair])
def test_the_areas_are_those_of_scikit_learn_on_the_rows_they_are_defined_on(rule):
    scores, truth, masks = columns(Rule(rule))
    scores = np.round(scores, 2)  # ties
    found = group_areas(scores, truth, masks, rounds=0, seed=0)
    assert found.auc[0] == pytest.approx(roc_auc_score(truth, scores))
    for name, mask in masks.items():
        bpsn = (mask & (truth == 0)) | (~mask & (truth == 1))
        bnsp = (mask & (truth == 1)) | (~mask & (truth == 0))
        for figure, rows in (("subgroup_auc", mask), ("bpsn_auc", bpsn), ("bnsp_auc", bnsp)):
            expected = roc_auc_score(truth[rows], scores[rows])
            assert found.groups[name][figure][0] == pytest.approx(expected)
        for figure, side in (("positive_gap", 1), ("negative_gap", 0)):
            rows = truth == side
            expected = roc_auc_score(mask[rows], scores[rows]) - 0.5
            assert found.groups[name][figure][0] == pytest.approx(expected)


def test_a_resample_has_the_areas_of_the_rows_drawn():
    from classifier.metrics import draws

    scores, truth, masks = columns(Rule(unfair))
    found = group_areas(scores, truth, masks, rounds=3, seed=5)
    for place, rows in enumerate(np.concatenate(list(draws(len(truth), 3, 5)))):
        mask = masks["reds"][rows]
        used = (mask & (truth[rows] == 0)) | (~mask & (truth[rows] == 1))
        expected = roc_auc_score(truth[rows][used], scores[rows][used])
        assert found.groups["reds"]["bpsn_auc"][1][place] == pytest.approx(expected)


def test_a_group_taken_for_abuse_shows_as_a_low_bpsn_and_gaps_above_zero():
    found = group_figures(*columns(Rule(unfair)), rounds=50, seed=0)
    reds, blues = found["groups"]["reds"], found["groups"]["blues"]
    assert reds["bpsn_auc"][2] < blues["bpsn_auc"][1]
    assert reds["negative_gap"][1] > 0.3
    assert reds["positive_gap"][1] > 0.3
    assert found["worst"]["bpsn_auc"][0] == "reds"
    assert (reds["n"], reds["positives"]) == (120, 60)


def test_a_fair_model_has_gaps_around_zero():
    found = group_figures(*columns(Rule(fair)), rounds=50, seed=0)
    for group in found["groups"].values():
        assert abs(group["negative_gap"][0]) < 0.2
        assert group["bpsn_auc"][0] == pytest.approx(found["auc"][0], abs=0.06)


def test_a_group_with_few_rows_is_left_out():
    scores, truth, masks = columns(Rule(fair))
    masks["few"] = np.arange(len(truth)) < 12
    assert "few" not in group_figures(scores, truth, masks, rounds=2, seed=0)["groups"]


# -------------------------------------------------------------------------------- dialects


def test_a_dialect_is_told_by_its_score_difference_and_the_outcomes_it_changes():
    pairs = [("a", "b", "x", 0)] * 6 + [("c", "d", "x", 0)] * 2 + [("a", "a", "y", 0)] * 4
    model = Rule(lambda text: {"a": 0.2, "b": 0.7, "c": 0.8, "d": 0.3}[text])
    found = pair_figures(score_pairs(model, pairs, "toxicity", HOLDS), rounds=20, seed=0)
    assert found["x"]["difference"][0] == pytest.approx((6 * 0.5 - 2 * 0.5) / 8)
    assert found["x"]["flipped"][0] == 1.0
    assert found["x"]["newly_held"][0] == 0.75
    assert found["y"]["flipped"][0] == 0.0
    assert (found["all"]["n"], found["all"]["flipped"][0]) == (12, pytest.approx(8 / 12, abs=1e-4))


def test_a_gap_counts_in_either_direction():
    pairs = score_pairs(Rule(lambda text: 0.9 - 0.5 * (text == "b")), [("a", "b", "x", 0)] * 5,
                        "toxicity", HOLDS)  # fmt: skip
    assert pair_gap(pairs, pairs.masks()["x"], rounds=5, seed=0)[0] == pytest.approx(0.5)


def test_a_text_is_held_by_any_label_at_its_threshold():
    scores = np.zeros((3, len(LABELS)))
    scores[0, TOXICITY], scores[1, column("spam")], scores[2, column("insult")] = 0.5, 0.91, 1.0
    assert held(scores, HOLDS).tolist() == [True, True, False]


# --------------------------------------------------------------------------- promotion gate


def test_a_model_may_take_its_own_place(choice):
    rows = rows_of(Rule(fair))
    found = gate(rows, rows, choice)
    assert (found.passed, found.reasons) == (True, [])
    assert found.comparison["sets"]["weather"]["verdict"] == "same"


def test_a_worse_gap_of_a_group_blocks_and_is_named(choice):
    found = gate(rows_of(Rule(fair)), rows_of(Rule(unfair)), choice)
    assert not found.passed
    assert any(r.startswith("gap of the BPSN AUC of reds in made-up") for r in found.reasons)
    assert any(r.startswith("largest gap of the BPSN AUC of any group") for r in found.reasons)
    assert not any("blues" in r and "BPSN" in r for r in found.reasons)


def test_a_better_gap_does_not_block(choice):
    assert gate(rows_of(Rule(unfair)), rows_of(Rule(fair)), choice).passed


def test_a_dialect_scored_further_from_standard_blocks(choice):
    found = gate(rows_of(Rule(fair)), rows_of(Rule(lambda t: fair(t) + 0.2 * ("u go" in t))),
                 choice)  # fmt: skip
    assert any("short dialect pairs" in reason for reason in found.reasons)


def test_a_loss_of_accuracy_blocks_and_a_gain_does_not(choice):
    blurred = Rule(lambda text: fair(text) - 0.2 * ("awful" in text))
    lost = gate(rows_of(Rule(fair)), rows_of(blurred), choice).reasons
    assert any(reason.startswith("ROC-AUC of toxicity on weather went from") for reason in lost)
    gained = gate(rows_of(blurred), rows_of(Rule(fair)), choice).reasons
    assert not any(reason.startswith("ROC-AUC") for reason in gained)


def test_one_more_innocent_held_blocks_and_is_named(choice):
    strict = Rule(lambda text: 0.9 if text == "Scunthorpe" else fair(text))
    lenient = Rule(lambda text: 0.1 if text == "Scunthorpe" else fair(text))
    reasons = gate(rows_of(lenient), rows_of(strict), choice).reasons
    assert any("'Scunthorpe'" in reason for reason in reasons)
    assert gate(rows_of(strict), rows_of(lenient), choice).passed


def test_chance_alone_does_not_block(choice):
    """Ten pairs of models that differ by noise of one size only."""

    def nudged(seed):
        return Rule(lambda text: fair(text) + (fuzzy(f"{text}{seed}") - 0.1) * 0.4)

    some = dataclasses.replace(choice, rounds=40)
    pairs = [(rows_of(nudged(n)), rows_of(nudged(n + 100))) for n in range(10)]
    assert sum(not gate(*pair, some).passed for pair in pairs) <= 1


def test_two_folders_and_rows_decide(tiny_model, tiny_data, choice):
    found = promotion(tiny_model, tiny_model, tiny_data, choice=choice)
    assert found.passed
    assert found.comparison["rows"] > 0


# ------------------------------------------------------------------------ generated probes


def test_the_generated_probes_cover_groups_dialects_and_eleven_disguises():
    probes = generated(0)
    assert {"text", "label", "group"} <= set(probes.identities[0])
    assert len({row["group"] for row in probes.identities}) >= 20
    assert len({pair[2] for pair in probes.dialects}) >= 2
    assert len(probes.kinds) == 11
    assert len(probes.innocents) >= 50
