"""Where in the last seconds would another track have begun, if one did?

The frames before and after it are two Gaussian distributions rather than one: the split that makes them likeliest is
the place (Chen & Gopalakrishnan 1998, "Speaker, environment and channel change detection and clustering via the
Bayesian information criterion", with diagonal covariances). Whether it *is* another track is for others to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]


def _compiled(function: Callable[..., int]) -> Any:
    """Kept on disk between runs, where a folder can be written."""
    try:
        return njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # numba found no folder; NUMBA_CACHE_DIR can name one
        return njit(nogil=True, error_model="numpy")(function)


@_compiled
def best_split(frames: FloatArray, least_before: int, least_after: int, least_gain: float = 0.0) -> int:
    """How many of the last frames are better told apart from those before them than any other number of them.

    Args:
        frames: (n, n_values) float32, normalised, oldest first.
        least_before: frames that must come before.
        least_after: frames that must come after.
        least_gain: by so much must two be likelier than one for all frames: twice the log likelihood gained, for each
            of ``before · after / n`` frames (of so many does it grow with how much was heard).

    Returns:
        From ``least_after`` to ``n - least_before``; 0 where there are too few frames, or they are one.
    """
    n, n_values = frames.shape
    if n < least_before + least_after:
        return 0
    floor = 0.05  # of the variance, of all music's being 1: a held tone does not make everything else a change
    costs, whole = np.zeros(n + 1), 0.0
    for j in range(n_values):
        total, squares = 0.0, 0.0
        for i in range(n):
            x = np.float64(frames[i, j])
            total += x
            squares += x * x
        whole += n * np.log(squares / n - (total / n) * (total / n) + floor)
        first, first_squares = 0.0, 0.0
        for i in range(n - least_after):
            x = np.float64(frames[i, j])
            first += x
            first_squares += x * x
            before = i + 1
            if before >= least_before:
                after = n - before
                mean, last_mean = first / before, (total - first) / after
                variance = first_squares / before - mean * mean + floor
                last_variance = (squares - first_squares) / after - last_mean * last_mean + floor
                costs[before] += before * np.log(variance) + after * np.log(last_variance)
    best = least_before
    for before in range(least_before, n - least_after + 1):
        if costs[before] < costs[best]:
            best = before
    if least_gain > 0.0 and whole - costs[best] < least_gain * best * (n - best) / n:
        return 0
    return int(n - best)
