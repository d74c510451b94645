"""The network's step as one numba kernel: no torch, no allocation, the GIL released.

Each gate needs ``1 / (1 + exp(-a))``, and ``tanh(a) = 2 / (1 + exp(-2a)) - 1``. So the signs and the factor 2
are folded into the weights when they are packed, all four gates are one vector, and one vectorised exponential
serves them all. Matrices are stored transposed, (inputs + 1, outputs) with the bias as last row, so that the
inner loop runs over outputs: contiguous, free of dependencies, and fused multiply-add without reordering.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int32]

_UNROLL = 8  # rows of a matrix taken at once; input widths are padded to a multiple of it
_LANES = 16  # float32 in the widest vector register; output widths of the head are padded to it
_LOG2_E = np.float32(1.4426950408889634)
# ln 2 in two parts (Cody & Waite): n·_LN2_HIGH is exact for |n| < 2^11, so the reduced argument loses nothing.
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(-2.12194440e-4)
_EXP_LIMIT = np.float32(60.0)  # beyond it sigmoid and tanh are 0 or ±1 in float32; keeps the squares finite
_ONE = np.float32(1.0)
_TWO = np.float32(2.0)


class Weights(NamedTuple):
    """Packed constants of the kernel; all float32, rows 64-byte aligned.

    Attributes:
        scale: (2, n_inputs): mean and 1/std, zero where padded.
        projection: (n_inputs + 1, hidden).
        cells: (layers, 2 * hidden + 1, 4 * hidden); inputs are [below | h], gates in order i, f, o, g.
        head: (2 * hidden + 1, n_outputs); inputs are [h | u], outputs padded with zeros.
    """

    scale: FloatArray
    projection: FloatArray
    cells: FloatArray
    head: FloatArray


class Scratch(NamedTuple):
    """Working memory of one ``step``; whoever steps concurrently needs one each.

    Attributes:
        inputs: (n_inputs,) float32: normalised input.
        lower: (2 * hidden,) float32: what a matrix is applied to.
        projected: (hidden,) float32: u.
        gates: (4 * hidden,) float32.
        gate_bits: the same memory as int32.
        powers: (4 * hidden,) int32: powers of two of ``_exp``.
        outputs: (n_outputs,) float32.
    """

    inputs: FloatArray
    lower: FloatArray
    projected: FloatArray
    gates: FloatArray
    gate_bits: IntArray
    powers: IntArray
    outputs: FloatArray


def aligned(*shape: int) -> FloatArray:
    """Zeros of float32 whose first element lies on a cache line (64 bytes)."""
    size = int(np.prod(shape))
    raw = np.zeros(size + 16, np.float32)
    start = (-raw.ctypes.data // 4) % 16
    return raw[start : start + size].reshape(shape)


def pack(checkpoint: Checkpoint) -> Weights:
    """Transpose, reorder and pre-scale a checkpoint's tensors for ``step``."""
    shape, tensors = checkpoint.architecture, checkpoint.tensors
    hidden, n_features, n_labels = shape.hidden, checkpoint.mean.size, len(checkpoint.labels)
    n_inputs = -(-n_features // _UNROLL) * _UNROLL

    scale = aligned(2, n_inputs)
    scale[0, :n_features] = checkpoint.mean
    scale[1, :n_features] = 1.0 / checkpoint.std

    projection = aligned(n_inputs + 1, hidden)
    projection[:n_features] = -2.0 * tensors["projection.weight"].T
    projection[-1] = -2.0 * tensors["projection.bias"]

    cells = aligned(shape.layers, 2 * hidden + 1, 4 * hidden)
    gates = np.arange(4 * hidden).reshape(4, hidden)[[0, 1, 3, 2]].ravel()  # torch: i, f, g, o
    signs = np.repeat(np.array([-1, -1, -1, -2], np.float32), hidden)
    for layer, cell in enumerate(cells):
        cell[:hidden] = tensors[f"lstm.weight_ih_l{layer}"][gates].T * signs
        cell[hidden:-1] = tensors[f"lstm.weight_hh_l{layer}"][gates].T * signs
        bias = tensors[f"lstm.bias_ih_l{layer}"] + tensors[f"lstm.bias_hh_l{layer}"]
        cell[-1] = bias[gates] * signs

    head = aligned(2 * hidden + 1, -(-n_labels // _LANES) * _LANES)
    head[:-1, :n_labels] = tensors["head.weight"].T
    head[-1, :n_labels] = tensors["head.bias"]
    return Weights(scale, projection, cells, head)


def scratch_for(weights: Weights) -> Scratch:
    """Working memory of the right sizes."""
    hidden = weights.projection.shape[1]
    gates = aligned(4 * hidden)
    return Scratch(
        inputs=aligned(weights.scale.shape[1]),
        lower=aligned(2 * hidden),
        projected=aligned(hidden),
        gates=gates,
        gate_bits=gates.view(np.int32),
        powers=aligned(4 * hidden).view(np.int32),
        outputs=aligned(weights.head.shape[1]),
    )


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
    """``out = inputs · matrix[:-1] + matrix[-1]``; the number of inputs is a multiple of ``_UNROLL``."""
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
def _cell(matrix: FloatArray, c: FloatArray, scratch: Scratch) -> None:
    """One LSTM cell (Hochreiter & Schmidhuber 1997, with forget gate): ``scratch.lower`` = [below | h] → [ | h]."""
    hidden = c.size
    gates, bits = scratch.gates, scratch.gate_bits
    _affine(matrix, scratch.lower, gates)
    _exp(gates, bits, scratch.powers)
    for j in range(hidden):
        kept = c[j] / (_ONE + gates[hidden + j])
        added = (_TWO / (_ONE + gates[3 * hidden + j]) - _ONE) / (_ONE + gates[j])
        c[j] = kept + added
        gates[j] = -_TWO * c[j]
    _exp(gates[:hidden], bits[:hidden], scratch.powers)
    for j in range(hidden):
        squashed = _TWO / (_ONE + gates[j]) - _ONE
        scratch.lower[hidden + j] = squashed / (_ONE + gates[2 * hidden + j])


@_kernel
def step(
    x: FloatArray,
    weights: Weights,
    input_clip: np.float32,
    scratch: Scratch,
    h: FloatArray,
    c: FloatArray,
    out: FloatArray,
) -> None:
    """One hop for each stream of a batch.

    Args:
        x: (batch, n_features) float32; NaN counts as the feature's mean.
        weights: packed constants.
        input_clip: limit of the normalised inputs.
        scratch: working memory.
        h: (layers, batch, hidden) float32, updated in place.
        c: (layers, batch, hidden) float32, updated in place.
        out: (batch, n_labels) float32: the logits.
    """
    hidden = c.shape[2]
    lower = scratch.lower
    for row in range(x.shape[0]):
        for i in range(x.shape[1]):
            z = (x[row, i] - weights.scale[0, i]) * weights.scale[1, i]
            z = np.float32(0.0) if np.isnan(z) else z
            scratch.inputs[i] = min(max(z, -input_clip), input_clip)
        _affine(weights.projection, scratch.inputs, scratch.gates[:hidden])
        _exp(scratch.gates[:hidden], scratch.gate_bits[:hidden], scratch.powers)
        for j in range(hidden):
            scratch.projected[j] = _TWO / (_ONE + scratch.gates[j]) - _ONE
            lower[j] = scratch.projected[j]
        for layer in range(c.shape[0]):
            for j in range(hidden):
                lower[hidden + j] = h[layer, row, j]
            _cell(weights.cells[layer], c[layer, row], scratch)
            for j in range(hidden):
                h[layer, row, j] = lower[hidden + j]
                lower[j] = lower[hidden + j]
        for j in range(hidden):
            lower[hidden + j] = scratch.projected[j]
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
