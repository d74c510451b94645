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
def best_split(frames: FloatArray, least_before: int, least_after: int) -> int:
    """How many of the last frames are better told apart from those before them than any other number of them.

    Args:
        frames: (n, n_values) float32, normalised, oldest first.
        least_before: frames that must come before.
        least_after: frames that must come after.

    Returns:
        From ``least_after`` to ``n - least_before``; 0 where there are too few frames.
    """
    n, n_values = frames.shape
    if n < least_before + least_after:
        return 0
    floor = 0.05  # of the variance, of all music's being 1: a held tone does not make everything else a change
    costs = np.zeros(n + 1)
    for j in range(n_values):
        total, squares = 0.0, 0.0
        for i in range(n):
            x = np.float64(frames[i, j])
            total += x
            squares += x * x
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
    return int(n - best)
