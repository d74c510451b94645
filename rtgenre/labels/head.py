"""The head: from the model's embedding to one's own labels and "none of these", each of them Gaussian.

The examples are few and the embedding is wide, so the scatter of windows around their label is taken from the model's
own training clips (``background``): only a label's centre is learned, and how little is known of it after so few files
widens it. That is probabilistic linear discriminant analysis with its within-class covariance given (Ioffe 2006;
Prince & Elder 2007). Nothing is searched: the same examples give the same head.
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
CENTRES_VARIANCE = 3.0  # of labels' centres around the background's mean, scatter being 1
DRAWN = 400  # made-up windows of the background that the temperature is fitted on
MOST_FOLDS = 12  # heads learned for the report, at most
_TEMPERATURES = np.geomspace(1.0, 60.0, 61)  # never below 1: too few files to be surer than the Gaussians are


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What was learned: constants only. Directions are the background's.

    Attributes:
        names: one's own labels.
        noise: for each, whether it is noise rather than music.
        mean: (trunk,) float32, subtracted from an embedding.
        projection: (directions, trunk) float32.
        centres: (labels, directions) float64.
        variance: (labels,) float64, around the centre in each direction.
        none_centres: (groups, directions) float64, of "none of these".
        none_variance: (groups,) float64, around these.
        temperature: scores are divided by it; fitted on files that a head had not heard.
    """

    names: tuple[str, ...]
    noise: tuple[bool, ...]
    mean: FloatArray
    projection: FloatArray
    centres: DoubleArray
    variance: DoubleArray
    none_centres: DoubleArray
    none_variance: DoubleArray
    temperature: float

    def log_posterior(self, mean: FloatArray) -> DoubleArray:
        """Log probability of each label, and last of none of them; all of them as likely beforehand.

        Args:
            mean: (…, trunk) float32, running mean of the embedding.

        Returns:
            (…, labels + 1) float64; the exponentials sum to 1.
        """
        # Not by BLAS: its threads would be woken once a hop, and cost the engine more than they save.
        along = np.einsum("...t,dt->...d", mean - self.mean, self.projection).astype(np.float64)
        scores = _scores(along, self.centres, self.variance, self.none_centres, self.none_variance)
        return _log_softmax(scores / self.temperature)


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
    drawn = background.drawn(DRAWN, seed=0)
    # Besides what the background knows there may be what nobody has heard: whatever is far from everything is none of
    # the labels, and not the one whose centre is known least.
    none_centres = np.concatenate([background.centres, np.zeros((1, x.shape[1]))])
    none_variance = np.append(background.variance, background.variance.max() + CENTRES_VARIANCE)

    said = np.zeros((len(x), len(names) + 1))
    said_of_none = np.zeros((len(drawn), len(names) + 1))
    for held in range(n_folds):
        out = fold == held
        centres, variance = _centres(x[~out], label[~out], within[~out], len(names))
        said[out] = _scores(x[out], centres, variance, none_centres, none_variance)
        said_of_none += _scores(drawn, centres, variance, none_centres, none_variance) / n_folds

    temperature = min(_TEMPERATURES, key=lambda t: _loss(said / t, said_of_none / t, label, within))
    centres, variance = _centres(x, label, within, len(names))
    head = Head(
        names,
        tuple(examples.noise for examples in labels),
        background.mean.astype(np.float32),
        np.ascontiguousarray(background.projection.T, np.float32),
        centres,
        variance,
        none_centres,
        none_variance,
        float(temperature),
    )
    groups, means = _by_file(_log_softmax(said / temperature), label, within)
    return head, Judged(names, groups, means)


def _centres(x: DoubleArray, label: IntArray, file: IntArray, n: int) -> tuple[DoubleArray, DoubleArray]:
    """Centres (n, directions) and variances (n,) of the labels, given their windows: the predictive Gaussians.

    A file counts once, however long: its windows are no independent witnesses.
    """
    centres, variance = np.zeros((n, x.shape[1])), np.zeros(n)
    for k in range(n):
        own, of = x[label == k], file[label == k]
        files = np.unique(of)
        unsure = 1.0 / (1.0 / CENTRES_VARIANCE + len(files))
        centres[k] = unsure * sum(own[of == f].mean(axis=0) for f in files)
        variance[k] = 1.0 + unsure
    return centres, variance


def _scores(
    x: DoubleArray, centres: DoubleArray, variance: DoubleArray, none_centres: DoubleArray, none_variance: DoubleArray
) -> DoubleArray:
    """(…, labels + 1) log likelihoods, but for a constant; none of the labels is a mixture of equal parts."""
    own = _log_gaussian(x, centres, variance)
    none = _log_gaussian(x, none_centres, none_variance)
    highest = none.max(axis=-1, keepdims=True)
    mixed = highest + np.log(np.exp(none - highest).mean(axis=-1, keepdims=True))
    return np.concatenate([own, mixed], axis=-1)


def _log_gaussian(x: DoubleArray, centres: DoubleArray, variance: DoubleArray) -> DoubleArray:
    """(…, n) of (…, directions) under n Gaussians of the same variance in each direction."""
    squares = np.square(x[..., None, :] - centres).sum(axis=-1)
    found: DoubleArray = -0.5 * (squares / variance + x.shape[-1] * np.log(variance))
    return found


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


def _log_softmax(scores: DoubleArray) -> DoubleArray:
    shifted = scores - scores.max(axis=-1, keepdims=True)
    normalised: DoubleArray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised
