"""Own labels beside the shipped ones: a streaming stage that reads the model's embedding.

It sees a running mean of the embedding, and the examples that a head learns from are values of the very same running
mean: what is learned and what is heard cannot drift apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from rtgenre.posterior.smoothing import Smoother

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.labels.head import Head
    from rtgenre.posterior.smoothing import SmootherState

    FloatArray = NDArray[np.float32]

MEAN_S = 5.0  # time constant of the running mean
FIRST_S = 3.0  # sound heard before the running mean is worth anything


@dataclass(slots=True)
class OwnState:
    """What the stage remembers of a piece.

    Attributes:
        mean: (trunk,) float32, running mean of the embedding.
        heard: hops that went into it.
        smoother: running mean of the head's log posterior.
        noise_smoother: the same of log P(not one's own noise) and log P(one's own noise).
        probs: (n_labels,) float32, last smoothed probabilities; what they lack to 1 is "none of these".
        noise: last smoothed probability of all labels that are noise.
    """

    mean: FloatArray
    heard: int
    smoother: SmootherState
    noise_smoother: SmootherState
    probs: FloatArray
    noise: float

    def copy(self) -> Self:
        """A snapshot that shares nothing."""
        return type(self)(
            self.mean.copy(),
            self.heard,
            self.smoother.copy(),
            self.noise_smoother.copy(),
            self.probs.copy(),
            self.noise,
        )


class OwnLabels:
    """From one embedding a hop to smoothed probabilities of one's own labels; holds constants only.

    Args:
        head: what was learned; None listens only, for the examples of a head to come.
        width: of the embedding.
        smoothing_s: time constant of the labels' smoothing, the posterior's own.
        noise_smoothing_s: time constant of the noise's, that of P(music).
        hops_per_s: rate at which ``step`` is called.

    Attributes:
        names: the labels, in the order of ``OwnState.probs``.
        first: hops heard before anything is said.
    """

    latency_samples = 0

    def __init__(
        self, head: Head | None, width: int, smoothing_s: float, noise_smoothing_s: float, hops_per_s: float
    ) -> None:
        self.head = head
        self.width = width
        self.names = head.names if head is not None else ()
        self.first = round(FIRST_S * hops_per_s)
        self._weight = -math.expm1(-1.0 / (MEAN_S * hops_per_s))
        self._noise = np.array(head.noise if head is not None else (), bool)
        self._smoother = Smoother(len(self.names) + 1, smoothing_s, hops_per_s)
        self._noise_smoother = Smoother(2, noise_smoothing_s, hops_per_s)

    def init_state(self) -> OwnState:
        """A state that has heard nothing."""
        return OwnState(
            np.zeros(self.width, np.float32),
            0,
            self._smoother.init_state(),
            self._noise_smoother.init_state(),
            np.zeros(len(self.names) + 1, np.float32)[:-1],  # as ``step`` makes them: so many bytes, first and last
            0.0,
        )

    def step(self, embedding: FloatArray, state: OwnState) -> OwnState:
        """Take one hop in; the engine's thread.

        Args:
            embedding: (trunk,) float32, ``ModelState.trunk`` of one stream.
            state: changed in place and returned; ``probs`` is a new array, so that an answer given stays as it is.
        """
        state.heard += 1
        state.mean += np.float32(max(self._weight, 1.0 / state.heard)) * (embedding - state.mean)
        if self.head is None or state.heard < self.first:
            return state
        said = self.head.log_posterior(state.mean)
        smoothed, state.smoother = self._smoother.step(said, state.smoother)
        state.probs = smoothed[:-1]
        if self._noise.any():
            # Never exactly 0 or 1: the logarithm is smoothed.
            noise = min(max(float(np.exp(said[:-1][self._noise]).sum()), 1e-9), 1.0 - 1e-9)
            both, state.noise_smoother = self._noise_smoother.step(
                np.array([math.log1p(-noise), math.log(noise)]), state.noise_smoother
            )
            state.noise = both.item(1)
        return state
