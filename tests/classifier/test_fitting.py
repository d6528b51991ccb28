"""The factored regression is scikit-learn's, on the matrix that it never builds."""

import numpy as np
import pytest
from scipy.sparse import diags
from sklearn.linear_model import LogisticRegression

from classifier.design import design, token_rows
from classifier.features import Shape
from classifier.fitting import FactoredLogisticRegression


@pytest.fixture(scope="module")
def sample():
    draw = np.random.default_rng(5)
    truth = (draw.random(300) < 0.4).astype(np.float64)
    words = [[f"w{draw.integers(60)}" for _ in range(6)] + ["bad"] * int(t) for t in truth]
    return design(token_rows(words), Shape(11, 10)), truth, draw.uniform(0.2, 1.0, 300)


def test_weights_and_margins_agree_with_scikit_learns_logistic_regression(sample):
    features, truth, weights = sample
    matrix = diags(features.root) @ (features.held @ features.grams + features.pairs)
    matrix = (matrix @ diags(features.scale)).tocsr()
    theirs = LogisticRegression(C=2.0, max_iter=2000, tol=1e-9).fit(matrix, truth, weights)
    ours = FactoredLogisticRegression(C=2.0, max_iter=2000, tol=1e-9)
    ours.fit(features, truth, weights)
    assert ours.decision_function(features) == pytest.approx(
        theirs.decision_function(matrix), abs=5e-3
    )
    assert np.corrcoef(ours.coef_, theirs.coef_[0])[0, 1] > 0.9999


def test_it_predicts_classes_as_an_estimator_does(sample):
    features, truth, weights = sample
    fit = FactoredLogisticRegression().fit(features, truth, weights)
    assert (fit.predict(features) == truth).mean() > 0.95
    assert fit.get_params() == {"C": 2.0, "max_iter": 80, "tol": 1e-6}


def test_a_truth_in_between_counts_as_a_row_of_each_class(sample):
    features, truth, weights = sample
    soft = np.where(truth == 1, 0.7, 0.2)
    both = np.arange(300).repeat(2)
    hard, shares = np.tile([1.0, 0.0], 300), np.stack((soft, 1 - soft), 1).ravel()
    ours = FactoredLogisticRegression(max_iter=2000, tol=1e-9).fit(features, soft, weights)
    theirs = FactoredLogisticRegression(max_iter=2000, tol=1e-9)
    theirs.fit(features.pick(both), hard, weights[both] * shares)
    assert ours.decision_function(features) == pytest.approx(
        theirs.decision_function(features), abs=5e-3
    )
