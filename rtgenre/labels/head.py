"""The head: multinomial logistic regression from the model's embedding to one's own labels and "none of these".

The examples are few and the embedding is wide, so the head sees it along the directions in which the model's own
training clips differ (``background``), and is held back by a penalty. "None of these" is learned from made-up windows
of that background. Everything is a convex problem solved from zero: the same examples give the same head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rtgenre.labels.background import Background
    from rtgenre.labels.examples import Examples

    FloatArray = NDArray[np.float32]
    DoubleArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

NONE = "none of these"
PENALTY = 0.03  # on the squared weights; see docs/experiments.md
BACKGROUND_WINDOWS = 400
MOST_FOLDS = 12  # heads fitted for the report, at most
_STEPS = 300
_BIAS_PENALTY = 1e-4
_TEMPERATURES = np.geomspace(0.25, 8.0, 41)


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What was learned: constants only.

    Attributes:
        names: one's own labels.
        noise: for each, whether it is noise rather than music.
        weights: (labels + 1, trunk) float64; the last row is "none of these".
        bias: (labels + 1,) float64.
        temperature: scores are divided by it; fitted on files that a head had not heard.
    """

    names: tuple[str, ...]
    noise: tuple[bool, ...]
    weights: DoubleArray
    bias: DoubleArray
    temperature: float

    def log_posterior(self, mean: FloatArray) -> DoubleArray:
        """Log probability of each label, and last of none of them.

        Args:
            mean: (…, trunk) float32, running mean of the embedding.

        Returns:
            (…, labels + 1) float64; the exponentials sum to 1.
        """
        return _log_softmax((mean @ self.weights.T + self.bias) / self.temperature)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Each file as judged by a head that had not heard it: its windows' mean log posterior, as live.

    Attributes:
        names: the labels.
        label: (files,) index into ``names``.
        log_posterior: (files, labels + 1), sums to 1 when exponentiated.
    """

    names: tuple[str, ...]
    label: IntArray
    log_posterior: DoubleArray

    @property
    def confusion(self) -> IntArray:
        """(labels, labels + 1) files by label and by what they were taken for; the last column is none of these."""
        table = np.zeros((len(self.names), len(self.names) + 1), np.int64)
        np.add.at(table, (self.label, self.log_posterior.argmax(axis=1)), 1)
        return table


def learn(labels: Sequence[Examples], background: Background) -> tuple[Head, Judged]:
    """Fit a head, and find out how good it is on files that it has not heard.

    Args:
        labels: at least one, each of at least two files.
        background: of the model.

    Returns:
        The head learned from all files, and each file as judged by one that was learned without it (with more than
        ``MOST_FOLDS`` files a label, without a share of them).
    """
    names = tuple(examples.name for examples in labels)
    x = background.along(np.concatenate([examples.windows for examples in labels]))
    label = np.concatenate([np.full(len(e.windows), k) for k, e in enumerate(labels)])
    within = np.concatenate([e.file for e in labels])
    n_folds = min(MOST_FOLDS, max(len(e.files) for e in labels))
    fold = within % n_folds
    none = background.drawn(BACKGROUND_WINDOWS, seed=0)
    unheard_none = background.drawn(BACKGROUND_WINDOWS, seed=1)

    said = np.zeros((len(x), len(names) + 1))
    said_of_none = np.zeros((len(none), len(names) + 1))
    for held in range(n_folds):
        out = fold == held
        weights, bias = _fit(x[~out], label[~out], within[~out], none, len(names))
        said[out] = x[out] @ weights.T + bias
        said_of_none += (unheard_none @ weights.T + bias) / n_folds

    temperature = min(_TEMPERATURES, key=lambda t: _loss(said / t, said_of_none / t, label, within))
    weights, bias = _fit(x, label, within, none, len(names))
    weights = weights @ background.projection.T
    head = Head(names, tuple(e.noise for e in labels), weights, bias - weights @ background.mean, float(temperature))
    groups, means = _by_file(_log_softmax(said / temperature), label, within)
    return head, Judged(names, groups, means)


def _fit(x: DoubleArray, label: IntArray, file: IntArray, none: DoubleArray, n: int) -> tuple[DoubleArray, DoubleArray]:
    """Weights (n + 1, directions) and bias (n + 1,): every label weighs the same, and every file within it.

    Accelerated gradient descent (Nesterov 1983) with the step that the largest curvature allows.
    """
    rows = np.concatenate([x, none])
    rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    target = np.concatenate([label, np.full(len(none), n)])
    weight = np.concatenate([_balance(label, file), np.full(len(none), 1.0 / len(none))])
    weight /= weight.sum()
    wanted = np.eye(n + 1)[target]
    penalty = np.full(rows.shape[1], PENALTY)
    penalty[-1] = _BIAS_PENALTY
    curvature = 0.5 * np.linalg.eigvalsh((rows * weight[:, None]).T @ rows)[-1] + PENALTY
    found = ahead = np.zeros((n + 1, rows.shape[1]))
    momentum = 1.0
    for _ in range(_STEPS):
        wrong = (np.exp(_log_softmax(ahead @ rows.T, axis=0)) - wanted.T) * weight
        following = ahead - (wrong @ rows + penalty * ahead) / curvature
        grown = (1.0 + np.sqrt(1.0 + 4.0 * momentum**2)) / 2.0
        ahead = following + (momentum - 1.0) / grown * (following - found)
        found, momentum = following, grown
    return found[:, :-1], found[:, -1]


def _balance(label: IntArray, file: IntArray) -> DoubleArray:
    """A weight for each window: each label sums to 1, and each file has the same share of its label."""
    weight = np.zeros(len(label))
    for k in np.unique(label):
        own = label == k
        _, place, count = np.unique(file[own], return_inverse=True, return_counts=True)
        weight[own] = 1.0 / (len(count) * count[place])
    return weight


def _loss(said: DoubleArray, said_of_none: DoubleArray, label: IntArray, file: IntArray) -> float:
    """Mean over labels, none included, of what unheard files cost: the less, the better the probabilities."""
    groups, means = _by_file(_log_softmax(said), label, file)
    costs = [-means[groups == k, k].mean() for k in np.unique(groups)]
    return float(np.mean([*costs, -_log_softmax(said_of_none)[:, -1].mean()]))


def _by_file(log_posterior: DoubleArray, label: IntArray, file: IntArray) -> tuple[IntArray, DoubleArray]:
    """Label of each file, and the mean of its windows' log posterior, normalised: what smoothing does live."""
    pairs, place = np.unique(np.stack([label, file]), axis=1, return_inverse=True)
    place = place.reshape(-1)
    means = np.stack([log_posterior[place == k].mean(axis=0) for k in range(pairs.shape[1])])
    return pairs[0], _log_softmax(means)


def _log_softmax(scores: DoubleArray, axis: int = -1) -> DoubleArray:
    shifted = scores - scores.max(axis=axis, keepdims=True)
    normalised: DoubleArray = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return normalised
