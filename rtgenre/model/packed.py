"""A checkpoint's weights as the compiled step wants them, and the working memory it needs.

Each gate of an LSTM needs ``1 / (1 + exp(-a))``, and ``tanh(a) = 2 / (1 + exp(-2a)) - 1``. So the signs and the
factor 2 are folded into the weights, all four gates are one vector, and one vectorised exponential serves them all.
Matrices are stored transposed, (inputs + 1, outputs) with the bias as last row, so that the inner loop runs over
outputs: contiguous, free of dependencies, and fused multiply-add without reordering. A convolution is an affine map
of its three hops, one after another, oldest first.

Only shapes and types matter to compiled code, so this may be a file of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rtgenre.model.architecture import ADAPTER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int32]

_UNROLL = 8  # rows of a matrix taken at once; numbers of inputs are padded to a multiple of it
_LANES = 16  # float32 in the widest vector register; output widths of the head are padded to it


class Weights(NamedTuple):
    """Packed constants of the step; arrays are float32, rows 64-byte aligned where widths allow.

    Attributes:
        input_clip: limit of the normalised inputs.
        least_pooling: what a hop weighs at the least in the running values of pooling.
        least_embedding: the same of the embedding.
        scale: (2, n_inputs): mean and 1/std, zero where padded.
        first_conv: (3 * encoder_inputs padded + 1, width).
        convs: (encoder_layers - 1, 3 * width + 1, width).
        encoder_head: (2 * width + 1, encoder_head); inputs are [mean | deviation].
        embedding: (encoder_head + 1, embedding).
        trunk: (n_inputs + 2 * embedding + 1, trunk); inputs are [z padded | e | running mean of e].
        adapter_down: (n_inputs + 2 * embedding + 1, adapters * (rank + 1) padded): after the values of all adapters,
            their gates; same inputs.
        adapter_up: (adapters * rank + 1, trunk), its bias zero; without an adapter (1, trunk), unused.
        adapters: how many there are.
        first_cell: (trunk + hidden + 1, 4 * hidden); inputs are [u | h], gates in order i, f, o, g.
        cells: (layers - 1, 2 * hidden + 1, 4 * hidden); inputs are [below | h].
        head: (hidden + trunk + 1, n_outputs padded); inputs are [h | u].
    """

    input_clip: np.float32
    least_pooling: np.float32
    least_embedding: np.float32
    scale: FloatArray
    first_conv: FloatArray
    convs: FloatArray
    encoder_head: FloatArray
    embedding: FloatArray
    trunk: FloatArray
    adapter_down: FloatArray
    adapter_up: FloatArray
    adapters: int
    first_cell: FloatArray
    cells: FloatArray
    head: FloatArray


class Scratch(NamedTuple):
    """Working memory of one step; whoever steps concurrently needs one each. All float32 but ``*_bits``, ``powers``.

    Attributes:
        inputs: (n_inputs + 2 * embedding,): [z | e | running mean of e], what the trunk reads.
        stretch: what a convolution reads: three hops, oldest first.
        given: (width,): what a convolution gives.
        present: (width,): sum of what the convolutions gave.
        pooled: (2 * width,).
        embedder: (encoder_head,).
        adapter: (adapters * (rank + 1) padded,): what ``adapter_up`` reads, and the gates.
        added: (trunk,): what the adapters give.
        lower: what an LSTM cell, or the head, reads.
        gates: (4 * hidden,).
        gate_bits: the same memory as int32.
        powers: (4 * hidden,) int32: powers of two of the exponential.
        outputs: (n_outputs padded,).
    """

    inputs: FloatArray
    stretch: FloatArray
    given: FloatArray
    present: FloatArray
    pooled: FloatArray
    embedder: FloatArray
    adapter: FloatArray
    added: FloatArray
    lower: FloatArray
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
    """Transpose, reorder and pre-scale a checkpoint's tensors."""
    shape, tensors = checkpoint.architecture, checkpoint.tensors
    width, hidden, n_features = shape.encoder_width, shape.hidden, checkpoint.mean.size
    n_inputs = _padded(n_features, _UNROLL)

    scale = aligned(2, n_inputs)
    scale[0, :n_features] = checkpoint.mean
    scale[1, :n_features] = 1.0 / checkpoint.std

    first_conv = aligned(_padded(3 * shape.encoder_inputs, _UNROLL) + 1, width)
    convs = aligned(shape.encoder_layers - 1, 3 * width + 1, width)
    for layer, matrix in enumerate((first_conv, *convs)):
        weight = tensors[f"encoder.conv.{layer}.weight"]  # (out, in, hop)
        matrix[: 3 * weight.shape[1]] = weight.transpose(2, 1, 0).reshape(-1, width)
        matrix[-1] = tensors[f"encoder.conv.{layer}.bias"]

    encoder_head = aligned(2 * width + 1, shape.encoder_head)
    embedding = aligned(shape.encoder_head + 1, shape.embedding)
    trunk = aligned(n_inputs + 2 * shape.embedding + 1, shape.trunk)
    head = aligned(hidden + shape.trunk + 1, _padded(checkpoint.n_outputs, _LANES))
    for name, matrix in (("encoder.head", encoder_head), ("encoder.embedding", embedding)):
        matrix[:-1] = tensors[f"{name}.weight"].T
        matrix[-1] = tensors[f"{name}.bias"]
    _lay(trunk, tensors["trunk.weight"], n_features, n_inputs)
    trunk[-1] = tensors["trunk.bias"]
    adapter_down, adapter_up = _adapter(checkpoint, n_inputs)
    head[:-1, : checkpoint.n_outputs] = tensors["head.weight"].T
    head[-1, : checkpoint.n_outputs] = tensors["head.bias"]

    first_cell = aligned(shape.trunk + hidden + 1, 4 * hidden)
    cells = aligned(shape.layers - 1, 2 * hidden + 1, 4 * hidden)
    gates = np.arange(4 * hidden).reshape(4, hidden)[[0, 1, 3, 2]].ravel()  # torch: i, f, g, o
    signs = np.repeat(np.array([-1, -1, -1, -2], np.float32), hidden)
    for layer, cell in enumerate((first_cell, *cells)):
        cell[: -1 - hidden] = tensors[f"lstm.weight_ih_l{layer}"][gates].T * signs
        cell[-1 - hidden : -1] = tensors[f"lstm.weight_hh_l{layer}"][gates].T * signs
        bias = tensors[f"lstm.bias_ih_l{layer}"] + tensors[f"lstm.bias_hh_l{layer}"]
        cell[-1] = bias[gates] * signs

    least_pooling, least_embedding = shape.least_weights(checkpoint.hops_per_s)
    return Weights(
        input_clip=np.float32(shape.input_clip),
        least_pooling=np.float32(least_pooling),
        least_embedding=np.float32(least_embedding),
        scale=scale,
        first_conv=first_conv,
        convs=convs,
        encoder_head=encoder_head,
        embedding=embedding,
        trunk=trunk,
        adapter_down=adapter_down,
        adapter_up=adapter_up,
        adapters=shape.adapters,
        first_cell=first_cell,
        cells=cells,
        head=head,
    )


def _adapter(checkpoint: Checkpoint, n_inputs: int) -> tuple[FloatArray, FloatArray]:
    """``Weights.adapter_down`` and ``Weights.adapter_up``."""
    shape, tensors, n_features = checkpoint.architecture, checkpoint.tensors, checkpoint.mean.size
    n_values = shape.adapters * shape.adapter
    down = aligned(n_inputs + 2 * shape.embedding + 1, _padded(n_values + shape.adapters, _LANES))
    up = aligned(n_values + 1, shape.trunk)
    if shape.adapter:
        gates = slice(n_values, n_values + shape.adapters)
        _lay(down, tensors[f"{ADAPTER}down.weight"], n_features, n_inputs)
        down[-1, :n_values] = tensors[f"{ADAPTER}down.bias"]
        down[:n_features, gates] = tensors[f"{ADAPTER}gate.weight"].T
        down[-1, gates] = tensors[f"{ADAPTER}gate.bias"]
        up[:-1] = tensors[f"{ADAPTER}up.weight"].T
    return down, up


def _lay(matrix: FloatArray, weight: FloatArray, n_features: int, n_inputs: int) -> None:
    """Into the leading columns of ``matrix``, what reads [z padded | e | running mean of e]: ``weight`` (out, in)."""
    matrix[:n_features, : len(weight)] = weight[:, :n_features].T
    matrix[n_inputs:-1, : len(weight)] = weight[:, n_features:].T


def scratch_for(weights: Weights) -> Scratch:
    """Working memory of the right sizes."""
    width, n_gates = weights.first_conv.shape[1], weights.first_cell.shape[1]
    gates = aligned(n_gates)
    return Scratch(
        inputs=aligned(len(weights.trunk) - 1),
        stretch=aligned(max(len(weights.first_conv) - 1, 3 * width)),
        given=aligned(width),
        present=aligned(width),
        pooled=aligned(2 * width),
        embedder=aligned(weights.encoder_head.shape[1]),
        adapter=aligned(weights.adapter_down.shape[1]),
        added=aligned(weights.adapter_up.shape[1]),
        lower=aligned(max(len(weights.first_cell) - 1, weights.cells.shape[1] - 1)),
        gates=gates,
        gate_bits=gates.view(np.int32),
        powers=aligned(n_gates).view(np.int32),
        outputs=aligned(weights.head.shape[1]),
    )


def _padded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
