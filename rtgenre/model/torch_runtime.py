"""The two torch runtimes: the CPU reference, and one CUDA graph a step. Imported only when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from rtgenre.errors import ConfigError
from rtgenre.model import network
from rtgenre.model.interface import ModelState, RuntimeBase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint

    FloatArray = NDArray[np.float32]

_WARM_STEPS = 3  # before a capture: lets cuBLAS make its workspaces outside the graph


class TorchRuntime(RuntimeBase):
    """``torch.nn.LSTM`` on the CPU: slow, plain, and what the other runtimes are compared with.

    Args:
        checkpoint: the model.
    """

    device = "cpu (torch)"

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        self._network = network.from_checkpoint(checkpoint)

    def _advance(self, x: FloatArray, state: ModelState, out: FloatArray) -> None:
        # A second thread costs more than it gives at this size; the setting is the whole program's, so it is
        # put back.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                h, c = torch.from_numpy(state.h), torch.from_numpy(state.c)
                logits, (h_next, c_next) = self._network(torch.from_numpy(x)[:, None], (h, c))
                h.copy_(h_next)
                c.copy_(c_next)
                torch.from_numpy(out).copy_(logits[:, 0])
        finally:
            torch.set_num_threads(threads)


class CudaRuntime(RuntimeBase):
    """One CUDA graph a step: copy in, network, copy out, all captured once and replayed.

    The state stays the caller's, on the host: x, h and c travel in one pinned buffer, logits, h and c come back
    in another, so a step costs one launch and one synchronisation whatever the batch. One thread at a time.

    Args:
        checkpoint: the model.
        batch: number of streams; the graph's shapes are fixed.

    Raises:
        ConfigError: torch sees no CUDA device.
    """

    def __init__(self, checkpoint: Checkpoint, batch: int) -> None:
        super().__init__(checkpoint)
        if not torch.cuda.is_available():
            raise ConfigError(
                f'device is "cuda", but torch {torch.__version__} sees no CUDA device',
                'set device = "auto" or "cpu", or install a CUDA build of torch and the driver',
            )
        self.device = f"cuda ({torch.cuda.get_device_name()})"
        self._batch = batch
        self._network = network.from_checkpoint(checkpoint).cuda()
        shape = checkpoint.architecture
        self._state_shape = (shape.layers, batch, shape.hidden)
        state_size = shape.layers * batch * shape.hidden
        self._sizes_in = (batch * self.n_features, state_size, state_size)
        self._sizes_out = (batch * len(self.labels), state_size, state_size)
        self._host_in = torch.zeros(sum(self._sizes_in), pin_memory=True)
        self._host_out = torch.zeros(sum(self._sizes_out), pin_memory=True)
        self._device_in = torch.zeros(sum(self._sizes_in), device="cuda")
        # Views that numpy writes and reads between two replays.
        self._x, self._h, self._c = (part.numpy() for part in self._host_in.split_with_sizes(self._sizes_in))
        self._logits, self._h_next, self._c_next = (
            part.numpy() for part in self._host_out.split_with_sizes(self._sizes_out)
        )
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch gives it no types
        self._graph = self._capture()

    def init_state(self, batch: int = 1) -> ModelState:
        """A fresh state; ``batch`` must be the one the graph was captured for."""
        if batch != self._batch:
            raise ValueError(f"batch is {batch}, this runtime was opened for {self._batch}")
        return super().init_state(batch)

    def warm(self) -> None:
        """Nothing to do: the graph was captured when the runtime was made."""

    def _capture(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        # cuDNN would use TF32 (10 bits of mantissa) and keep plans of its own; the native cell is exact to float32
        # and captures cleanly.
        with torch.backends.cudnn.flags(enabled=False), torch.inference_mode():
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_STEPS):
                    self._replayed()
            self._stream.synchronize()
            with torch.cuda.graph(graph, stream=self._stream):
                self._replayed()
        return graph

    def _replayed(self) -> None:
        self._device_in.copy_(self._host_in, non_blocking=True)
        x, h, c = self._device_in.split_with_sizes(self._sizes_in)
        logits, (h_next, c_next) = self._network(
            x.view(self._batch, 1, self.n_features), (h.view(self._state_shape), c.view(self._state_shape))
        )
        result = torch.cat((logits.reshape(-1), h_next.reshape(-1), c_next.reshape(-1)))
        self._host_out.copy_(result, non_blocking=True)

    def _advance(self, x: FloatArray, state: ModelState, out: FloatArray) -> None:
        np.copyto(self._x, x.reshape(-1))
        np.copyto(self._h, state.h.reshape(-1))
        np.copyto(self._c, state.c.reshape(-1))
        with torch.cuda.stream(self._stream):
            self._graph.replay()
        self._stream.synchronize()
        np.copyto(out, self._logits.reshape(out.shape))
        np.copyto(state.h, self._h_next.reshape(state.h.shape))
        np.copyto(state.c, self._c_next.reshape(state.c.shape))
