from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rtgenre.errors import ConfigError
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.model import architecture, cell, packed, runtime
from rtgenre.model.interface import ModelState
from rtgenre.model.runtime import NumbaRuntime, open_runtime
from rtgenre.training.recipe import ARCHITECTURE, SPEC
from tests.contract import check_streaming, frame_stage
from tests.model import reference
from tests.model.small import checkpoint

if TYPE_CHECKING:
    from rtgenre.model.checkpoint import Checkpoint
    from rtgenre.model.interface import Runtime

SHAPES: list[dict[str, Any]] = [
    {},
    {"layers": 3, "encoder_layers": 1},
    {"encoder_inputs": 13, "encoder_width": 24, "encoder_head": 40, "embedding": 8, "trunk": 16, "hidden": 64},
    {"adapter": 0},
    {"adapter": 8, "adapters": 1, "trunk": 24},
    {"adapter": 8, "adapters": 3},
    {"architecture": ARCHITECTURE, "spec": SPEC},
]
needs_gpu = pytest.mark.skipif(not runtime.cuda_device_count(), reason="no NVIDIA driver or GPU on this machine")


def eventful_frames(model: Checkpoint, n_hops: int, batch: int = 1) -> np.ndarray:
    """Ordinary frames, faults a thousand times too large, and long stretches of one constant frame (silence)."""
    rng = np.random.default_rng(5)
    frames = rng.normal(size=(n_hops, batch, model.mean.size)) * model.std * 1.5 + model.mean
    frames[::97] *= 1000.0
    frames[n_hops // 4 : n_hops // 2] = model.mean - 40.0 * model.std
    return frames.astype(np.float32)


def stream(stepped: Runtime, frames: np.ndarray) -> np.ndarray:
    state = stepped.init_state(frames.shape[1])
    outputs = np.empty((*frames.shape[:2], stepped.n_outputs), np.float32)
    for hop, frame in enumerate(frames):
        _, state = stepped.step(frame, state, outputs[hop])
    return outputs


@pytest.mark.parametrize("shape", SHAPES)
def test_the_compiled_step_equals_torch(shape: dict[str, Any]) -> None:
    model = checkpoint(**shape)
    frames = eventful_frames(model, 700)  # three times the longest time constant
    ours, theirs = open_runtime(model, "cpu"), open_runtime(model, "torch")
    outputs = stream(ours, frames)
    assert np.abs(outputs - stream(theirs, frames)).max() <= 1e-5
    assert np.ptp(outputs[:, 0], axis=0).min() > 0.01, "an output hardly moves: nothing was compared"


def test_the_compiled_step_leaves_the_state_that_torch_leaves() -> None:
    model = checkpoint(layers=2)
    ours, theirs = open_runtime(model, "cpu"), open_runtime(model, "torch")
    state, reference_state = ours.init_state(2), theirs.init_state(2)
    for frame in eventful_frames(model, 300, batch=2):
        ours.step(frame, state)
        theirs.step(frame, reference_state)
    for name, one, other in zip(ModelState.__slots__, state.arrays(), reference_state.arrays(), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape), name
        # A cell may stand above ten, where one unit in the last place is 1e-6: as near as it is large.
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5, err_msg=name)
        assert one.any(), f"{name} was never written"


def test_ten_thousand_steps_stay_with_the_formulas_in_float64() -> None:
    model = checkpoint()
    frames = eventful_frames(model, 10_000)
    expected, _ = reference.outputs(model, frames[:, 0])
    # Running means in float32 lose a few units in the last place over their time constants, not over the stream.
    assert np.abs(stream(open_runtime(model, "cpu"), frames)[:, 0] - expected).max() <= 1e-5


def test_a_batch_equals_its_streams_one_by_one() -> None:
    model = checkpoint(layers=2)
    frames = eventful_frames(model, 200, batch=5)
    stepped = open_runtime(model, "cpu", batch=5)
    together = stream(stepped, frames)
    for row in range(5):
        np.testing.assert_array_equal(together[:, row : row + 1], stream(stepped, frames[:, row : row + 1].copy()))


def test_a_stream_that_joins_late_is_on_its_own_clock() -> None:
    model = checkpoint()
    frames, stepped = eventful_frames(model, 120, batch=2), open_runtime(model, "cpu", batch=2)
    state, outputs = stepped.init_state(2), np.empty((120, 2, stepped.n_outputs), np.float32)
    for hop, frame in enumerate(frames):
        if hop == 50:
            stepped.forget(state, row=1)
        stepped.step(frame, state, outputs[hop])
    assert state.heard.tolist() == [120, 70]
    np.testing.assert_array_equal(outputs[:, :1], stream(stepped, frames[:, :1].copy()))
    np.testing.assert_array_equal(outputs[50:, 1:], stream(stepped, frames[50:, 1:].copy()))


