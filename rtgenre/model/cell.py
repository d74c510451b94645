"""The network's step as one numba kernel: no torch, no allocation, the GIL released.

How the weights are laid out, and why, is told in ``packed``. Everything compiled is in this one file: numba's cache
watches only the file of the entry point.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rtgenre.model.packed import Scratch, Weights

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int32]

_LOG2_E = np.float32(1.4426950408889634)
# ln 2 in two parts (Cody & Waite): n·_LN2_HIGH is exact for |n| < 2^11, so the reduced argument loses nothing.
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(-2.12194440e-4)
_EXP_LIMIT = np.float32(60.0)  # beyond it sigmoid and tanh are 0 or ±1 in float32; keeps the squares finite
# As in ``architecture``, but written here: the cache would not notice a change there. A test compares them.
_VARIANCE_FLOOR = np.float32(1e-4)
_HEARD_LIMIT = np.int32(1 << 20)
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_TWO = np.float32(2.0)

# "contract" allows fused multiply-add. Nothing that reorders sums or assumes finite values is allowed:
# results must not depend on the vector width more than rounding does, and NaN must be seen to be removed.
_ALLOWED = {"contract", "nsz"}


def _part(function: Callable[..., None]) -> Any:
    """A function that the kernel calls."""
    return njit(nogil=True, error_model="numpy", fastmath=_ALLOWED)(function)


def _kernel(function: Callable[..., None]) -> Any:
    """The entry point: kept on disk between runs, where a folder can be written."""
    try:
        return njit(nogil=True, error_model="numpy", fastmath=_ALLOWED, cache=True)(function)
    except RuntimeError:  # numba found no folder; NUMBA_CACHE_DIR can name one
        return _part(function)


@_part
def _affine(matrix: FloatArray, inputs: FloatArray, out: FloatArray) -> None:
    """``out = inputs · matrix[:-1] + matrix[-1]``; the number of inputs is a multiple of 8 (``packed`` sees to it)."""
    n_inputs = matrix.shape[0] - 1
    for j in range(out.size):
        out[j] = matrix[n_inputs, j]
    for k in range(0, n_inputs, 8):
        a0, a1, a2, a3 = inputs[k], inputs[k + 1], inputs[k + 2], inputs[k + 3]
        a4, a5, a6, a7 = inputs[k + 4], inputs[k + 5], inputs[k + 6], inputs[k + 7]
        m0, m1, m2, m3 = matrix[k], matrix[k + 1], matrix[k + 2], matrix[k + 3]
        m4, m5, m6, m7 = matrix[k + 4], matrix[k + 5], matrix[k + 6], matrix[k + 7]
        for j in range(out.size):
            out[j] += ((a0 * m0[j] + a1 * m1[j]) + (a2 * m2[j] + a3 * m3[j])) + (
                (a4 * m4[j] + a5 * m5[j]) + (a6 * m6[j] + a7 * m7[j])
            )


@_part
def _exp(values: FloatArray, bits: IntArray, powers: IntArray) -> None:
    """Exponential in place, within 2 units in the last place; ``bits`` is the same memory as int32.

    Range reduction to |r| ≤ ln2/2 and the degree-6 polynomial of Cephes' ``expf`` (Moshier); the power of two
    is added to the exponent's bits. A call of the C library per element would not vectorise, and neither would one
    loop over both views of the memory: hence ``powers``, scratch of the same size.
    """
    for i in range(values.size):
        x = min(max(values[i], -_EXP_LIMIT), _EXP_LIMIT)
        n = np.int32(x * _LOG2_E + np.float32(256.5)) - np.int32(256)
        r = (x - np.float32(n) * _LN2_HIGH) - np.float32(n) * _LN2_LOW
        p = np.float32(1.9875691500e-4)
        p = p * r + np.float32(1.3981999507e-3)
        p = p * r + np.float32(8.3334519073e-3)
        p = p * r + np.float32(4.1665795894e-2)
        p = p * r + np.float32(1.6666665459e-1)
        p = p * r + np.float32(5.0000001201e-1)
        values[i] = p * (r * r) + r + _ONE
        powers[i] = n << np.int32(23)
    for i in range(bits.size):
        bits[i] += powers[i]


@_part
def _relu(values: FloatArray) -> None:
    """In place."""
    for i in range(values.size):
        values[i] = max(values[i], _ZERO)


@_part
def _convolve(matrix: FloatArray, history: FloatArray, read: FloatArray, scratch: Scratch) -> None:
    """One convolution: ``scratch.given = relu(…)`` of two hops of ``history`` (2, n) and of ``read`` (n,).

    ``history`` moves on by a hop. Rows of the matrix beyond 3n are padding, of zero weight.
    """
    n = read.size
    for i in range(3 * n, matrix.shape[0] - 1):
        scratch.stretch[i] = _ZERO  # another layer was here
    for i in range(n):
        scratch.stretch[i] = history[0, i]
        scratch.stretch[n + i] = history[1, i]
        scratch.stretch[2 * n + i] = read[i]
        history[0, i] = history[1, i]
        history[1, i] = read[i]
    _affine(matrix, scratch.stretch, scratch.given)
    _relu(scratch.given)


@_part
def _encode(
    weights: Weights,
    scratch: Scratch,
    heard: int,
    history: FloatArray,
    pooled_mean: FloatArray,
    pooled_variance: FloatArray,
    embedding_mean: FloatArray,
) -> None:
    """The encoder of one stream: ``scratch.inputs`` = [z | | ] → [z | e | running mean of e]; the rest is state."""
    width, n_inputs, n_embedding = pooled_mean.size, weights.scale.shape[1], embedding_mean.size
    present, pooled, inputs = scratch.present, scratch.pooled, scratch.inputs
    start = history.shape[1] - weights.convs.shape[0] * width  # the first convolution reads so many features
    _convolve(weights.first_conv, history[:, :start], inputs[:start], scratch)
    for i in range(width):
        present[i] = scratch.given[i]
    for layer in range(weights.convs.shape[0]):
        _convolve(weights.convs[layer], history[:, start : start + width], present, scratch)
        start += width
        for i in range(width):
            present[i] += scratch.given[i]

    plain = _ONE / np.float32(heard + 1)
    weight = max(plain, weights.least_pooling)
    for i in range(width):
        difference = present[i] - pooled_mean[i]
        pooled_mean[i] += weight * difference
        pooled_variance[i] = (_ONE - weight) * (pooled_variance[i] + weight * difference * difference)
        pooled[i] = pooled_mean[i]
        pooled[width + i] = np.sqrt(pooled_variance[i] + _VARIANCE_FLOOR)
    _affine(weights.encoder_head, pooled, scratch.embedder)
    _relu(scratch.embedder)
    _affine(weights.embedding, scratch.embedder, inputs[n_inputs : n_inputs + n_embedding])

    weight = max(plain, weights.least_embedding)
    for i in range(n_embedding):
        embedding_mean[i] += weight * (inputs[n_inputs + i] - embedding_mean[i])
        inputs[n_inputs + n_embedding + i] = embedding_mean[i]


@_part
def _adapt(weights: Weights, scratch: Scratch, trunk: FloatArray) -> None:
    """Add the adapters' shares to the trunk's values (before their ``relu``), in place; nothing where there is none."""
    n_values = weights.adapter_up.shape[0] - 1
    if n_values == 0:
        return
    _affine(weights.adapter_down, scratch.inputs, scratch.adapter)
    rank = n_values // weights.adapters
    for adapter in range(weights.adapters):
        gate = min(max(-scratch.adapter[n_values + adapter], -_EXP_LIMIT), _EXP_LIMIT)
        share = _ONE / (_ONE + np.exp(gate))
        for i in range(adapter * rank, (adapter + 1) * rank):
            scratch.adapter[i] *= share
    _affine(weights.adapter_up, scratch.adapter, scratch.added)
    for j in range(trunk.size):
        trunk[j] += scratch.added[j]


@_part
def _cell(matrix: FloatArray, h: FloatArray, c: FloatArray, scratch: Scratch) -> None:
    """One LSTM cell (Hochreiter & Schmidhuber 1997, with forget gate) on ``scratch.lower`` = [below | ].

    Args:
        matrix: (n_below + hidden + 1, 4 * hidden).
        h: (hidden,), replaced.
        c: (hidden,), replaced.
        scratch: ``lower`` becomes [h | …]: what the next cell reads.
    """
    hidden = c.size
    n_below = matrix.shape[0] - 1 - hidden
    gates, bits, lower = scratch.gates, scratch.gate_bits, scratch.lower
    for j in range(hidden):
        lower[n_below + j] = h[j]
    _affine(matrix, lower, gates)
    _exp(gates, bits, scratch.powers)
    for j in range(hidden):
        kept = c[j] / (_ONE + gates[hidden + j])
        added = (_TWO / (_ONE + gates[3 * hidden + j]) - _ONE) / (_ONE + gates[j])
        c[j] = kept + added
        gates[j] = -_TWO * c[j]
    _exp(gates[:hidden], bits[:hidden], scratch.powers)
    for j in range(hidden):
        squashed = _TWO / (_ONE + gates[j]) - _ONE
        h[j] = squashed / (_ONE + gates[2 * hidden + j])
        lower[j] = h[j]


@_kernel
def step(
    x: FloatArray,
    weights: Weights,
    scratch: Scratch,
    h: FloatArray,
    c: FloatArray,
    history: FloatArray,
    pooled_mean: FloatArray,
    pooled_variance: FloatArray,
    embedding_mean: FloatArray,
    heard: IntArray,
    trunk: FloatArray,
    out: FloatArray,
) -> None:
    """One hop for each stream of a batch.

    Args:
        x: (batch, n_features) float32; NaN counts as the feature's mean.
        weights: packed constants.
        scratch: working memory.
        h: this and what follows up to ``trunk``: the fields of ``ModelState``, updated in place.
        c: see ``h``.
        history: see ``h``.
        pooled_mean: see ``h``.
        pooled_variance: see ``h``.
        embedding_mean: see ``h``.
        heard: see ``h``.
        trunk: see ``h``.
        out: (batch, n_outputs) float32.
    """
    hidden, n_trunk, clip = c.shape[2], trunk.shape[1], weights.input_clip
    lower = scratch.lower
    for row in range(x.shape[0]):
        for i in range(x.shape[1]):
            z = (x[row, i] - weights.scale[0, i]) * weights.scale[1, i]
            z = _ZERO if np.isnan(z) else z
            scratch.inputs[i] = min(max(z, -clip), clip)
        _encode(weights, scratch, heard[row], history[row], pooled_mean[row], pooled_variance[row], embedding_mean[row])
        heard[row] = min(heard[row] + 1, _HEARD_LIMIT)
        _affine(weights.trunk, scratch.inputs, trunk[row])
        _adapt(weights, scratch, trunk[row])
        _relu(trunk[row])
        for j in range(n_trunk):
            lower[j] = trunk[row, j]
        _cell(weights.first_cell, h[0, row], c[0, row], scratch)
        for layer in range(1, c.shape[0]):
            _cell(weights.cells[layer - 1], h[layer, row], c[layer, row], scratch)
        for j in range(n_trunk):
            lower[hidden + j] = trunk[row, j]
        _affine(weights.head, lower, scratch.outputs)
        for k in range(out.shape[1]):
            out[row, k] = scratch.outputs[k]


def is_compiled() -> bool:
    """Whether ``step`` is on disk already, so that warming takes no compiler; only a progress note depends on it."""
    folder = step.stats.cache_path
    if folder is None:
        return False
    written = Path(__file__).stat().st_mtime
    return any(index.stat().st_mtime >= written for index in Path(folder).glob("cell.step-*.nbi"))
