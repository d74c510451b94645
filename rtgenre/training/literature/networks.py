"""Networks of the papers in torch, built so that their parameters count as the papers' own library counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar, cast

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Builder = Callable[[tuple[int, ...], int], nn.Module]

Cell = Literal["lstm", "gru", "rnn"]
States = list[tuple[torch.Tensor, ...]]
Layer = TypeVar("Layer", nn.Linear, nn.Conv1d, nn.Conv2d)


def count_parameters(network: nn.Module) -> int:
    """Parameters as Keras counts them: with the moving averages of batch normalisation, one bias for each LSTM gate."""
    held = sum(b.numel() for name, b in network.named_buffers() if name.endswith(("running_mean", "running_var")))
    second = _second_biases(network)
    return sum(p.numel() for p in network.parameters() if id(p) not in second) + held


def _second_biases(network: nn.Module) -> set[int]:
    return {
        id(bias)
        for module in network.modules()
        if isinstance(module, (nn.LSTM, nn.RNN))
        for name, bias in module.named_parameters()
        if name.startswith("bias_hh")
    }


class Recurrent(nn.Module):
    """One recurrent layer, with dropout on what it carries from step to step if asked for.

    torch has two biases a gate where Keras has one (but for its GRU, which has two as well); the second is kept at 0.
    """

    def __init__(self, cell: Cell, n_in: int, units: int, recurrent_dropout: float = 0.0) -> None:
        super().__init__()
        if recurrent_dropout and cell != "lstm":
            raise ValueError("recurrent dropout is there for the LSTM only: no paper has it elsewhere")
        self.cell: nn.RNNBase = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell](n_in, units, batch_first=True)
        self.recurrent_dropout = recurrent_dropout
        if cell != "gru":
            nn.init.zeros_(self.cell.bias_hh_l0)
            self.cell.bias_hh_l0.requires_grad_(requires_grad=False)
        for name, weight in self.cell.named_parameters():
            if "weight_ih" in name:
                nn.init.xavier_uniform_(weight)
            elif "weight_hh" in name:
                nn.init.orthogonal_(weight)
            elif name.startswith("bias_ih"):
                nn.init.zeros_(weight)
                if cell == "lstm":
                    nn.init.ones_(weight[units : 2 * units])  # the gate that forgets begins open, as in Keras

    def forward(
        self, x: torch.Tensor, state: tuple[torch.Tensor, ...] | None = None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """(batch, frames, n_in) → (batch, frames, units) and the state to go on from."""
        inside = None if state is None else (state if len(state) > 1 else state[0])
        if self.recurrent_dropout and self.training:
            return self._with_dropout(x)
        y, after = self.cell(x, inside)
        return y, after if isinstance(after, tuple) else (after,)

    def _with_dropout(self, x: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """The same with one mask over what is carried, for all steps (Gal & Ghahramani 2016) and sequences of a batch.

        Units that are dropped are columns of the carrying weights set to 0. A mask for each sequence would need a step
        at a time, eight times as long.
        """
        enters, carries, bias, no_bias = cast("list[torch.Tensor]", self.cell.all_weights[0])
        mask = nn.functional.dropout(carries.new_ones(1, carries.shape[1]), self.recurrent_dropout)
        zeros = x.new_zeros(1, len(x), self.cell.hidden_size)
        weights = [enters, carries * mask, bias, no_bias]
        y, hidden, memory = torch.lstm(x, [zeros, zeros], weights, True, 1, 0.0, True, False, True)
        return y, (hidden, memory)


class RecurrentNet(nn.Module):
    """Recurrent layers one above the other, and dense layers on the last step's output. Causal: it can be streamed."""

    def __init__(self, layers: Sequence[Recurrent], head: nn.Module, between: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.between = nn.Dropout(between)
        self.head = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, frames, features) → (batch, labels) logits."""
        for layer in self.layers:
            x = self.between(layer(x)[0])
        return cast("torch.Tensor", self.head(x[:, -1]))

    def step(self, frame: torch.Tensor, states: States | None) -> tuple[torch.Tensor, States]:
        """One frame of a stream: (1, features) → (1, labels) logits, and the states to carry on."""
        x, after = frame[:, None], []
        for k, layer in enumerate(self.layers):
            x, state = layer(x, None if states is None else states[k])
            after.append(state)
        return cast("torch.Tensor", self.head(x[:, -1])), after


class ConvolutionsThenRecurrent(nn.Module):
    """A picture of (frames, coefficients) through convolutions; what is left of its frames goes through cells."""

    def __init__(self, convolutions: nn.Module, layers: Sequence[Recurrent], head: nn.Module) -> None:
        super().__init__()
        self.convolutions = convolutions
        self.layers = nn.ModuleList(layers)
        self.head = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, frames, coefficients) → (batch, labels) logits."""
        maps = self.convolutions(x[:, None])  # (batch, channels, frames, coefficients)
        x = maps.permute(0, 2, 1, 3).flatten(2)
        for layer in self.layers:
            x = layer(x)[0]
        return cast("torch.Tensor", self.head(x[:, -1]))


