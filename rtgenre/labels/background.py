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
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    DoubleArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

BACKGROUND_FILE = "background.safetensors"
DIRECTIONS = 128
_GUESSED_DIRECTIONS = 16
_GUESSED_VARIANCE = 9.0
_GUESSED_SHRINK = 0.2  # of the largest variance, added to each: a handful of files says too little of how they scatter
_LEAST_VARIANCE = 1e-6  # of the largest: what is below it is rounding
_ARRAYS = ("mean", "projection", "centres")


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """Gaussians, one a shipped label, along directions in which windows scatter with variance 1 around their label.

    Attributes:
        mean: (trunk,) float64, subtracted from an embedding.
        projection: (trunk, directions) float64.
        centres: (labels, directions) float64, along these directions.
        variance: (labels,) float64, around each centre and in each direction: 1 where it was measured.
        names: of the labels; empty where they are not known.
    """

    mean: DoubleArray
    projection: DoubleArray
    centres: DoubleArray
    variance: DoubleArray
    names: tuple[str, ...] = ()

    @classmethod
    def fitted(cls, windows: FloatArray, group: IntArray, names: Sequence[str] = ()) -> Self:
        """Statistics of embeddings.

        Args:
            windows: (n, trunk) running means of the embedding, as ``hear`` gives them.
            group: (n,) label of each, from 0 without a hole.
            names: of these labels.
        """
        centres, projection = _whitened(windows, group, DIRECTIONS, 0.0)
        mean = centres.mean(axis=0)
        return cls(mean, projection, (centres - mean) @ projection, np.ones(len(centres)), tuple(names))

    @classmethod
    def guessed(cls, windows: FloatArray, group: IntArray) -> Self:
        """A stand-in for a model that carries none: as what was enrolled, only much wider.

        Args:
            windows: as for ``fitted``.
            group: one's own label of each.
        """
        centres, projection = _whitened(windows, group, _GUESSED_DIRECTIONS, _GUESSED_SHRINK)
        mean = centres.mean(axis=0)
        return cls(mean, projection, np.zeros((1, projection.shape[1])), np.full(1, _GUESSED_VARIANCE))

    def along(self, embedding: FloatArray) -> DoubleArray:
        """(…, trunk) embeddings as (…, directions)."""
        moved: DoubleArray = (embedding - self.mean) @ self.projection
        return moved

    def drawn(self, n: int, seed: int) -> DoubleArray:
        """(n, directions) made-up windows, the same for the same seed."""
        rng = np.random.default_rng(seed)
        chosen = np.arange(n) % len(self.centres)
        scatter = rng.standard_normal((n, self.centres.shape[1]))
        drawn: DoubleArray = self.centres[chosen] + np.sqrt(self.variance[chosen, None]) * scatter
        return drawn

    def save(self, folder: Path, weights_sha256: str) -> None:
        """Write it beside the model whose embedding it describes."""
        tensors = {name: np.ascontiguousarray(getattr(self, name), np.float32) for name in _ARRAYS}
        part = folder / f"{BACKGROUND_FILE}.part"
        part.write_bytes(encode_tensors(tensors, {"weights_sha256": weights_sha256, "names": json.dumps(self.names)}))
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
                told = opened.metadata() or {}
                noted, names = told.get("weights_sha256", ""), tuple(map(str, json.loads(told.get("names", "[]"))))
                tensors = {name: opened.get_tensor(name).astype(np.float64) for name in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, json.JSONDecodeError) as error:
            raise CheckpointError(f"{path} is not a safetensors file: {error}", remedy) from None
        if noted != weights_sha256:
            raise CheckpointError(
                f"{path} belongs to weights {noted[:12] or '?'}, the model has {weights_sha256[:12]}", remedy
            )
        if set(tensors) != set(_ARRAYS) or any(not np.isfinite(values).all() for values in tensors.values()):
            raise CheckpointError(f"{path} does not hold {', '.join(_ARRAYS)}", remedy)
        directions = tensors["projection"].shape[-1]
        fits = (
            tensors["mean"].shape == (width,)
            and tensors["projection"].shape == (width, directions)
            and tensors["centres"].shape[1:] == (directions,)
            and len(names) in {0, len(tensors["centres"])}
        )
        if not fits:
            raise CheckpointError(f"{path} does not fit the model's embedding of {width} values", remedy)
        return cls(**tensors, variance=np.ones(len(tensors["centres"])), names=names)


def _whitened(windows: FloatArray, group: IntArray, directions: int, shrink: float) -> tuple[DoubleArray, DoubleArray]:
    """Centres (groups, trunk), and the (trunk, directions) along which windows scatter most around their centre.

    Each direction is divided by the deviation along it, once ``shrink`` of the largest variance is added to each.
    """
    x = windows.astype(np.float64)
    centres = np.stack([x[group == g].mean(axis=0) for g in range(int(group.max()) + 1)])
    scatter = x - centres[group]
    variance, axes = np.linalg.eigh(scatter.T @ scatter / len(x))  # rising
    variance, axes = variance[::-1][:directions], axes[:, ::-1][:, :directions]
    # The one direction that is always kept is divided by something where nothing varies at all.
    some = variance > max(_LEAST_VARIANCE * variance[0], 1e-12)
    some[0] = True
    return centres, axes[:, some] / np.sqrt(np.maximum(variance[some] + shrink * variance[0], 1e-12))
