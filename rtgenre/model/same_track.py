"""Is it still the same track? A comparison of what two states have heard, whatever genre it is.

A Siamese network (Bromley et al. 1993, "Signature Verification using a Siamese Time Delay Neural Network"): one affine
map makes an *imprint* of a frame, whose running statistics tell one recording from another; a small network compares
two imprints. It is learned from pairs of states that heard the same clip and pairs that did not. No torch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numba import njit

from rtgenre.frontend.spec import AGE_NAMES
from rtgenre.model.architecture import IMPRINT, SAME_TRACK

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint

    FloatArray = NDArray[np.float32]

SQUASH = 3.0  # an affine value is divided by so much before its hyperbolic tangent: sums of many inputs are large


class SameTrack:
    """Compares what two states have heard; constants only, any thread.

    Args:
        checkpoint: whose tensors these are; it must have them.

    Attributes:
        n_traits: values that are kept of a state.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        own = (name for name in checkpoint.tensors if name.startswith(SAME_TRACK))
        tensors = {name.removeprefix(SAME_TRACK): checkpoint.tensors[name] for name in own}
        weight, scale = tensors["imprint.weight"].copy(), (1.0 / checkpoint.std).astype(np.float32)
        if checkpoint.spec.age:
            weight[:, -len(AGE_NAMES) :] = 0.0  # how long was heard tells nothing of what
        # Row after row, as the kernels read them: columns would take five times as long.
        self._imprint = np.ascontiguousarray(np.vstack((weight.T, tensors["imprint.bias"])), np.float32)
        self._scale = np.stack((checkpoint.mean, scale)).astype(np.float32)
        self._clip = np.float32(checkpoint.architecture.input_clip)
        compare = np.vstack((tensors["compare.weight"].T, tensors["compare.bias"]))
        self._compare = np.ascontiguousarray(compare, np.float32)
        self._tell, self._bias = np.ascontiguousarray(tensors["tell.weight"][0]), np.float32(tensors["tell.bias"][0])
        self._hops_per_s, self.n_traits = checkpoint.hops_per_s, IMPRINT + checkpoint.spec.n_frame_features

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Self | None:
        """That of a checkpoint; None where it has none."""
        return cls(checkpoint) if any(name.startswith(SAME_TRACK) for name in checkpoint.tensors) else None

    def traits(self, frame: FloatArray, out: FloatArray) -> None:
        """What is kept of a state to compare it with another: its imprint, and the frame's own features, normalised.

        Args:
            frame: (n_features,) float32, as the frontend makes it; NaN counts as the feature's mean.
            out: (n_traits,) float32, written: the imprint, ``IMPRINT`` values between -1 and 1, and the features.
        """
        _traits(frame, self._scale, self._clip, self._imprint, out)

    def warm(self) -> None:
        """Compile or load the kernels."""
        traits = np.zeros(self.n_traits, np.float32)
        self.traits(self._scale[0], traits)
        self.another(traits, traits, 1)

    def another(self, before: FloatArray, now: FloatArray, heard: int) -> float:
        """Log odds that two states hear different tracks, of as many that do as do not.

        Args:
            before: (n_traits,) of the state that has heard more.
            now: (n_traits,) of a young one.
            heard: hops that the young one has heard, at least 1.
        """
        age = np.float32(math.log(heard / self._hops_per_s))
        return float(_compare(before, now, age, self._compare, self._tell, self._bias))


def _part(function: Callable[..., Any]) -> Any:
    """Kept on disk between runs, where a folder can be written."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no folder; NUMBA_CACHE_DIR can name one
        return njit(**options)(function)


@_part
def _traits(frame: FloatArray, scale: FloatArray, clip: np.float32, matrix: FloatArray, out: FloatArray) -> None:
    n_inputs, width = matrix.shape[0] - 1, matrix.shape[1]
    imprint = out[:width]
    for j in range(width):
        imprint[j] = matrix[n_inputs, j]
    for k in range(n_inputs):
        z = (frame[k] - scale[0, k]) * scale[1, k]
        z = np.float32(0.0) if np.isnan(z) else min(max(z, -clip), clip)
        if k < out.size - width:
            out[width + k] = z
        for j in range(width):
            imprint[j] += z * matrix[k, j]
    for j in range(width):
        imprint[j] = np.tanh(imprint[j] / np.float32(3.0))  # SQUASH: the cache would not notice a change of it


@_part
def _compare(
    before: FloatArray, now: FloatArray, age: np.float32, matrix: FloatArray, tell: FloatArray, bias: np.float32
) -> np.float32:
    n, hidden = (matrix.shape[0] - 2) // 2, np.empty(tell.size, np.float32)
    for j in range(hidden.size):
        hidden[j] = matrix[2 * n + 1, j] + age * matrix[2 * n, j]
    for k in range(n):
        apart, alike = abs(before[k] - now[k]), before[k] * now[k]
        for j in range(hidden.size):
            hidden[j] += apart * matrix[k, j] + alike * matrix[n + k, j]
    said = bias
    for j in range(hidden.size):
        said += tell[j] * max(hidden[j], np.float32(0.0))
    return said
