"""One runtime for several threads: whoever comes first steps the hops of all who wait, as one batch."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rtgenre.model.interface import ModelState, Runtime

    FloatArray = NDArray[np.float32]


@dataclass(slots=True)
class _Job:
    """Hops of one thread.

    Attributes:
        xs: frames.
        states: of their streams.
        outs: where the outputs go.
        done: computed, or failed.
        error: why it failed.
    """

    xs: Sequence[FloatArray]
    states: Sequence[ModelState]
    outs: Sequence[FloatArray]
    done: bool = False
    error: Exception | None = None


class SharedRuntime:
    """A ``Runtime`` that any number of threads may call; each owns its states.

    Hops that are ready while a batch is being stepped wait for its end (tens of microseconds) and then go as one
    batch. There is no thread of its own: nobody waits for a hop that is not ready, and one source alone pays
    for a lock that is free.

    Args:
        runtime: what computes; used by nobody else.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: deque[_Job] = deque()
        self._stepping = threading.Lock()
        self.labels = runtime.labels
        self.n_features = runtime.n_features
        self.n_outputs = runtime.n_outputs
        self.device = runtime.device
        self.latency_samples = runtime.latency_samples
        self.receptive_field = runtime.receptive_field

    def init_state(self, batch: int = 1) -> ModelState:
        """See ``Runtime.init_state``."""
        return self._runtime.init_state(batch)

    def step(self, x: FloatArray, state: ModelState, out: FloatArray | None = None) -> tuple[FloatArray, ModelState]:
        """See ``Runtime.step``: together with the hops of other threads that wait."""
        if out is None:
            out = np.empty((state.batch, self.n_outputs), np.float32)
        self.step_each([x], [state], [out])
        return out, state

    def step_each(self, xs: Sequence[FloatArray], states: Sequence[ModelState], outs: Sequence[FloatArray]) -> None:
        """See ``Runtime.step_each``: together with the hops of other threads that wait."""
        job = _Job(xs, states, outs)
        self._waiting.append(job)
        with self._stepping:
            if not job.done:
                self._step_waiting()
        if job.error is not None:
            raise job.error

    def forget(self, state: ModelState, row: int | None = None) -> ModelState:
        """See ``Runtime.forget``."""
        return self._runtime.forget(state, row)

    def flush(self, state: ModelState) -> tuple[FloatArray, ModelState]:
        """See ``Runtime.flush``."""
        return self._runtime.flush(state)

    def warm(self) -> None:
        """See ``Runtime.warm``."""
        with self._stepping:
            self._runtime.warm()

    def _step_waiting(self) -> None:
        """Step all that waits; the caller holds the lock."""
        jobs = [self._waiting.popleft() for _ in range(len(self._waiting))]
        error: Exception | None = None
        try:
            self._runtime.step_each(
                list(chain.from_iterable(job.xs for job in jobs)),
                list(chain.from_iterable(job.states for job in jobs)),
                list(chain.from_iterable(job.outs for job in jobs)),
            )
        except Exception as caught:  # noqa: BLE001 - raised again in every thread that it concerns
            error = caught
        for job in jobs:
            job.error, job.done = error, True
