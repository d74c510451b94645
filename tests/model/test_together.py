"""Hops of several streams and several threads as one batch: each gets what it would get alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.model.runtime import NumbaRuntime, open_runtime
from rtgenre.model.together import SharedRuntime
from tests.model.small import checkpoint
from tests.model.test_runtime import eventful_frames, needs_gpu, stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtgenre.model.interface import ModelState, Runtime


def stream_each(stepped: Runtime, frames: np.ndarray) -> tuple[np.ndarray, list[ModelState]]:
    """(n_hops, n_streams, n_features) through ``step_each``; stream k sits out every (k + 2)th hop."""
    n_hops, n_streams, _ = frames.shape
    states = [stepped.init_state() for _ in range(n_streams)]
    outputs = np.full((n_hops, n_streams, 1, stepped.n_outputs), np.nan, np.float32)
    for hop in range(n_hops):
        rows = [k for k in range(n_streams) if hop % (k + 2)]
        stepped.step_each(
            [frames[hop, k : k + 1] for k in rows], [states[k] for k in rows], [outputs[hop, k] for k in rows]
        )
    return outputs[:, :, 0], states


def stream_alone(stepped: Runtime, frames: np.ndarray) -> tuple[np.ndarray, list[ModelState]]:
    outputs = np.full((*frames.shape[:2], stepped.n_outputs), np.nan, np.float32)
    states = []
    for k in range(frames.shape[1]):
        state = stepped.init_state()
        for hop in range(len(frames)):
            if hop % (k + 2):
                stepped.step(frames[hop, k : k + 1], state, outputs[hop, k : k + 1])
        states.append(state)
    return outputs, states


# Bit-equal where streams are computed one after the other; torch sums in another order in another batch.
@pytest.mark.parametrize(
    ("device", "tolerance"), [("cpu", 0.0), ("torch", 1e-5), pytest.param("cuda", 1e-5, marks=needs_gpu)]
)
def test_streams_stepped_together_are_what_they_are_alone(device: str, tolerance: float) -> None:
    model = checkpoint(layers=2)
    frames = eventful_frames(model, 300 if device == "torch" else 1000, batch=5)
    stepped = open_runtime(model, device, batch=3)  # fewer than there are: two launches on a GPU
    together, states = stream_each(stepped, frames)
    alone, expected = stream_alone(stepped, frames)
    np.testing.assert_allclose(together, alone, rtol=0, atol=tolerance)
    for one, other in zip(states, expected, strict=True):
        for a, b in zip(one.arrays(), other.arrays(), strict=True):
            # A cell may stand above ten, where one unit in the last place is 1e-6: as near as it is large.
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    assert np.nanstd(together, axis=0).min() > 1e-3, "an output hardly moves: nothing was compared"


def test_states_of_several_streams_are_no_streams_of_a_batch() -> None:
    stepped = open_runtime(checkpoint(), "torch")
    x, out = np.zeros((2, stepped.n_features), np.float32), np.zeros((2, stepped.n_outputs), np.float32)
    with pytest.raises(ValueError, match="each must be of one"):
        stepped.step_each([x], [stepped.init_state(2)], [out])


class Slow(NumbaRuntime):
    """Takes its time, so that others come meanwhile, and notes the batches."""

    batches: list[int]

    def step_each(self, xs: Sequence[np.ndarray], states: Sequence[ModelState], outs: Sequence[np.ndarray]) -> None:
        self.batches.append(len(states))
        threading.Event().wait(0.002)
        super().step_each(xs, states, outs)


def test_threads_share_a_runtime_and_go_in_one_batch_where_they_wait() -> None:
    model, n_threads = checkpoint(), 6
    frames = eventful_frames(model, 40, batch=n_threads)
    slow = Slow(model)
    slow.batches = []
    shared = SharedRuntime(slow)
    outputs = np.empty((40, n_threads, 1, shared.n_outputs), np.float32)

    def play(k: int) -> None:
        state = shared.init_state()
        for hop in range(40):
            _, state = shared.step(frames[hop, k : k + 1], state, outputs[hop, k])

    threads = [threading.Thread(target=play, args=(k,)) for k in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(n_threads):
        np.testing.assert_array_equal(outputs[:, k], stream(NumbaRuntime(model), frames[:, k : k + 1].copy()))
    assert sum(slow.batches) == 40 * n_threads
    assert max(slow.batches) > 1


def test_what_fails_fails_for_whoever_asked_and_the_next_step_works() -> None:
    shared = SharedRuntime(NumbaRuntime(checkpoint()))
    state = shared.init_state()
    with pytest.raises(ValueError, match="x is"):
        shared.step(np.zeros((1, 3), np.float32), state)
    assert np.isfinite(shared.step(np.zeros((1, shared.n_features), np.float32), state)[0]).all()