@pytest.mark.parametrize("device", ["cpu", "torch"])
def test_a_forgotten_state_is_a_fresh_one(device: str) -> None:
    model = checkpoint(layers=2)
    stepped = open_runtime(model, device)
    state, frames = stepped.init_state(), eventful_frames(model, 60)
    for frame in frames:
        stepped.step(frame, state)
    assert all(array.any() for array in state.arrays())
    forgotten, fresh = stepped.forget(state), stepped.init_state()
    for one, other in zip(forgotten.arrays(), fresh.arrays(), strict=True):
        assert one.tobytes() == other.tobytes()
    for frame in frames:
        np.testing.assert_array_equal(stepped.step(frame, forgotten)[0], stepped.step(frame, fresh)[0])


@pytest.mark.parametrize("row", [-1, 2])
def test_a_row_that_is_not_there_cannot_be_forgotten(row: int) -> None:
    stepped = open_runtime(checkpoint(), "cpu")
    with pytest.raises(ValueError, match="rows 0 to 1"):
        stepped.forget(stepped.init_state(2), row)


def test_a_copied_state_shares_nothing() -> None:
    stepped = open_runtime(checkpoint(), "cpu")
    state = stepped.init_state()
    snapshot = state.copy()
    stepped.step(np.ones((1, stepped.n_features), np.float32), state)
    assert not any(array.any() for array in snapshot.arrays())
    assert not any(np.shares_memory(a, b) for a, b in zip(state.arrays(), snapshot.arrays(), strict=True))


@needs_gpu
@pytest.mark.parametrize("batch", [1, 7])
def test_the_cuda_graph_equals_torch_on_the_cpu(batch: int) -> None:
    model = checkpoint(layers=2)
    frames = eventful_frames(model, 2500, batch)
    on_gpu = open_runtime(model, "cuda", batch)
    assert np.abs(stream(on_gpu, frames) - stream(open_runtime(model, "torch"), frames)).max() <= 1e-5
    with pytest.raises(ValueError, match="opened for"):
        on_gpu.init_state(batch + 1)


@needs_gpu
def test_the_cuda_graph_keeps_the_streaming_contract() -> None:
    model = checkpoint()
    check_streaming(frame_stage(open_runtime(model, "cuda")), eventful_frames(model, 300), steps=2000)


@pytest.mark.parametrize("device", ["cpu", "torch"])
def test_the_streaming_contract(device: str) -> None:
    model = checkpoint(layers=2)
    hops, steps = (100, 20_000) if device == "cpu" else (40, 300)
    # The same kernel whatever the split, so bit-equal.
    check_streaming(frame_stage(open_runtime(model, device)), eventful_frames(model, hops), steps=steps)


@pytest.mark.parametrize("device", ["cpu", "torch"])
def test_offline_is_init_step_flush(device: str) -> None:
    model = checkpoint()
    frames = eventful_frames(model, 120)
    stepped = open_runtime(model, device)
    np.testing.assert_array_equal(runtime.offline(stepped, frames[:, 0]), stream(stepped, frames)[:, 0])


def test_a_step_with_out_allocates_nothing_that_stays() -> None:
    model = checkpoint()
    stepped, out = open_runtime(model, "cpu"), np.empty((1, 12), np.float32)
    x, state = np.zeros((1, model.mean.size), np.float32), stepped.init_state()
    for _ in range(200):
        returned, state = stepped.step(x, state, out)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(1000):
        returned, state = stepped.step(x, state, out)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert returned is out
    assert held - before < 1024
    assert peak - before < 4096, "a step makes temporary arrays"


@settings(max_examples=60, deadline=None)
@given(x=arrays.arrays(np.float32, (4, 1, FrontendSpec().n_features), elements=st.floats(width=32, allow_nan=True)))
def test_no_input_can_poison_the_state(x: np.ndarray) -> None:
    model = checkpoint()
    for device in ("cpu", "torch"):
        stepped = open_runtime(model, device)
        logits = stream(stepped, np.concatenate((x, np.zeros_like(x))))
        assert np.isfinite(logits).all()


def test_not_a_number_counts_as_the_mean() -> None:
    model = checkpoint()
    stepped = open_runtime(model, "cpu")
    frames = eventful_frames(model, 50)
    holed, filled = frames.copy(), frames.copy()
    holed[20, 0, 3], filled[20, 0, 3] = np.nan, model.mean[3]
    np.testing.assert_array_equal(stream(stepped, holed), stream(stepped, filled))


