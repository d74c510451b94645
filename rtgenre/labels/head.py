"""The head: from the model's embedding to one's own labels and "none of these", each of them Gaussian.

The examples are few and the embedding is wide, so the scatter of windows around their label is taken from the model's
own training clips (``background``): only a label's centre is learned, and how little is known of it after so few files
widens it. That is probabilistic linear discriminant analysis with its within-class covariance given (Ioffe 2006;
Prince & Elder 2007). Nothing is searched: the same examples give the same head.

A label may be one of the background's groups under another name, or part of one. Its centre is then known worse than
the group's, and nearly all of its music would be given to the group. Where a fair share of a label's files sounds more
like one group than like the label's other files, the label therefore takes the group over.
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
TAKING_FILES, TAKING_SHARE = 2, 1 / 3  # of a label's files, both at least, for it to take a group over (experiments.md)
NOT_TAKEN = -1
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
        group_centres: (groups, directions) float64, of the background; the last for whatever is far from everything.
        group_variance: (groups,) float64, around these.
        taken_by: (groups,) index of the label that takes a group over, ``NOT_TAKEN`` where it is "none of these".
        temperature: scores are divided by it; fitted on files that a head had not heard.
    """

    names: tuple[str, ...]
    noise: tuple[bool, ...]
    mean: FloatArray
    projection: FloatArray
    centres: DoubleArray
    variance: DoubleArray
    group_centres: DoubleArray
    group_variance: DoubleArray
    taken_by: IntArray
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
        own = _log_gaussian(along, self.centres, self.variance)
        groups = _log_gaussian(along, self.group_centres, self.group_variance)
        scores = _scores(own, groups, self.taken_by)
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
    names, noise = tuple(e.name for e in labels), tuple(e.noise for e in labels)
    x = background.along(np.concatenate([examples.windows for examples in labels]))
    label = np.concatenate([np.full(len(e.windows), k) for k, e in enumerate(labels)])
    within = np.concatenate([e.file for e in labels])
    n_folds = min(MOST_FOLDS, max(len(e.files) for e in labels))
    fold = within % n_folds
    # Besides what the background knows there may be what nobody has heard: whatever is far from everything is none of
    # the labels, and not the one whose centre is known least.
    group_centres = np.concatenate([background.centres, np.zeros((1, x.shape[1]))])
    group_variance = np.append(background.variance, background.variance.max() + CENTRES_VARIANCE)
    drawn = background.drawn(DRAWN, seed=0)
    groups = _log_gaussian(x, group_centres, group_variance)
    groups_of_drawn = _log_gaussian(drawn, group_centres, group_variance)

    own = np.zeros((len(x), len(names)))
    own_of_drawn = np.zeros((len(drawn), len(names)))
    for held in range(n_folds):
        out = fold == held
        centres, variance = _centres(x[~out], label[~out], within[~out], len(names))
        own[out] = _log_gaussian(x[out], centres, variance)
        own_of_drawn += _log_gaussian(drawn, centres, variance) / n_folds
    measured = np.append(background.variance == 1.0, False)  # what is guessed, or far from everything, is no label's
    pairs, prefers = _preferences(own, np.where(measured, groups, -np.inf), label, within)
    music = ~np.array(noise)
    taken_by = _taken(pairs[0], prefers, music, groups.shape[1])
    said = np.zeros((len(x), len(names) + 1))
    for held in range(n_folds):
        out, votes = fold == held, pairs[1] % n_folds != held  # no file has a vote in what judges it
        said[out] = _scores(own[out], groups[out], _taken(pairs[0, votes], prefers[votes], music, groups.shape[1]))
    of_none = taken_by[np.arange(DRAWN) % len(background.centres)] == NOT_TAKEN
    said_of_none = _scores(own_of_drawn[of_none], groups_of_drawn[of_none], taken_by)

    temperature = min(_TEMPERATURES, key=lambda t: _loss(said / t, said_of_none / t, label, within))
    centres, variance = _centres(x, label, within, len(names))
    head = Head(
        names,
        noise,
        background.mean.astype(np.float32),
        np.ascontiguousarray(background.projection.T, np.float32),
        centres,
        variance,
        group_centres,
        group_variance,
        taken_by,
        float(temperature),
    )
    _, means = _by_file(_log_softmax(said / temperature), label, within)
    return head, Judged(names, pairs[0], _log_softmax(means))


