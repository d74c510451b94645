"""What was said before another track was taken to have begun: kept, for that may turn out to be a mistake.

A cut is believed a second or two after it, on little evidence; what is heard in the next seconds is a good deal more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rtgenre.records import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Former:
    """What was said by the state whose place was taken. Nothing in it is ever written to.

    Attributes:
        mean: (n_labels,) float64, its smoothed log posterior.
        probs: (n_labels,) float32, the same as probabilities.
        before: (n_traits,) float32, by which it is compared: just before the cut.
        heard: hops that it had heard.
    """

    mean: NDArray[np.float64]
    probs: FloatArray
    before: FloatArray
    heard: int

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
