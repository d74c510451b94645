"""What the benchmarks listen to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rtgenre.audio.synth import render_medley

if TYPE_CHECKING:
    from numpy.typing import NDArray

_START_S = 1.0  # its very first samples are silent, and a piece begins where its sound does: that would be a hop less
_LONGEST_S = 300.0  # it takes two seconds to render so much; who asks for more hears it again


def music(n_samples: int, sample_rate: int) -> NDArray[np.float32]:
    """(n_samples,) of the demo's medley: its tracks change, and what that costs is a part of the whole."""
    start = round(_START_S * sample_rate)
    rendered = render_medley(0, min((start + n_samples) / sample_rate, _LONGEST_S), sample_rate)
    return np.resize(rendered[start:], n_samples)