class AsPicture(nn.Module):
    """(batch, frames, coefficients) → (batch, 1, frames, coefficients)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return x[:, None]


class FramesLast(nn.Module):
    """(batch, frames, features) → (batch, features, frames), as one-dimensional convolutions want it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return x.transpose(1, 2)


class MeanOverFrames(nn.Module):
    """(batch, channels, frames) → (batch, channels)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return x.mean(dim=2)


def dense(n_in: int, sizes: Sequence[int], n_labels: int, dropout: float = 0.0) -> nn.Sequential:
    """ReLU layers, each followed by dropout if asked for, and a linear one to the labels."""
    layers: list[nn.Module] = []
    for size in sizes:
        layers += [_keras(nn.Linear(n_in, size)), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        n_in = size
    return nn.Sequential(*layers, _keras(nn.Linear(n_in, n_labels)))


def mlp(sizes: Sequence[int], dropout: float = 0.0) -> Builder:
    """Dense layers on all frames of a piece at once."""

    def build(shape: tuple[int, ...], n_labels: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), dense(shape[0] * shape[1], sizes, n_labels, dropout))

    return build


def two_of_64(cell: Cell) -> Builder:
    """Two recurrent layers of 64 → dense 64 → dropout 0.3 → labels: three of the papers have it."""

    def build(shape: tuple[int, ...], n_labels: int) -> nn.Module:
        layers = (Recurrent(cell, shape[1], 64), Recurrent(cell, 64, 64))
        return RecurrentNet(layers, dense(64, (64,), n_labels, dropout=0.3))

    return build


def convolution(n_in: int, n_out: int, size: int = 3) -> nn.Conv2d:
    """A square convolution that keeps the picture's size."""
    return _keras(nn.Conv2d(n_in, n_out, size, padding="same"))


def convolution_1d(n_in: int, n_out: int, size: int) -> nn.Conv1d:
    """A convolution over frames that keeps their number."""
    return _keras(nn.Conv1d(n_in, n_out, size, padding="same"))


def pool(size: int, stride: int | None = None) -> nn.MaxPool2d:
    """Maximum over squares; what is left over at the edges is pooled, too (Keras's ``same``)."""
    return nn.MaxPool2d(size, stride or size, ceil_mode=True)


def size_after(network: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of what a network makes of one input of a shape, without the batch."""
    network.eval()
    with torch.inference_mode():
        made = network(torch.zeros(1, *shape))
    network.train()
    return tuple(made.shape[1:])


def kernels(network: nn.Module) -> list[torch.Tensor]:
    """The weights that a penalty is laid on: everything with more than one axis."""
    return [p for p in network.parameters() if p.ndim > 1 and p.requires_grad]


def _keras(layer: Layer) -> Layer:
    """Glorot's uniform weights and no bias to begin with: the papers' library does so, torch does not."""
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
