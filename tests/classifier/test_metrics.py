"""The figures are those that scikit-learn gives, and Platt's curve is calibrated."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from classifier import metrics
from classifier.calibrate import platt
from classifier.metrics import (
    calibration_error,
    curve,
    draws,
    reliability,
    sampled,
    share,
    summary,
    threshold,
)


@pytest.fixture
def sample():
    draw = np.random.default_rng(3)
    truth = (draw.random(500) < 0.3).astype(np.float64)
    return np.round(draw.normal(truth, 1.0), 1), truth  # rounded: many ties


def test_area_and_precision_agree_with_scikit_learn_also_with_ties(sample):
    found = curve(*sample)
    assert found.auc == pytest.approx(roc_auc_score(sample[1], sample[0]))
    assert found.average_precision == pytest.approx(average_precision_score(sample[1], sample[0]))


def test_weights_count_like_repeated_rows(sample):
    scores, truth = sample
    weights = np.tile([1.0, 3.0], 250)
    times = weights.astype(int)
    repeated = curve(np.repeat(scores, times), np.repeat(truth, times))
    assert curve(scores, truth, weights).auc == pytest.approx(repeated.auc)


def test_recall_is_taken_at_no_more_than_the_rate_of_false_holds():
    scores = np.array([9.0, 8.0, 7.0, 6.0, 5.0, 4.0])
    truth = np.array([1.0, 1.0, 0.0, 1.0, 0.0, 0.0])
    assert curve(scores, truth).recall_at(0.01) == pytest.approx(2 / 3)
    assert curve(scores, truth).recall_at(0.4) == 1.0


def test_an_interval_holds_its_value_and_is_the_same_for_the_same_seed(sample):
    one, two = (summary(1 / (1 + np.exp(-sample[0])), sample[1], rounds=50) for _ in range(2))
    value, low, high = one["auc"]
    assert low <= value <= high
    assert one == two


def test_platts_curve_turns_margins_into_frequencies():
    draw = np.random.default_rng(5)
    margins = draw.normal(0, 2, 20_000)
    truth = (draw.random(20_000) < 1 / (1 + np.exp(-(0.7 * margins - 1)))).astype(np.float64)
    slope, offset = platt(margins, truth, np.ones(20_000))
    assert slope == pytest.approx(0.7, abs=0.03)
    assert offset == pytest.approx(-1, abs=0.05)
    scores = 1 / (1 + np.exp(-(slope * margins + offset)))
    assert calibration_error(scores, truth) < 0.02


def test_platts_curve_stays_finite_when_the_classes_separate():
    slope, offset = platt(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0.0, 0, 1, 1]), np.ones(4))
    assert np.isfinite([slope, offset]).all()
    assert slope > 0


def test_platts_curve_finds_a_rare_label_far_from_zero():
    draw = np.random.default_rng(6)
    margins = draw.normal(-9, 0.8, 5000)
    truth = (draw.random(5000) < 1 / (1 + np.exp(-(3 * (margins + 9) - 5)))).astype(np.float64)
    slope, offset = platt(margins, truth, np.full(5000, 0.3))
    assert slope == pytest.approx(3, rel=0.2)
    scores = 1 / (1 + np.exp(-(slope * margins + offset)))
    assert calibration_error(scores, truth) < 0.01


def test_a_weighted_summary_agrees_with_scikit_learn(sample):
    scores, truth = 1 / (1 + np.exp(-sample[0])), sample[1]
    weights = np.where(truth == 1, 0.2, 1.7)
    found = summary(scores, truth, rounds=20, weights=weights)
    auc = roc_auc_score(truth, scores, sample_weight=weights)
    precision = average_precision_score(truth, scores, sample_weight=weights)
    assert found["auc"][0] == pytest.approx(auc, abs=1e-4)
    assert found["average_precision"][0] == pytest.approx(precision, abs=1e-4)
    assert found["ece"][0] == pytest.approx(calibration_error(scores, truth, weights), abs=1e-4)


def test_a_resample_has_the_figures_of_the_rows_drawn(sample):
    scores, truth = 1 / (1 + np.exp(-sample[0])), sample[1]
    _, samples = sampled(scores, truth, rounds=3, seed=9)["auc"]
    drawn = np.concatenate(list(draws(len(truth), 3, 9)))
    expected = [roc_auc_score(truth[rows], scores[rows]) for rows in drawn]
    assert samples == pytest.approx(expected)


def test_intervals_do_not_depend_on_how_many_rounds_fit_into_memory(sample, monkeypatch):
    scores, truth = 1 / (1 + np.exp(-sample[0])), sample[1]
    whole = summary(scores, truth, rounds=30)
    monkeypatch.setattr(metrics, "_AT_ONCE", 1200)
    assert summary(scores, truth, rounds=30) == whole


def test_the_interval_of_a_calibration_error_holds_its_value_though_resampling_adds_scatter():
    draw = np.random.default_rng(11)
    scores = draw.random(3000)
    truth = (draw.random(3000) < scores).astype(np.float64)
    value, low, high = summary(scores, truth)["ece"]
    assert low <= value <= high


def test_a_recall_interval_covers_the_truth_about_as_often_as_it_says():
    draw = np.random.default_rng(12)
    hits = 0
    for seed in range(60):
        truth = (draw.random(400) < 0.4).astype(np.float64)
        scores = 1 / (1 + np.exp(-draw.normal(truth * 1.5, 1.0)))
        _, low, high = summary(scores, truth, rounds=100, seed=seed)["auc"]
        hits += low <= 0.8556 <= high  # normal classes 1.5 apart: the cumulative of 1.5 / sqrt 2
    assert hits >= 52


def test_one_class_alone_gives_no_area_but_no_fault():
    found = summary(np.array([0.2, 0.4]), np.array([1.0, 1.0]), rounds=5)
    assert np.isnan(found["auc"][0])


def test_shares_carry_wilsons_interval():
    assert share(np.array([True] * 9 + [False])) == pytest.approx([0.9, 0.5958, 0.9821], abs=1e-3)
    assert share(np.array([True] * 100))[1:] == pytest.approx([0.963, 1.0], abs=1e-3)
    assert share(np.zeros(0, bool)) == [0.0, 0.0, 1.0]


def test_no_more_than_the_rate_lies_above_a_threshold():
    ham = np.round(np.random.default_rng(2).random(350), 2)  # ties
    for rate in (0.0, 0.01, 0.05, 1.0):
        assert (ham > threshold(ham, rate)).mean() <= rate
    assert threshold(np.arange(100.0), 0.01) == 98.0


def test_reliability_bins_tell_score_share_and_number_of_their_rows():
    scores = np.array([0.01, 0.03, 0.98, 0.99])
    low, high = reliability(scores, np.array([0.0, 1.0, 1.0, 1.0]))
    assert (low.count, low.score, low.share[0]) == (2, pytest.approx(0.02), 0.5)
    assert (high.number, high.share[0]) == (14, 1.0)
    assert low.share[1] < 0.5 < low.share[2]
