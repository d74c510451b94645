"""Figures of merit, computed from smoothed posteriors over time. Pure arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.posterior.smoothing import Smoother

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]
    BoolArray = NDArray[np.bool_]

_TEMPERATURES = np.geomspace(0.2, 5.0, 161)
_SPREAD = 0.5  # of its logarithm, before anything is heard; on hundreds of clips it is not felt


def log_softmax(logits: NDArray[np.floating]) -> FloatArray:
    """Logarithm of the softmax over the last axis, in float64."""
    shifted: FloatArray = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    log_sum: FloatArray = np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted - log_sum


def smooth(log_posteriors: FloatArray, smoother: Smoother) -> FloatArray:
    """Log posteriors (n_hops, n_labels) of one stream, smoothed as the live path smooths them."""
    smoothed = np.empty_like(log_posteriors, dtype=np.float64)
    state = smoother.init_state()
    for hop, value in enumerate(log_posteriors):
        _, state = smoother.step(value, state)
        smoothed[hop] = state.mean
    return log_softmax(smoothed)


def hops_within(seconds: float, sample_rate: int, n_fft: int, hop: int) -> int:
    """How many whole windows end within so many seconds of sound (no padding)."""
    return max(0, (int(seconds * sample_rate) - n_fft) // hop + 1)


def bootstrap_interval(
    hits: BoolArray | FloatArray, artist: IntArray, seed: int = 0, draws: int = 2000
) -> tuple[float, float]:
    """95 % interval of an accuracy or another mean; whole artists are drawn, as an artist's clips are not independent.

    Percentile bootstrap over clusters (Efron & Tibshirani 1993, chapter 8).

    Args:
        hits: (clips,) whether each clip was right, or a value of each (a difference: the interval is then paired).
        artist: (clips,) its artist.
        seed: of the draws.
        draws: number of them.
    """
    _, group = np.unique(artist, return_inverse=True)
    right, size = np.bincount(group, hits), np.bincount(group)
    drawn = np.random.default_rng(seed).integers(len(size), size=(draws, len(size)))
    low, high = np.quantile(right[drawn].sum(axis=1) / size[drawn].sum(axis=1), (0.025, 0.975))
    return float(low), float(high)


def calibration_error(posterior: FloatArray, label: IntArray, bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017, equation 3).

    Args:
        posterior: (clips, n_labels).
        label: (clips,).
        bins: of equal width over the confidence.
    """
    confidence, right = posterior.max(axis=1), posterior.argmax(axis=1) == label
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.abs(np.bincount(which, right, bins) - np.bincount(which, confidence, bins))
    return float(gap.sum() / len(label))


def log_loss(log_posterior: FloatArray, label: IntArray) -> float:
    """Mean negative log posterior of the right label, in nats."""
    return float(-np.take_along_axis(log_posterior, label[:, None], axis=1).mean())


def auroc(positive: NDArray[np.floating], negative: NDArray[np.floating]) -> float:
    """Probability that a positive scores above a negative, ties counted half (Mann & Whitney 1947).

    Args:
        positive: (n,) scores, at least one.
        negative: (m,) scores, at least one.
    """
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left")
    ties = np.searchsorted(ordered, positive, "right") - below
    return float((below + 0.5 * ties).sum() / (len(positive) * len(negative)))


def fit_temperature(smoothed_logits: FloatArray, label: IntArray) -> float:
    """The temperature that makes the log loss least (Guo et al. 2017, section 4.2), by search over a grid.

    It is drawn towards 1 as if its logarithm were normally distributed: a few clips that all are right do not make a
    model sure of everything. It may be fitted after smoothing: averaging log posteriors and dividing logits by a
    constant commute.

    Args:
        smoothed_logits: (clips, n_labels), up to a constant for each clip.
        label: (clips,).
    """
    losses = [log_loss(log_softmax(smoothed_logits / t), label) for t in _TEMPERATURES]
    prior = (np.log(_TEMPERATURES) / _SPREAD) ** 2 / 2 / len(label)
    return float(_TEMPERATURES[int(np.argmin(losses + prior))])
