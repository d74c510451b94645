"""Classical learners: scikit-learn and xgboost, imported only where one is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]

_LEAST_SHARE = 1e-3  # neighbours and trees say 0, whose logarithm would silence all other pieces of a clip


class Estimator(Protocol):
    """What is needed of a classifier."""

    def fit(self, x: FloatArray, y: IntArray) -> Any:
        """Learn from (pieces, features) and (pieces,) labels counted from 0 without holes."""

    def predict(self, x: FloatArray) -> IntArray:
        """(pieces,) labels."""


def answers(estimator: Estimator, x: FloatArray) -> tuple[IntArray, NDArray[np.float64]]:
    """What a fitted classifier says: labels (pieces,), and scores (pieces, labels) that are added over a clip's pieces.

    Scores are log probabilities, or decision values where it has no probabilities (SVM, SGD).
    """
    said = np.asarray(estimator.predict(x), np.int64)
    shares = getattr(estimator, "predict_proba", None)
    if shares is not None:
        return said, np.log(np.maximum(np.asarray(shares(x), np.float64), _LEAST_SHARE))
    values = np.asarray(estimator.decision_function(x), np.float64)  # type: ignore[attr-defined]  # has one of the two
    return said, values if values.ndim == 2 else np.stack((-values, values), axis=1)


def naive_bayes(seed: int, size: float) -> Estimator:  # noqa: ARG001 - all learners are made alike
    """Gaussian naive Bayes."""
    from sklearn.naive_bayes import GaussianNB  # noqa: PLC0415 - an extra

    return GaussianNB()  # type: ignore[no-any-return]


def sgd(seed: int, size: float) -> Estimator:
    """A linear SVM fitted by stochastic gradient descent."""
    from sklearn.linear_model import SGDClassifier  # noqa: PLC0415 - an extra

    return SGDClassifier(max_iter=max(50, round(5000 * size)), random_state=seed)  # type: ignore[no-any-return]


def knn(neighbours: int) -> Callable[[int, float], Estimator]:
    """K nearest neighbours."""

    def make(seed: int, size: float) -> Estimator:  # noqa: ARG001 - all learners are made alike
        from sklearn.neighbors import KNeighborsClassifier  # noqa: PLC0415 - an extra

        return KNeighborsClassifier(n_neighbors=neighbours)  # type: ignore[no-any-return]

    return make


def decision_tree(seed: int, size: float) -> Estimator:  # noqa: ARG001 - all learners are made alike
    """One decision tree, grown to its end."""
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415 - an extra

    return DecisionTreeClassifier(random_state=seed)  # type: ignore[no-any-return]


def random_forest(trees: int, depth: int | None) -> Callable[[int, float], Estimator]:
    """A random forest."""

    def make(seed: int, size: float) -> Estimator:
        from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - an extra

        n = max(10, round(trees * size))
        return RandomForestClassifier(n, max_depth=depth, random_state=seed)  # type: ignore[no-any-return]

    return make


def svm(c: float = 1.0) -> Callable[[int, float], Estimator]:
    """A support vector machine with radial basis functions."""

    def make(seed: int, size: float) -> Estimator:  # noqa: ARG001 - all learners are made alike
        from sklearn.svm import SVC  # noqa: PLC0415 - an extra

        return SVC(C=c, random_state=seed)  # type: ignore[no-any-return]

    return make


def logistic_regression(seed: int, size: float) -> Estimator:
    """Multinomial logistic regression."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - an extra

    return LogisticRegression(max_iter=max(100, round(1000 * size)), random_state=seed)  # type: ignore[no-any-return]


def boosted_trees(seed: int, size: float) -> Estimator:
    """XGBoost: 1000 rounds at a rate of 0.05."""
    from xgboost import XGBClassifier  # noqa: PLC0415 - an extra

    return XGBClassifier(n_estimators=max(10, round(1000 * size)), learning_rate=0.05, random_state=seed, n_jobs=1)


def boosted_forest(seed: int, size: float) -> Estimator:
    """XGBoost's random forest of 100 trees, one round."""
    from xgboost import XGBRFClassifier  # noqa: PLC0415 - an extra

    return XGBRFClassifier(
        n_estimators=max(10, round(100 * size)), objective="multi:softmax", random_state=seed, n_jobs=1
    )
