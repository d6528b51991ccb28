"""The figures are those that scikit-learn gives, and Platt's curve is calibrated."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from classifier.calibrate import platt
from classifier.metrics import calibration_error, curve, summary


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
