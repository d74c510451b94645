"""Smoothing of the posterior over time: a streaming stage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(slots=True)
class SmootherState:
    """Running mean of the log posterior.

    Attributes:
        mean: (n_labels,) float64.
        hops: hops that went into it.
        weight: sum of what they weigh.
    """

    mean: NDArray[np.float64]
    hops: int = 0
    weight: float = 0.0

    def copy(self) -> Self:
        """A snapshot that shares nothing."""
        return type(self)(self.mean.copy(), self.hops, self.weight)


class Smoother:
    """Exponential mean of log posteriors: a product of experts that forgets.

    It starts as a mean of all that was heard, so that no initial value leaks in, and becomes exponential once it has
    heard its time constant. In the first seconds each answer knows more than the one before, from running statistics
    that fill: there a hop weighs by the cube of its age (``docs/experiments.md``).

    Args:
        n_labels: number of genres.
        time_constant_s: after this time a hop weighs 1/e of a new one.
        hops_per_s: rate at which ``step`` is called.
        onset_s: from this age on all hops weigh the same; 0: from the first.
    """

    latency_samples = 0

    def __init__(self, n_labels: int, time_constant_s: float, hops_per_s: float, onset_s: float = 0.0) -> None:
        self.n_labels = n_labels
        self._onset = max(1.0, onset_s * hops_per_s)
        self._least = 1.0 - math.exp(-1.0 / (time_constant_s * hops_per_s))

    def init_state(self) -> SmootherState:
        """A state that has heard nothing."""
        return SmootherState(np.full(self.n_labels, -math.log(self.n_labels)))

    def step(
        self, log_posterior: NDArray[np.float64], state: SmootherState
    ) -> tuple[NDArray[np.float32], SmootherState]:
        """Take one hop in.

        Args:
            log_posterior: (n_labels,) float64, from ``calibration.log_softmax``.
            state: changed in place and returned.

        Returns:
            (n_labels,) float32, sums to 1, and the state.
        """
        state.hops += 1
        weight = min(state.hops / self._onset, 1.0) ** 3
        state.weight += weight
        state.mean += max(self._least, weight / state.weight) * (log_posterior - state.mean)
        return probabilities(state.mean), state


def probabilities(log_posterior: NDArray[np.float64]) -> NDArray[np.float32]:
    """From logarithms, less any constant, to probabilities.

    Args:
        log_posterior: (n_labels,) float64.

    Returns:
        (n_labels,) float32, sums to 1; a new array.
    """
    probs: NDArray[np.float64] = np.exp(log_posterior - log_posterior.max())
    probs /= probs.sum()
    return probs.astype(np.float32)
