"""From logits to a calibrated log posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def log_softmax(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Log posterior of logits divided by a temperature.

    Source: Guo et al., On Calibration of Modern Neural Networks (2017), eq. 9.

    Args:
        logits: (n_labels,) float32.
        temperature: > 0; above 1 makes the posterior less sure. Fitted on held-out artists.

    Returns:
        (n_labels,) float64; its exponentials sum to 1.
    """
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max()
    normalised: NDArray[np.float64] = scaled - np.log(np.exp(scaled).sum())
    return normalised
