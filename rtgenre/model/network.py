"""The network as a torch module: what is trained, and the reference that every runtime equals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from rtgenre.model.checkpoint import Architecture, Checkpoint

LstmState = tuple[Tensor, Tensor]


class GenreNet(nn.Module):
    """Frames to logits: normalise, clip, project, LSTM, and a head over the LSTM's ``h`` beside the projection.

    ``Architecture`` describes it in words. Dropout acts only in training mode.

    Args:
        architecture: widths and depth.
        mean: (n_features,) float32.
        std: (n_features,) float32, positive.
        n_labels: number of logits.
        input_dropout: share of normalised inputs zeroed in training.
        dropout: share of ``u`` and ``h`` zeroed in training before the head and between layers.
    """

    mean: Tensor
    inverse_std: Tensor

    def __init__(
        self,
        architecture: Architecture,
        mean: Tensor,
        std: Tensor,
        n_labels: int,
        *,
        input_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        hidden, layers = architecture.hidden, architecture.layers
        self.input_clip = architecture.input_clip
        # Constants of the corpus, not weights: the checkpoint keeps them under names of their own.
        self.register_buffer("mean", mean.clone(), persistent=False)
        self.register_buffer("inverse_std", 1.0 / std, persistent=False)
        self.input_dropout = nn.Dropout(input_dropout)
        self.projection = nn.Linear(mean.numel(), hidden)
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * hidden, n_labels)

    def forward(self, x: Tensor, state: LstmState | None = None) -> tuple[Tensor, LstmState]:
        """Run over a stretch of frames.

        Args:
            x: (batch, n_hops, n_features) float32 features as the frontend makes them; NaN counts as the mean.
            state: h and c, each (layers, batch, hidden); None is a fresh one.

        Returns:
            Logits (batch, n_hops, n_labels) and the state after the last hop.
        """
        z = torch.nan_to_num((x - self.mean) * self.inverse_std, nan=0.0)
        z = self.input_dropout(z.clamp(-self.input_clip, self.input_clip))
        u = self.dropout(torch.tanh(self.projection(z)))
        h, state = self.lstm(u, state)
        return self.head(torch.cat((self.dropout(h), u), dim=-1)), state


def from_checkpoint(checkpoint: Checkpoint) -> GenreNet:
    """The trained network, in evaluation mode, on the CPU."""
    network = GenreNet(
        checkpoint.architecture,
        torch.from_numpy(checkpoint.mean.copy()),
        torch.from_numpy(checkpoint.std.copy()),
        len(checkpoint.labels),
    )
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in checkpoint.tensors.items()})
    return network.eval()
