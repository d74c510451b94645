"""Untrained checkpoints with seeded weights, for tests of everything around the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from rtgenre.frontend.spec import FrontendSpec
from rtgenre.model.architecture import SAME_TRACK, Architecture, same_track_shapes
from rtgenre.model.checkpoint import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

LABELS = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


SMALL = Architecture(
    encoder_inputs=20,
    encoder_width=32,
    encoder_layers=3,
    pooling_s=8.0,
    encoder_head=48,
    embedding=24,
    embedding_s=20.0,
    trunk=64,
    hidden=24,
    layers=1,
    input_clip=5.0,
    adapter=16,
    adapters=2,
)


def checkpoint(
    *,
    labels: tuple[str, ...] = LABELS,
    spec: FrontendSpec | None = None,
    seed: int = 0,
    gain: float = 1.5,
    architecture: Architecture = SMALL,
    same_track: bool = False,
    **shape: Any,
) -> Checkpoint:
    """Weights uniform within ±gain/√inputs: livelier than torch's initial ones, so that differences show.

    ``shape`` changes fields of the architecture; with ``same_track`` it compares two states, too.
    """
    spec = spec or FrontendSpec()
    rng = np.random.default_rng(seed)
    architecture = msgspec.structs.replace(architecture, **shape)
    tensors = _weights(architecture.tensor_shapes(spec.n_features, len(labels)), gain, rng)
    if same_track:
        shapes = same_track_shapes(spec.n_features).items()
        tensors |= _weights({SAME_TRACK + name: size for name, size in shapes}, gain, np.random.default_rng((seed, 1)))
    return Checkpoint(
        spec=spec,
        labels=labels,
        mean=rng.normal(size=spec.n_features).astype(np.float32),
        std=rng.uniform(0.5, 2.0, spec.n_features).astype(np.float32),
        tensors=tensors,
        architecture=architecture,
        temperature=1.25,
        music_bias=0.5,
        music_scale=2.0,
        change_bias=-1.0,
        change_scale=0.75,
        id="small",
        training={"seed": seed},
    )


def _weights(shapes: Mapping[str, tuple[int, ...]], gain: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        name: (rng.uniform(-gain, gain, size) / np.sqrt(np.prod(size[1:] or size))).astype(np.float32)
        for name, size in shapes.items()
    }
