"""One step of the network, behind one interface, on whatever computes it quickest.

Nothing here imports torch unless a torch runtime is asked for, or a GPU is there that might be quicker.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

from rtgenre.errors import ConfigError, nearest
from rtgenre.model import cell

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint

    FloatArray = NDArray[np.float32]

Device = Literal["auto", "cpu", "torch", "cuda"]

# Launching a graph and waiting for it takes this long at the least, however small the network is: where the CPU
# is quicker than that, a GPU need not be tried (trying costs seconds of torch and CUDA start-up).
_GPU_FLOOR_S = 15e-6
_TIMED_STEPS = 200

_log = logging.getLogger(__name__)


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


class NumbaRuntime(RuntimeBase):
    """The compiled cell on one CPU core; streams of a batch one after another.

    Args:
        checkpoint: the model.
    """

    device = "cpu (numba)"

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        self._weights = cell.pack(checkpoint)
        self._scratch = cell.scratch_for(self._weights)
        self._input_clip = np.float32(checkpoint.architecture.input_clip)

    def _advance(self, x: FloatArray, state: ModelState, out: FloatArray) -> None:
        cell.step(x, self._weights, self._input_clip, self._scratch, state.h, state.c, out)


def open_runtime(checkpoint: Checkpoint, device: str = "auto", batch: int = 1) -> Runtime:
    """Choose what computes the model, and make it ready.

    Args:
        checkpoint: the model.
        device: ``cpu`` (the compiled cell), ``torch`` (the reference on the CPU), ``cuda``, or ``auto``: the
            compiled cell, unless there is a GPU and a measurement of both finds it quicker.
        batch: number of streams that will be stepped together.

    Returns:
        A runtime, not yet warm unless it was measured.

    Raises:
        ConfigError: the device is unknown or not there.
    """
    if batch < 1:
        raise ConfigError(f"batch is {batch}, it must be at least 1")
    match device:
        case "cpu":
            return NumbaRuntime(checkpoint)
        case "torch" | "cuda":
            if device == "cuda" and not cuda_device_count():
                raise ConfigError(
                    'device is "cuda", but no NVIDIA driver or GPU was found',
                    'set device = "auto" or "cpu", or install the NVIDIA driver (`nvidia-smi` shows it)',
                )
            from rtgenre.model import torch_runtime  # noqa: PLC0415 - a second and 300 MB: only on request

            if device == "torch":
                return torch_runtime.TorchRuntime(checkpoint)
            return torch_runtime.CudaRuntime(checkpoint, batch)
        case "auto":
            return _quickest(checkpoint, batch)
    raise ConfigError(f'device is "{device}"; {nearest(device, get_args(Device))}', "set device to one of these")


def cuda_device_count() -> int:
    """Number of NVIDIA GPUs, asked of the driver library itself: 0 where there is none. Imports no torch."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        failed = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    except (OSError, AttributeError):
        return 0
    return 0 if failed else count.value


def is_compiled() -> bool:
    """Whether the compiled cell is on disk; if not, ``warm`` takes a few seconds the first time."""
    return cell.is_compiled()


def step_seconds(runtime: Runtime, batch: int = 1, steps: int = _TIMED_STEPS) -> float:
    """Median time of one step, in seconds, after warm-up."""
    x = np.zeros((batch, runtime.n_features), np.float32)
    out = np.empty((batch, len(runtime.labels)), np.float32)
    state = runtime.init_state(batch)
    runtime.warm()
    taken = np.empty(steps)
    for i in range(steps):
        start = time.perf_counter()
        _, state = runtime.step(x, state, out)
        taken[i] = time.perf_counter() - start
    return float(np.median(taken))


def _quickest(checkpoint: Checkpoint, batch: int) -> Runtime:
    on_cpu = NumbaRuntime(checkpoint)
    if not cuda_device_count():
        return on_cpu
    cpu_s = step_seconds(on_cpu, batch)
    if cpu_s <= _GPU_FLOOR_S:
        _log.info("model on the CPU: a step takes %.1f µs there, no GPU can be quicker", cpu_s * 1e6)
        return on_cpu
    try:
        on_gpu = open_runtime(checkpoint, "cuda", batch)
        gpu_s = step_seconds(on_gpu, batch)
    except (ConfigError, ImportError, RuntimeError) as error:
        # "auto" promises a working runtime; a GPU that torch cannot use is worth a word, not a refusal.
        _log.warning("a GPU is there but cannot be used, the model runs on the CPU: %s", error)
        return on_cpu
    chosen = on_gpu if gpu_s < cpu_s else on_cpu
    _log.info("a step takes %.1f µs on the CPU, %.1f µs on the GPU: %s", cpu_s * 1e6, gpu_s * 1e6, chosen.device)
    return chosen


def offline(runtime: Runtime, frames: FloatArray) -> FloatArray:
    """Logits (n_hops, n_labels) of one stream's frames (n_hops, n_features): init, step, flush."""
    logits = np.empty((len(frames), 1, len(runtime.labels)), np.float32)
    state = runtime.init_state()
    for hop, frame in enumerate(frames):
        _, state = runtime.step(frame[None], state, logits[hop])
    tail, _ = runtime.flush(state)
    return np.concatenate((logits, tail))[:, 0]
