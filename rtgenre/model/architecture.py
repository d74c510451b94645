"""The shape of the network: the numbers from which the weights' shapes and every runtime follow. No torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

KERNEL = 3  # hops that a convolution of the encoder sees: the present one and two before it
EXTRA_OUTPUTS = ("music", "change")  # logits after those of the labels: is this music, has another track begun
VARIANCE_FLOOR = 1e-4  # added to a running variance before its root: keeps slope and rounding tame near zero
# Hops are counted up to here, a day of them. The weights of the running means are constant long before, so endless
# audio neither overflows the count nor changes anything.
HEARD_LIMIT = 1 << 20

ADAPTER = "adapter."  # begins the names of the adapter's tensors

# Of the comparison of two states, see ``same_track``: not every checkpoint has it.
SAME_TRACK = "same_track."  # begins the names of its tensors
IMPRINT = 128  # width of an imprint
COMPARED = 64  # width of the network that compares two

_LANES = 8  # float32 in an AVX2 register; inner widths are multiples of it
_MAX_LAYERS = 16
_MAX_TIME_S = 3600.0


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The network, hop by hop (``x``: the frame of one hop).

    ``z = clip(normalise(x))``. The *encoder* reads ``m = z[:encoder_inputs]``: causal convolutions over three hops,
    the first with ``relu``, each later one added to what it read; running mean and deviation of the last one's
    values (statistics pooling: Snyder et al. 2018, "X-vectors", section 2.1, here causal); two affine layers with
    ``relu`` between them give the embedding ``e``. Then ``u = relu(W·v + Σ g·A(v))`` of ``v = [z, e, running mean of
    e]``, a stack of LSTM layers on ``u``, and the head reads ``[h, u]``: the path around the LSTM answers before the
    state has filled.

    Each ``A`` is an *adapter*, an affine map of low rank (Hu et al. 2022, "LoRA", section 4.1): what one kind of
    channel, a telephone's or a noisy room's, has done to the trunk's values and must be undone. How much of that
    channel there is, a gate says that reads the same frame: ``g = sigmoid(z·gate)``.

    Running values start as plain means and turn exponential: see ``least_weights``.

    Attributes:
        encoder_inputs: leading features that the encoder reads (the MFCCs).
        encoder_width: channels of each convolution.
        encoder_layers: number of convolutions.
        pooling_s: time constant of the running mean and variance of the last convolution, in seconds.
        encoder_head: width between pooling and embedding.
        embedding: width of ``e``.
        embedding_s: time constant of the running mean of ``e``, in seconds.
        trunk: width of ``u``.
        hidden: width of each LSTM layer.
        layers: number of LSTM layers.
        input_clip: normalised inputs are clipped to ±this, so silence or a fault cannot drive the state
            anywhere that training has not seen.
        adapter: rank of each adapter; 0 is none.
        adapters: how many there are.
    """

    encoder_inputs: int
    encoder_width: int
    encoder_layers: int
    pooling_s: float
    encoder_head: int
    embedding: int
    embedding_s: float
    trunk: int
    hidden: int
    layers: int
    input_clip: float
    adapter: int = 0
    adapters: int = 1

    @property
    def history_width(self) -> int:
        """Values of one hop that the convolutions keep: the inputs of all of them."""
        return self.encoder_inputs + (self.encoder_layers - 1) * self.encoder_width

    def least_weights(self, hops_per_s: float) -> tuple[float, float]:
        """What one hop weighs at the least in the running values of pooling, and of the embedding.

        Hop ``n`` (from 0) weighs ``max(1 / (n + 1), least)``: a plain mean that turns exponential.
        """
        pooling, embedding = (-math.expm1(-1.0 / (t * hops_per_s)) for t in (self.pooling_s, self.embedding_s))
        return pooling, embedding

    def tensor_shapes(self, n_features: int, n_labels: int) -> dict[str, tuple[int, ...]]:
        """Name and shape of every trained tensor (torch's naming and gate order i, f, g, o)."""
        width, h = self.encoder_width, self.hidden
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.encoder_layers):
            shapes[f"encoder.conv.{layer}.weight"] = (width, width if layer else self.encoder_inputs, KERNEL)
            shapes[f"encoder.conv.{layer}.bias"] = (width,)
        affine = {
            "encoder.head": (self.encoder_head, 2 * width),
            "encoder.embedding": (self.embedding, self.encoder_head),
            "trunk": (self.trunk, n_features + 2 * self.embedding),
            "head": (n_labels + len(EXTRA_OUTPUTS), h + self.trunk),
        }
        for name, shape in affine.items():
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        if self.adapter:
            shapes |= {
                f"{ADAPTER}gate.weight": (self.adapters, n_features),
                f"{ADAPTER}gate.bias": (self.adapters,),
                f"{ADAPTER}down.weight": (self.adapters * self.adapter, n_features + 2 * self.embedding),
                f"{ADAPTER}down.bias": (self.adapters * self.adapter,),
                f"{ADAPTER}up.weight": (self.trunk, self.adapters * self.adapter),
            }
        for layer in range(self.layers):
            shapes[f"lstm.weight_ih_l{layer}"] = (4 * h, h if layer else self.trunk)
            shapes[f"lstm.weight_hh_l{layer}"] = (4 * h, h)
            shapes[f"lstm.bias_ih_l{layer}"] = shapes[f"lstm.bias_hh_l{layer}"] = (4 * h,)
        return shapes

    def faults(self, n_features: int) -> Iterator[str]:
        """What is out of range, if anything, in words."""
        for name in ("encoder_width", "encoder_head", "embedding", "trunk", "hidden"):
            width = getattr(self, name)
            if width < _LANES or width % _LANES:
                yield f"{name} is {width}; it must be a positive multiple of {_LANES}"
        if self.adapter < 0 or self.adapter % _LANES:
            yield f"adapter is {self.adapter}; it must be 0 or a positive multiple of {_LANES}"
        for name in ("encoder_layers", "layers", "adapters"):
            count = getattr(self, name)
            if not 1 <= count <= _MAX_LAYERS:
                yield f"{name} is {count}; it must be from 1 to {_MAX_LAYERS}"
        for name in ("pooling_s", "embedding_s"):
            seconds = getattr(self, name)
            if not 0.0 < seconds <= _MAX_TIME_S:
                yield f"{name} is {seconds}; it must be more than 0 and at most {_MAX_TIME_S:g} s"
        if not 1 <= self.encoder_inputs <= n_features:
            yield f"encoder_inputs is {self.encoder_inputs}; it must be from 1 to the number of features, {n_features}"
        if not (math.isfinite(self.input_clip) and self.input_clip > 0):
            yield f"input_clip is {self.input_clip}; it must be positive"


def same_track_shapes(n_features: int) -> dict[str, tuple[int, ...]]:
    """Name, without ``SAME_TRACK``, and shape of every trained tensor of the comparison, in torch's layout."""
    return {
        "imprint.weight": (IMPRINT, n_features),
        "imprint.bias": (IMPRINT,),
        "compare.weight": (COMPARED, 2 * IMPRINT + 1),
        "compare.bias": (COMPARED,),
        "tell.weight": (1, COMPARED),
        "tell.bias": (1,),
    }
