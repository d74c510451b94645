"""The network once more: the formulas as they are written, in float64, over a whole stream at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rtgenre.model.checkpoint import Checkpoint

Array = np.ndarray


def outputs(model: Checkpoint, x: Array) -> tuple[Array, Array]:
    """Outputs (n_hops, n_outputs) and trunk (n_hops, trunk) of one stream's frames (n_hops, n_features)."""
    shape = model.architecture
    tensors = {name: value.astype(np.float64) for name, value in model.tensors.items()}
    hops_per_s = model.spec.sample_rate / model.spec.hop

    def affine(name: str, values: Array) -> Array:
        return values @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    z = (x.astype(np.float64) - model.mean) / model.std
    z = np.clip(np.where(np.isnan(z), 0.0, z), -shape.input_clip, shape.input_clip)
    a = z[:, : shape.encoder_inputs]
    for layer in range(shape.encoder_layers):
        weight, bias = tensors[f"encoder.conv.{layer}.weight"], tensors[f"encoder.conv.{layer}.bias"]
        padded = np.concatenate((np.zeros((2, a.shape[1])), a))
        given = bias + sum(padded[k : k + len(a)] @ weight[:, :, k].T for k in range(3))
        a = np.maximum(given, 0.0) if layer == 0 else a + np.maximum(given, 0.0)

    mean, variance, pooled = np.zeros(a.shape[1]), np.zeros(a.shape[1]), []
    for n, value in enumerate(a):
        w = max(1.0 / (n + 1), 1.0 - np.exp(-1.0 / (shape.pooling_s * hops_per_s)))
        d = value - mean
        mean = mean + w * d
        variance = (1.0 - w) * (variance + w * d * d)
        pooled.append(np.concatenate((mean, np.sqrt(variance + 1e-4))))
    e = affine("encoder.embedding", np.maximum(affine("encoder.head", np.array(pooled)), 0.0))
    mean, averaged = np.zeros(e.shape[1]), []
    for n, value in enumerate(e):
        w = max(1.0 / (n + 1), 1.0 - np.exp(-1.0 / (shape.embedding_s * hops_per_s)))
        mean = mean + w * (value - mean)
        averaged.append(mean)

    v = np.concatenate((z, e, np.array(averaged)), axis=1)
    values = affine("trunk", v)
    if shape.adapter:
        gates = 1.0 / (1.0 + np.exp(-affine("adapter.gate", z)))
        values += (np.repeat(gates, shape.adapter, axis=1) * affine("adapter.down", v)) @ tensors["adapter.up.weight"].T
    u = np.maximum(values, 0.0)
    below = u
    for layer in range(shape.layers):
        below = _lstm(
            below,
            *(tensors[f"lstm.{kind}_l{layer}"] for kind in ("weight_ih", "weight_hh")),
            tensors[f"lstm.bias_ih_l{layer}"] + tensors[f"lstm.bias_hh_l{layer}"],
        )
    return affine("head", np.concatenate((below, u), axis=1)), u


def _lstm(x: Array, from_input: Array, from_state: Array, bias: Array) -> Array:
    h = c = np.zeros(from_state.shape[1])
    given = []
    for value in x:
        i, f, g, o = np.split(from_input @ value + from_state @ h + bias, 4)
        c = c / (1.0 + np.exp(-f)) + np.tanh(g) / (1.0 + np.exp(-i))
        h = np.tanh(c) / (1.0 + np.exp(-o))
        given.append(h)
    return np.array(given)
