"""What was said before another track was taken to have begun: kept, for that may turn out to be a mistake.

A cut is believed a second or two after it, on little evidence; what is heard in the next seconds is a good deal more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from rtgenre.posterior.smoothing import probabilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.records import FloatArray


@dataclass(slots=True)
class Former:
    """What was said by the state whose place was taken.

    Attributes:
        mean: (n_labels,) float64, its smoothed log posterior.
        probs: (n_labels,) float32, the same as probabilities.
        before: (n_traits,) float32, by which it is compared: just before the cut.
        heard: hops that it had heard; 0: there is none.
    """

    mean: NDArray[np.float64]
    probs: FloatArray
    before: FloatArray
    heard: int = 0

    @classmethod
    def of_size(cls, n_labels: int, n_traits: int) -> Self:
        """None, but room for one: nothing is allocated while sound is heard."""
        return cls(np.zeros(n_labels), np.zeros(n_labels, np.float32), np.zeros(n_traits, np.float32))

    def keep(self, mean: NDArray[np.float64], before: FloatArray, heard: int) -> None:
        """Instead of what was kept until now, copies of what is given; see the attributes."""
        self.mean[:], self.probs[:], self.before[:], self.heard = mean, probabilities(mean), before, heard

    def clear(self) -> None:
        """Forget it."""
        self.heard = 0

    def copy(self) -> Self:
        """A snapshot that shares nothing."""
        return type(self)(self.mean.copy(), self.probs.copy(), self.before.copy(), self.heard)

    def joined(self, mean: NDArray[np.float64], heard: int, time_constant: float) -> NDArray[np.float64]:
        """What would be said if no track had begun, about as one smoothing over both would have it.

        That is a plain mean of what was heard until it has heard its time constant, and forgets from there on.

        Args:
            mean: (n_labels,) of the state that took the place.
            heard: hops that it has heard, at least 1.
            time_constant: of the smoothing, in hops.

        Returns:
            (n_labels,) float64, a new array.
        """
        plainly = min(heard, max(0.0, time_constant - self.heard))
        share = self.heard / (self.heard + plainly) * math.exp((plainly - heard) / time_constant)
        both: NDArray[np.float64] = share * self.mean + (1.0 - share) * mean
        return both
