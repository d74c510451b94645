"""What the benchmarks listen to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtgenre.audio.synth import render_medley

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_START_S = 1.0  # the medley fades in, and a piece begins where its sound does: the benchmarks count from the first hop


def music(n_samples: int, sample_rate: int) -> NDArray[np.float32]:
    """(n_samples,) of the demo's medley: its tracks change, and what that costs is a part of the whole."""
    start = round(_START_S * sample_rate)
    return render_medley(0, (start + n_samples) / sample_rate + 1.0, sample_rate)[start : start + n_samples]
