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

        Args:
            mean: (n_labels,) of the state that took the place.
            heard: hops that it has heard, at least 1.
            time_constant: of the smoothing, in hops.

        Returns:
            (n_labels,) float64, a new array.
        """
        old = min(self.heard, time_constant) * math.exp(-heard / time_constant)
        new = min(heard, time_constant)
        both: NDArray[np.float64] = (old * self.mean + new * mean) / (old + new)
        return both