def _preferences(own: DoubleArray, groups: DoubleArray, label: IntArray, file: IntArray) -> tuple[IntArray, IntArray]:
    """What each file sounds like.

    Args:
        own: (windows, labels) log likelihoods, of labels that were learned without the file.
        groups: (windows, groups) the same of the background's.
        label: (windows,) of each.
        file: (windows,) of each, within its label.

    Returns:
        (2, files) label and file; and (files,) the likeliest group, ``NOT_TAKEN`` where the label is likelier still.
    """
    pairs, means = _by_file(np.concatenate([own, groups], axis=1), label, file)
    of_label, of_groups = means[np.arange(pairs.shape[1]), pairs[0]], means[:, own.shape[1] :]
    return pairs, np.where(of_groups.max(axis=1) > of_label, of_groups.argmax(axis=1), NOT_TAKEN)


def _taken(label: IntArray, prefers: IntArray, music: NDArray[np.bool_], n_groups: int) -> IntArray:
    """(groups,) which label takes each group over; the one with the largest share of its files in it, if any.

    Noise takes none: a noise that the model knows is told by P(music) anyway.

    Args:
        label: (files,) of each file.
        prefers: (files,) as ``_preferences`` gives it.
        music: (labels,) false for noise.
        n_groups: with the last, which is nothing that could be taken.
    """
    votes = np.zeros((len(music), n_groups))
    np.add.at(votes, (label[prefers != NOT_TAKEN], prefers[prefers != NOT_TAKEN]), 1)
    share = votes / np.maximum(1, np.bincount(label, minlength=len(music)))[:, None]
    share[(votes < TAKING_FILES) | (share <= TAKING_SHARE) | ~music[:, None]] = 0.0
    return np.where(share.max(axis=0) > 0.0, share.argmax(axis=0), NOT_TAKEN)


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


def _scores(own: DoubleArray, groups: DoubleArray, taken_by: IntArray) -> DoubleArray:
    """(…, labels + 1) log likelihoods, but for a constant, from those of own labels and of groups.

    A label is an equal mixture of itself and what it takes over, none of the labels one of all other groups.
    """
    scores = np.concatenate([own, _mixture(groups[..., taken_by == NOT_TAKEN])], axis=-1)
    for k in set(taken_by.tolist()) - {NOT_TAKEN}:
        scores[..., k : k + 1] = _mixture(np.concatenate([own[..., k : k + 1], groups[..., taken_by == k]], axis=-1))
    return scores


def _mixture(parts: DoubleArray) -> DoubleArray:
    """(…, 1) log of the mean over the last axis of what (…, parts) are logarithms of."""
    highest = parts.max(axis=-1, keepdims=True)
    mixed: DoubleArray = highest + np.log(np.exp(parts - highest).mean(axis=-1, keepdims=True))
    return mixed


def _log_gaussian(x: DoubleArray, centres: DoubleArray, variance: DoubleArray) -> DoubleArray:
    """(…, n) of (…, directions) under n Gaussians of the same variance in each direction."""
    squares = np.square(x[..., None, :] - centres).sum(axis=-1)
    found: DoubleArray = -0.5 * (squares / variance + x.shape[-1] * np.log(variance))
    return found


def _loss(said: DoubleArray, said_of_none: DoubleArray, label: IntArray, file: IntArray) -> float:
    """Mean over labels, none included, of what unheard files cost: the less, the better the probabilities."""
    pairs, means = _by_file(_log_softmax(said), label, file)
    means = _log_softmax(means)
    costs = [-means[pairs[0] == k, k].mean() for k in np.unique(pairs[0])]
    if len(said_of_none):  # labels may have taken all groups over
        costs.append(-_log_softmax(said_of_none)[:, -1].mean())
    return float(np.mean(costs))


def _by_file(values: DoubleArray, label: IntArray, file: IntArray) -> tuple[IntArray, DoubleArray]:
    """(2, files) label and file, and the mean of each file's windows: what smoothing does live."""
    pairs, place = np.unique(np.stack([label, file]), axis=1, return_inverse=True)
    place = place.reshape(-1)
    return pairs, np.stack([values[place == k].mean(axis=0) for k in range(pairs.shape[1])])


def _log_softmax(scores: DoubleArray) -> DoubleArray:
    shifted = scores - scores.max(axis=-1, keepdims=True)
    normalised: DoubleArray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised
