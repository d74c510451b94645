"""The two torch runtimes: the CPU reference, and one CUDA graph a step. Imported only when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from rtgenre.errors import ConfigError
from rtgenre.model import network
from rtgenre.model.interface import ModelState, RuntimeBase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint

    FloatArray = NDArray[np.float32]

_WARM_STEPS = 3  # before a capture: lets cuBLAS make its workspaces outside the graph


class TorchRuntime(RuntimeBase):
    """The torch modules on the CPU: slow, plain, and what the other runtimes are compared with.

    Args:
        checkpoint: the model.
    """

    device = "cpu (torch)"

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        self._network = network.from_checkpoint(checkpoint)

    def step_each(self, xs: Sequence[FloatArray], states: Sequence[ModelState], outs: Sequence[FloatArray]) -> None:
        """See ``Runtime.step_each``: truly one batch."""
        self._step_gathered(max(1, len(states)), xs, states, outs)

    def _advance(self, x: FloatArray, state: ModelState, out: FloatArray) -> None:
        # A second thread costs more than it gives at this size; the setting is the whole program's, so it is
        # put back.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                before = network.NetState(*(torch.from_numpy(array) for array in state.arrays()))
                outputs, after = self._network(torch.from_numpy(x)[:, None], before)
                for kept, value in zip(before, after, strict=True):
                    kept.copy_(value)
                torch.from_numpy(out).copy_(outputs[:, 0])
        finally:
            torch.set_num_threads(threads)


class CudaRuntime(RuntimeBase):
    """One CUDA graph a step: copy in, network, copy out, all captured once and replayed.

    The state stays the caller's, on the host: x and the state travel in one pinned buffer, outputs and state come
    back in another, so a step costs one launch and one synchronisation whatever the batch. One thread at a time.

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
        fresh = super().init_state(batch)
        self._shapes = [array.shape for array in fresh.arrays()]
        state_sizes = [array.size for array in fresh.arrays()]
        sizes_in, sizes_out = [batch * self.n_features, *state_sizes], [batch * self.n_outputs, *state_sizes]
        self._sizes_in = sizes_in
        self._host_in = torch.zeros(sum(sizes_in), pin_memory=True)
        self._host_out = torch.zeros(sum(sizes_out), pin_memory=True)
        self._device_in = torch.zeros(sum(sizes_in), device="cuda")
        # Views that numpy writes and reads between two replays. Counts travel as floats, see ``advance_joined``.
        self._x, *self._before = (part.numpy() for part in self._host_in.split_with_sizes(sizes_in))
        self._outputs, *self._after = (part.numpy() for part in self._host_out.split_with_sizes(sizes_out))
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch gives it no types
        self._graph = self._capture()

    def init_state(self, batch: int = 1) -> ModelState:
        """A fresh state; ``batch`` must be the one the graph was captured for, or 1 for ``step_each``."""
        if batch not in {1, self._batch}:
            raise ValueError(f"batch is {batch}, this runtime was opened for {self._batch}")
        return super().init_state(batch)

    def step_each(self, xs: Sequence[FloatArray], states: Sequence[ModelState], outs: Sequence[FloatArray]) -> None:
        """See ``Runtime.step_each``: one launch for as many streams as the graph was captured for."""
        self._step_gathered(self._batch, xs, states, outs)

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
        result = advance_joined(self._network, self._device_in, self._sizes_in, self._shapes)
        self._host_out.copy_(result, non_blocking=True)

    def _advance(self, x: FloatArray, state: ModelState, out: FloatArray) -> None:
        if state.batch != self._batch:  # one stream alone: soft resets, warm-up
            self._step_gathered(self._batch, [x], [state], [out])
            return
        np.copyto(self._x, x.reshape(-1))
        for travelling, array in zip(self._before, state.arrays(), strict=True):
            np.copyto(travelling, array.reshape(-1), casting="same_kind")
        with torch.cuda.stream(self._stream):
            self._graph.replay()
        self._stream.synchronize()
        np.copyto(out, self._outputs.reshape(out.shape))
        for travelling, array in zip(self._after, state.arrays(), strict=True):
            np.copyto(array, travelling.reshape(array.shape), casting="unsafe")


def advance_joined(
    net: network.GenreNet, joined: torch.Tensor, sizes: Sequence[int], shapes: Sequence[tuple[int, ...]]
) -> torch.Tensor:
    """One hop from and to single float32 vectors: no copy but these two need cross to a GPU and back.

    Args:
        net: the network, on the vector's device.
        joined: (n,) float32: the frames, then the state's arrays in the order of ``ModelState``. ``heard`` is a
            float there: float32 is exact up to ``HEARD_LIMIT``.
        sizes: numbers of values of the parts of ``joined``.
        shapes: of the state's arrays.

    Returns:
        (m,) float32: the outputs, then the state's arrays.
    """
    x, *flat = joined.split_with_sizes(list(sizes))
    before = network.NetState(*(part.view(shape) for part, shape in zip(flat, shapes, strict=True)))
    outputs, after = net(x.view(len(before.heard), 1, -1), before)
    return torch.cat([part.reshape(-1) for part in (outputs, *after)])
