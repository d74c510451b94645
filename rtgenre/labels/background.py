"""What the shipped model's own training clips look like in its embedding: statistics, never the clips.

Own labels are learned from a handful of files; what they must be told from is everything else, which nobody
enrols. A model may therefore carry ``background.safetensors``: the directions of the embedding in which its training
clips differ, a centre for each shipped label along them, and how clips and windows scatter around these centres.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as encode_tensors

from rtgenre.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    DoubleArray = NDArray[np.float64]

BACKGROUND_FILE = "background.safetensors"
DIRECTIONS = 64
_SHRINK = 0.02  # of the largest variance, added to each: directions in which nothing varies are not blown up


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """Gaussians, one a shipped label, that share their covariance.

    Attributes:
        mean: (trunk,) float64, subtracted from an embedding.
        projection: (trunk, directions) float64: along each direction the scatter is about 1.
        centres: (labels, directions) float64, along these directions.
        factor: (directions, directions) float64, lower Cholesky factor of the scatter around the centres.
    """

    mean: DoubleArray
    projection: DoubleArray
    centres: DoubleArray
    factor: DoubleArray

    @classmethod
    def fitted(cls, windows: FloatArray, group: NDArray[np.int64]) -> Self:
        """Statistics of embeddings.

        Args:
            windows: (n, trunk) running means of the embedding, as ``hear`` gives them.
            group: (n,) label of each, from 0 without a hole.
        """
        x = windows.astype(np.float64)
        centres = np.stack([x[group == g].mean(axis=0) for g in range(int(group.max()) + 1)])
        mean = centres.mean(axis=0)
        scatter = x - centres[group]
        projection = _whitening(scatter)
        scatter = scatter @ projection
        covariance = scatter.T @ scatter / len(x) + 1e-6 * np.eye(projection.shape[1])
        return cls(mean, projection, (centres - mean) @ projection, np.linalg.cholesky(covariance))

    @classmethod
    def guessed(cls, windows: FloatArray, group: NDArray[np.int64]) -> Self:
        """A stand-in for a model that carries none: twice as wide as all that was enrolled.

        Args:
            windows: as for ``fitted``.
            group: file of each window, from 0 without a hole.
        """
        x = windows.astype(np.float64)
        mean = np.stack([x[group == g].mean(axis=0) for g in range(int(group.max()) + 1)]).mean(axis=0)
        projection = _whitening(x - mean)
        return cls(mean, projection, np.zeros((1, projection.shape[1])), 2.0 * np.eye(projection.shape[1]))

    def along(self, embedding: FloatArray) -> DoubleArray:
        """(…, trunk) embeddings as (…, directions)."""
        moved: DoubleArray = (embedding - self.mean) @ self.projection
        return moved

    def drawn(self, n: int, seed: int) -> DoubleArray:
        """(n, directions) made-up windows, the same for the same seed."""
        rng = np.random.default_rng(seed)
        chosen = np.arange(n) % len(self.centres)
        drawn: DoubleArray = self.centres[chosen] + rng.standard_normal((n, len(self.factor))) @ self.factor.T
        return drawn

    def save(self, folder: Path, weights_sha256: str) -> None:
        """Write it beside the model whose embedding it describes."""
        tensors = {
            name: np.ascontiguousarray(getattr(self, name), np.float32)
            for name in ("mean", "projection", "centres", "factor")
        }
        part = folder / f"{BACKGROUND_FILE}.part"
        part.write_bytes(encode_tensors(tensors, {"weights_sha256": weights_sha256}))
        part.replace(folder / BACKGROUND_FILE)

    @classmethod
    def load(cls, folder: Path, weights_sha256: str, width: int) -> Self | None:
        """Read it; None where the model carries none.

        Args:
            folder: of the model.
            weights_sha256: of the model's weights.
            width: of its embedding.

        Raises:
            CheckpointError: it is broken, or another model's.
        """
        path = folder / BACKGROUND_FILE
        if not path.is_file():
            return None
        remedy = "restore the folder from where it came, or remove this file: own labels do without"
        try:
            with safe_open(path, framework="numpy") as opened:
                noted = (opened.metadata() or {}).get("weights_sha256", "")
                tensors = {name: opened.get_tensor(name).astype(np.float64) for name in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, json.JSONDecodeError) as error:
            raise CheckpointError(f"{path} is not a safetensors file: {error}", remedy) from None
        if noted != weights_sha256:
            raise CheckpointError(
                f"{path} belongs to weights {noted[:12] or '?'}, the model has {weights_sha256[:12]}", remedy
            )
        directions = tensors["factor"].shape[-1] if "factor" in tensors else 0
        shapes = {"mean": (width,), "projection": (width, directions), "factor": (directions, directions)}
        centres = tensors.get("centres", np.zeros(0)).shape
        wrong = [name for name, shape in shapes.items() if name not in tensors or tensors[name].shape != shape]
        if wrong or len(centres) != 2 or centres[1] != directions or not all(map(_finite, tensors.values())):
            raise CheckpointError(f"{path} does not fit the model's embedding of {width} values", remedy)
        return cls(**{name: tensors[name] for name in ("mean", "projection", "centres", "factor")})


def _whitening(scatter: DoubleArray) -> DoubleArray:
    """(trunk, directions): the leading principal directions of (n, trunk) scatter, each divided by its deviation."""
    _, singular, directions = np.linalg.svd(scatter / np.sqrt(len(scatter)), full_matrices=False)
    variance = singular[:DIRECTIONS] ** 2
    floor = max(_SHRINK * variance[0], 1e-12)  # 1e-12: where nothing varies at all
    whitening: DoubleArray = directions[:DIRECTIONS].T / np.sqrt(variance + floor)
    return whitening


def _finite(values: DoubleArray) -> bool:
    return bool(np.isfinite(values).all())
