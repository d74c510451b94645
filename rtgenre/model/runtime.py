"""One step of the network, behind one interface, on whatever computes it quickest.

Nothing here imports torch unless a torch runtime is asked for, or a GPU is there that might be quicker.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import time
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from rtgenre.errors import ConfigError, nearest
from rtgenre.model import cell, packed
from rtgenre.model.interface import RuntimeBase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint
    from rtgenre.model.interface import ModelState, Runtime

    FloatArray = NDArray[np.float32]

Device = Literal["auto", "cpu", "torch", "cuda"]

# Launching a graph and waiting for it takes this long at the least, however small the network is: where the CPU
# is quicker than that, a GPU need not be tried (trying costs seconds of torch and CUDA start-up).
_GPU_FLOOR_S = 15e-6
_TIMED_STEPS = 200

_log = logging.getLogger(__name__)


class NumbaRuntime(RuntimeBase):
    """The compiled cell on one CPU core; streams of a batch one after another.

    Args:
        checkpoint: the model.
    """

    device = "cpu (numba)"

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        self._weights = packed.pack(checkpoint)
        self._scratch = packed.scratch_for(self._weights)

    def _advance(self, x: FloatArray, state: ModelState, out: FloatArray) -> None:
        cell.step(x, self._weights, self._scratch, *state.arrays(), out)


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
    out = np.empty((batch, runtime.n_outputs), np.float32)
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
    """Outputs (n_hops, n_outputs) of one stream's frames (n_hops, n_features): init, step, flush."""
    outputs = np.empty((len(frames), 1, runtime.n_outputs), np.float32)
    state = runtime.init_state()
    for hop, frame in enumerate(frames):
        _, state = runtime.step(frame[None], state, outputs[hop])
    tail, _ = runtime.flush(state)
    return np.concatenate((outputs, tail))[:, 0]