def test_an_hour_of_silence_ends_in_a_steady_state() -> None:
    model = checkpoint()
    stepped = open_runtime(model, "cpu")
    frame = (model.mean - 3.0 * model.std)[None]
    state = stepped.init_state()
    late = []
    for hop in range(41_344):
        outputs, state = stepped.step(frame, state)
        if hop >= 41_300:
            late.append(outputs)
    assert all(np.isfinite(array).all() for array in state.arrays())
    assert np.ptp(np.stack(late), axis=0).max() <= 1e-6
    assert np.abs(state.pooled_variance).max() < 1e-9


def test_hours_leave_every_value_bounded() -> None:
    model = checkpoint()
    stepped, frames = open_runtime(model, "cpu"), eventful_frames(model, 500)
    state, out = stepped.init_state(), np.empty((1, 12), np.float32)
    state.heard[:] = architecture.HEARD_LIMIT - 10_000
    largest = []
    for _ in range(40):
        for frame in frames:
            stepped.step(frame, state, out)
        assert np.isfinite(out).all()
        largest.append(max(float(np.abs(array).max()) for array in state.arrays() if array is not state.heard))
    assert state.heard.tolist() == [architecture.HEARD_LIMIT]
    # The same frames over and over: once the time constants are over, what is remembered repeats and does not creep.
    settled = largest[5:]
    assert max(settled) - min(settled) <= 1e-5 * max(settled)


@given(a=arrays.arrays(np.float32, 64, elements=st.floats(-60, 60, width=32)))
def test_the_exponential_is_within_rounding(a: np.ndarray) -> None:
    values = packed.aligned(64)
    values[:] = a
    cell._exp(values, values.view(np.int32), np.empty(64, np.int32))
    np.testing.assert_allclose(values, np.exp(a.astype(np.float64)), rtol=2.5e-7)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((1, 7), np.float32),
        np.zeros((2, FrontendSpec().n_features), np.float32),
        np.zeros((1, FrontendSpec().n_features)),
        np.zeros((1, 2 * FrontendSpec().n_features), np.float32)[:, ::2],
    ],
)
def test_frames_of_the_wrong_shape_are_refused(x: np.ndarray) -> None:
    stepped = open_runtime(checkpoint(), "cpu")
    state = stepped.init_state()
    with pytest.raises(ValueError, match="x is"):
        stepped.step(x, state)
    assert not state.h.any()


@pytest.mark.parametrize("out", [np.zeros((1, 10), np.float32), np.zeros((1, 12))])
def test_an_output_of_the_wrong_shape_is_refused(out: np.ndarray) -> None:
    stepped = open_runtime(checkpoint(), "cpu")
    with pytest.raises(ValueError, match="out is"):
        stepped.step(np.zeros((1, stepped.n_features), np.float32), stepped.init_state(), out)


def test_an_unknown_device_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="did you mean cuda"):
        open_runtime(checkpoint(), "cudda")


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_batch_of_none_is_refused(device: str) -> None:
    with pytest.raises(ConfigError, match="batch is 0"):
        open_runtime(checkpoint(), device, batch=0)
    with pytest.raises(ValueError, match="batch is 0"):
        open_runtime(checkpoint(), device).init_state(0)


@pytest.mark.skipif(runtime.cuda_device_count() > 0, reason="there is a GPU")
def test_cuda_without_a_gpu_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="no NVIDIA driver") as caught:
        open_runtime(checkpoint(), "cuda")
    assert "auto" in caught.value.remedy


def test_auto_gives_the_compiled_cell_for_one_small_stream() -> None:
    stepped = open_runtime(checkpoint(), "auto")
    assert isinstance(stepped, NumbaRuntime) or stepped.device.startswith("cuda")
    assert stepped.labels == checkpoint().labels
    assert (stepped.latency_samples, stepped.receptive_field) == (0, None)


def test_auto_survives_a_gpu_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    if runtime.cuda_device_count():
        pytest.skip("there is a GPU that can be used")
    # The driver finds a GPU, torch does not: a CPU build of torch on a machine with a GPU.
    monkeypatch.setattr(runtime, "cuda_device_count", lambda: 1)
    monkeypatch.setattr(runtime, "_GPU_FLOOR_S", 0.0)
    assert isinstance(open_runtime(checkpoint(), "auto"), NumbaRuntime)
    with pytest.raises(ConfigError, match="sees no CUDA device"):
        open_runtime(checkpoint(), "cuda")


@pytest.mark.real
def test_the_cpu_path_imports_no_torch() -> None:
    script = (
        "import sys, numpy as np\n"
        "from rtgenre.model.runtime import open_runtime\n"
        "from tests.model.small import checkpoint\n"
        "stepped = open_runtime(checkpoint(), 'cpu')\n"
        "stepped.step(np.zeros((1, stepped.n_features), np.float32), stepped.init_state())\n"
        "print('torch' in sys.modules)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False"]
