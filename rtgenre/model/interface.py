"""What a runtime is: the state that the caller owns, the interface, and what all runtimes share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint

    FloatArray = NDArray[np.float32]


@dataclass(slots=True)
class ModelState:
    """Everything the network remembers; the caller owns it.

    Attributes:
        h: (layers, batch, hidden) float32, what the LSTM layers gave out last.
        c: (layers, batch, hidden) float32, their cells.
    """

    h: FloatArray
    c: FloatArray

    def copy(self) -> ModelState:
        """A snapshot that shares no memory with this state."""
        return ModelState(self.h.copy(), self.c.copy())


class Runtime(Protocol):
    """What the pipeline needs of a model. One runtime serves one thread at a time."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Genre names in the order of the logits."""

    @property
    def n_features(self) -> int:
        """Width of an input frame."""

    @property
    def device(self) -> str:
        """What computes it, for people: ``cpu (numba)``."""

    @property
    def latency_samples(self) -> int:
        """0: a hop's logits come with the hop."""

    @property
    def receptive_field(self) -> int | None:
        """None: every hop since the state was made has its say."""

    def init_state(self, batch: int = 1) -> ModelState:
        """A fresh state for ``batch`` streams."""

    def step(self, x: FloatArray, state: ModelState, out: FloatArray | None = None) -> tuple[FloatArray, ModelState]:
        """One hop for each stream.

        Args:
            x: (batch, n_features) float32 as the frontend makes them; normalised inside. NaN counts as the
                feature's mean, so a fault upstream cannot stay in the state.
            state: from ``init_state`` or the last ``step``; advanced in place.
            out: (batch, n_labels) float32 to write the logits to; a new array if None. Given, the step
                allocates nothing on the numba runtime.

        Returns:
            The logits (``out`` itself where given; never touched again by the runtime) and the state.

        Raises:
            ValueError: an argument has another shape, dtype or layout.
        """

    def flush(self, state: ModelState) -> tuple[FloatArray, ModelState]:
        """The tail: none, so (0, batch, n_labels)."""

    def warm(self) -> None:
        """Compile or load everything a step needs, so that the first one is as quick as the others."""


class RuntimeBase(ABC):
    """What all runtimes share: the shapes, the state, the checks."""

    device: str
    latency_samples = 0
    receptive_field: int | None = None

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.labels = checkpoint.labels
        self.n_features = int(checkpoint.mean.size)
        self._architecture = checkpoint.architecture

    def init_state(self, batch: int = 1) -> ModelState:
        """A fresh state: zeros."""
        if batch < 1:
            raise ValueError(f"batch is {batch}, it must be at least 1")
        shape = (self._architecture.layers, batch, self._architecture.hidden)
        return ModelState(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def step(self, x: FloatArray, state: ModelState, out: FloatArray | None = None) -> tuple[FloatArray, ModelState]:
        """See ``Runtime.step``."""
        batch = state.h.shape[1]
        if x.shape != (batch, self.n_features) or x.dtype != np.float32 or not x.flags.c_contiguous:
            raise ValueError(f"x is {x.dtype} {x.shape}, it must be float32 ({batch}, {self.n_features}) in C order")
        if out is None:
            out = np.empty((batch, len(self.labels)), np.float32)
        elif out.shape != (batch, len(self.labels)) or out.dtype != np.float32 or not out.flags.c_contiguous:
            raise ValueError(
                f"out is {out.dtype} {out.shape}, it must be float32 ({batch}, {len(self.labels)}) in C order"
            )
        self._advance(x, state, out)
        return out, state

    def flush(self, state: ModelState) -> tuple[FloatArray, ModelState]:
        """See ``Runtime.flush``."""
        return np.empty((0, state.h.shape[1], len(self.labels)), np.float32), state

    def warm(self) -> None:
        """See ``Runtime.warm``."""
        self.step(np.zeros((1, self.n_features), np.float32), self.init_state())

    @abstractmethod
    def _advance(self, x: FloatArray, state: ModelState, out: FloatArray) -> None:
        """Compute one hop; the arguments are checked."""
