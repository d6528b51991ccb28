"""Fitting one label: scikit-learn's logistic regression, on features kept in factors.

The estimator follows scikit-learn's conventions and minimises the loss of its
``LogisticRegression`` (tests compare the two), with SciPy's L-BFGS-B, as that does. It exists
because that one needs the whole matrix of n-grams: 2.7 GB and some ninety seconds a label,
against a few hundred MB and fifteen seconds here.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.linear_model._base import LinearClassifierMixin

from classifier.design import Design

Floats = NDArray[np.float64]


class FactoredLogisticRegression(LinearClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Binary logistic regression on a :class:`Design`.

    ``C`` is the inverse strength of the L2 penalty, as in scikit-learn; ``max_iter`` bounds
    the steps, which also keeps the weights of rare n-grams small. Unlike scikit-learn's it can
    fit what is left over from ``margins`` that another model gives.
    """

    def __init__(self, C: float = 2.0, max_iter: int = 80, tol: float = 1e-6) -> None:  # noqa: N803
        self.C = C
        self.max_iter = max_iter
        self.tol = tol

    def fit(
        self,
        X: Design,  # noqa: N803
        y: Floats,
        sample_weight: Floats,
        margins: Floats | None = None,
    ) -> "FactoredLogisticRegression":
        """Fit to truths 0 to 1 (n); gives ``coef_`` (rows, not yet scaled), ``intercept_``.

        A truth in between counts as a row of each class, weighing so much.
        ``margins`` (n) are log-odds that each row has already; the fit adds to them.
        """
        from scipy.optimize import fmin_l_bfgs_b

        loss = _Loss(X, y, sample_weight * self.C, margins)
        start = np.zeros(len(X.scale) + 1)
        best, _, _ = fmin_l_bfgs_b(
            loss, start, maxiter=self.max_iter, m=10, pgtol=self.tol, factr=1e3
        )
        self.coef_ = best[:-1]
        self.intercept_ = float(best[-1])
        self.classes_ = np.array([0, 1])
        return self

    def decision_function(self, X: Design) -> NDArray[np.float32]:  # noqa: N803
        """Margins (n)."""
        return X.times(self.coef_.astype(np.float32)) + np.float32(self.intercept_)


class _Loss:
    """The penalised log loss and its gradient at a point (weights, then bias)."""

    def __init__(
        self, design: Design, truth: Floats, weights: Floats, margins: Floats | None
    ) -> None:
        self._design, self._truth, self._weights = design, truth, weights
        self._margins = np.zeros(len(truth)) if margins is None else margins
        self._held, self._pairs = design.held.T.tocsr(), design.pairs.T.tocsr()
        self._grams = design.grams.T.tocsr()

    def __call__(self, point: Floats) -> tuple[float, Floats]:
        margins = self._design.times(point[:-1].astype(np.float32)).astype(np.float64) + point[-1]
        margins += self._margins
        loss = float((self._weights * (np.logaddexp(0, margins) - self._truth * margins)).sum())
        slopes = self._weights * (0.5 + 0.5 * np.tanh(0.5 * margins) - self._truth)
        gradient = np.append(self._back(slopes) + point[:-1], slopes.sum())
        return loss + 0.5 * float(point[:-1] @ point[:-1]), gradient

    def _back(self, slopes: Floats) -> Floats:
        shares = (slopes * self._design.root).astype(np.float32)
        rows = self._grams @ (self._held @ shares) + self._pairs @ shares
        back: Any = rows * self._design.scale
        return np.asarray(back, np.float64)
