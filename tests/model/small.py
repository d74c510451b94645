"""Untrained checkpoints with seeded weights, for tests of everything around the weights."""

from __future__ import annotations

import numpy as np

from rtgenre.frontend.spec import FrontendSpec
from rtgenre.model.checkpoint import Architecture, Checkpoint

LABELS = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


def checkpoint(
    *,
    hidden: int = 64,
    layers: int = 1,
    labels: tuple[str, ...] = LABELS,
    spec: FrontendSpec | None = None,
    seed: int = 0,
    gain: float = 1.5,
) -> Checkpoint:
    """Weights uniform within ±gain/√inputs: livelier than torch's initial ones, so that differences show."""
    spec = spec or FrontendSpec()
    rng = np.random.default_rng(seed)
    architecture = Architecture(hidden=hidden, layers=layers, input_clip=5.0)
    tensors = {
        name: (rng.uniform(-gain, gain, shape) / np.sqrt(shape[-1])).astype(np.float32)
        for name, shape in architecture.tensor_shapes(spec.n_features, len(labels)).items()
    }
    return Checkpoint(
        spec=spec,
        labels=labels,
        mean=rng.normal(size=spec.n_features).astype(np.float32),
        std=rng.uniform(0.5, 2.0, spec.n_features).astype(np.float32),
        tensors=tensors,
        architecture=architecture,
        temperature=1.25,
        id="small",
        training={"seed": seed},
    )
