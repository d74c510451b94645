"""What a runtime is: the state that the caller owns, the interface, and what all runtimes share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rtgenre.model.architecture import KERNEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint

    FloatArray = NDArray[np.float32]
    AnyArray = NDArray[np.float32] | NDArray[np.int32]


@dataclass(slots=True)
class ModelState:
    """Everything the network remembers; the caller owns it. All zeros is a state that has heard nothing.

    Attributes:
        h: (layers, batch, hidden) float32, what the LSTM layers gave out last.
        c: (layers, batch, hidden) float32, their cells.
        history: (batch, 2, history_width) float32: what each convolution of the encoder read in the two hops
            before, older first, the first convolution's in front.
        pooled_mean: (batch, encoder_width) float32, running mean of what the convolutions give.
        pooled_variance: (batch, encoder_width) float32, its running variance.
        embedding_mean: (batch, embedding) float32, running mean of the encoder's embedding.
        heard: (batch,) int32, hops heard, up to ``architecture.HEARD_LIMIT``.
        trunk: (batch, trunk) float32, the last hop's ``u``: the model's embedding for whoever adds a head.
    """

    h: FloatArray
    c: FloatArray
    history: FloatArray
    pooled_mean: FloatArray
    pooled_variance: FloatArray
    embedding_mean: FloatArray
    heard: NDArray[np.int32]
    trunk: FloatArray

    @property
    def batch(self) -> int:
        """Number of streams."""
        return len(self.heard)

    def arrays(self) -> tuple[AnyArray, ...]:
        """All of it, in the order of the fields."""
        return (
            self.h,
            self.c,
            self.history,
            self.pooled_mean,
            self.pooled_variance,
            self.embedding_mean,
            self.heard,
            self.trunk,
        )

    def rows(self) -> tuple[AnyArray, ...]:
        """Views of ``arrays`` whose first axis is the stream."""
        return (self.h.swapaxes(0, 1), self.c.swapaxes(0, 1), *self.arrays()[2:])

    def copy(self) -> ModelState:
        """A snapshot that shares no memory with this state."""
        return ModelState(
            self.h.copy(),
            self.c.copy(),
            self.history.copy(),
            self.pooled_mean.copy(),
            self.pooled_variance.copy(),
            self.embedding_mean.copy(),
            self.heard.copy(),
            self.trunk.copy(),
        )


class Runtime(Protocol):
    """What the pipeline needs of a model. One runtime serves one thread at a time."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Genre names in the order of the logits."""

    @property
    def n_features(self) -> int:
        """Width of an input frame."""

    @property
    def n_outputs(self) -> int:
        """Values of one hop: the genre logits, then the logits ``music`` and ``change``."""

    @property
    def device(self) -> str:
        """What computes it, for people: ``cpu (numba)``."""

    @property
    def latency_samples(self) -> int:
        """0: a hop's outputs come with the hop."""

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
            out: (batch, n_outputs) float32 to write the outputs to; a new array if None. Given, the step
                allocates nothing on the numba runtime.

        Returns:
            The outputs (``out`` itself where given; never touched again by the runtime) and the state.

        Raises:
            ValueError: an argument has another shape, dtype or layout.
        """

    def step_each(self, xs: Sequence[FloatArray], states: Sequence[ModelState], outs: Sequence[FloatArray]) -> None:
        """One hop for each of several streams that keep states of their own, as one batch.

        Equal to a ``step`` for each: bit for bit on the numba runtime, to 1e-5 on torch, whose sums are taken in
        another order in another batch.

        Args:
            xs: (1, n_features) float32 each, as for ``step``.
            states: of one stream each; advanced in place.
            outs: (1, n_outputs) float32 each, written.

        Raises:
            ValueError: an argument has another shape, dtype or layout.
        """

    def forget(self, state: ModelState, row: int | None = None) -> ModelState:
        """Make a state, or one stream (row) of it, as it was when fresh: in place.

        Raises:
            ValueError: there is no such row.
        """

    def flush(self, state: ModelState) -> tuple[FloatArray, ModelState]:
        """The tail: none, so (0, batch, n_outputs)."""

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
        self.n_outputs = checkpoint.n_outputs
        self._architecture = checkpoint.architecture

    def init_state(self, batch: int = 1) -> ModelState:
        """A fresh state: zeros."""
        if batch < 1:
            raise ValueError(f"batch is {batch}, it must be at least 1")
        shape = self._architecture
        return ModelState(
            h=np.zeros((shape.layers, batch, shape.hidden), np.float32),
            c=np.zeros((shape.layers, batch, shape.hidden), np.float32),
            history=np.zeros((batch, KERNEL - 1, shape.history_width), np.float32),
            pooled_mean=np.zeros((batch, shape.encoder_width), np.float32),
            pooled_variance=np.zeros((batch, shape.encoder_width), np.float32),
            embedding_mean=np.zeros((batch, shape.embedding), np.float32),
            heard=np.zeros(batch, np.int32),
            trunk=np.zeros((batch, shape.trunk), np.float32),
        )

    def forget(self, state: ModelState, row: int | None = None) -> ModelState:
        """See ``Runtime.forget``."""
        if row is not None and not 0 <= row < state.batch:
            raise ValueError(f"row is {row}, the state has rows 0 to {state.batch - 1}")
        rows = slice(None) if row is None else slice(row, row + 1)
        state.h[:, rows] = state.c[:, rows] = 0.0
        for array in state.arrays()[2:]:
            array[rows] = 0
        return state

    def step(self, x: FloatArray, state: ModelState, out: FloatArray | None = None) -> tuple[FloatArray, ModelState]:
        """See ``Runtime.step``."""
        batch = state.batch
        if x.shape != (batch, self.n_features) or x.dtype != np.float32 or not x.flags.c_contiguous:
            raise ValueError(f"x is {x.dtype} {x.shape}, it must be float32 ({batch}, {self.n_features}) in C order")
        if out is None:
            out = np.empty((batch, self.n_outputs), np.float32)
        elif out.shape != (batch, self.n_outputs) or out.dtype != np.float32 or not out.flags.c_contiguous:
            raise ValueError(
                f"out is {out.dtype} {out.shape}, it must be float32 ({batch}, {self.n_outputs}) in C order"
            )
        self._advance(x, state, out)
        return out, state

    def step_each(self, xs: Sequence[FloatArray], states: Sequence[ModelState], outs: Sequence[FloatArray]) -> None:
        """See ``Runtime.step_each``; here one stream after the other."""
        for x, state, out in zip(xs, states, outs, strict=True):
            self.step(x, state, out)

    def _step_gathered(
        self, batch: int, xs: Sequence[FloatArray], states: Sequence[ModelState], outs: Sequence[FloatArray]
    ) -> None:
        """``step_each`` in batches of a fixed size; rows that no stream needs are computed in vain."""
        if any(state.batch != 1 for state in states):
            raise ValueError(f"states of {[state.batch for state in states]} streams, each must be of one")
        for start in range(0, len(states), batch):
            part = list(zip(xs, states, outs, strict=True))[start : start + batch]
            joined = RuntimeBase.init_state(self, batch)
            x, out = np.zeros((batch, self.n_features), np.float32), np.empty((batch, self.n_outputs), np.float32)
            for row, (frame, state, _) in enumerate(part):
                x[row] = frame[0]
                for whole, own in zip(joined.rows(), state.rows(), strict=True):
                    whole[row] = own[0]
            self.step(x, joined, out)
            for row, (_, state, answer) in enumerate(part):
                answer[0] = out[row]
                for whole, own in zip(joined.rows(), state.rows(), strict=True):
                    own[0] = whole[row]

    def flush(self, state: ModelState) -> tuple[FloatArray, ModelState]:
        """See ``Runtime.flush``."""
        return np.empty((0, state.batch, self.n_outputs), np.float32), state

    def warm(self) -> None:
        """See ``Runtime.warm``."""
        self.step(np.zeros((1, self.n_features), np.float32), self.init_state())

    @abstractmethod
    def _advance(self, x: FloatArray, state: ModelState, out: FloatArray) -> None:
        """Compute one hop; the arguments are checked."""
