"""The network as torch modules: what is trained, and the reference that every runtime equals."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from rtgenre.model.architecture import EXTRA_OUTPUTS, HEARD_LIMIT, KERNEL, VARIANCE_FLOOR

if TYPE_CHECKING:
    from rtgenre.model.architecture import Architecture
    from rtgenre.model.checkpoint import Checkpoint


class NetState(NamedTuple):
    """``interface.ModelState`` as tensors, field for field; never changed in place."""

    h: Tensor
    c: Tensor
    history: Tensor
    pooled_mean: Tensor
    pooled_variance: Tensor
    embedding_mean: Tensor
    heard: Tensor
    trunk: Tensor


class Encoder(nn.Module):
    """From the leading features to the embedding: convolutions, running pooling, two affine layers.

    The parts can be trained by themselves: ``conv`` through ``frames``, ``head`` and ``embedding`` through
    ``embed`` on pooled values that were computed before.

    Args:
        architecture: widths, depth and time constants.
        hops_per_s: frames a second, for the time constants.
    """

    def __init__(self, architecture: Architecture, hops_per_s: float) -> None:
        super().__init__()
        width = architecture.encoder_width
        self._inputs = [architecture.encoder_inputs, *[width] * (architecture.encoder_layers - 1)]
        self._least_pooling, self._least_embedding = architecture.least_weights(hops_per_s)
        self.conv = nn.ModuleList(nn.Conv1d(n_inputs, width, KERNEL) for n_inputs in self._inputs)
        self.head = nn.Linear(2 * width, architecture.encoder_head)
        self.embedding = nn.Linear(architecture.encoder_head, architecture.embedding)

    def frames(self, m: Tensor, history: Tensor) -> tuple[Tensor, Tensor]:
        """The convolutions.

        Args:
            m: (batch, n_hops, encoder_inputs) normalised, at least one hop.
            history: (batch, 2, history_width): what each convolution read in the two hops before.

        Returns:
            (batch, n_hops, encoder_width), and the history after the last hop.
        """
        kept = []
        for layer, (conv, before) in enumerate(
            zip(self.conv, history.split_with_sizes(self._inputs, dim=-1), strict=True)
        ):
            read = torch.cat((before, m), dim=1)
            kept.append(read[:, 1 - KERNEL :])
            given = torch.relu(conv(read.transpose(1, 2)).transpose(1, 2))
            m = m + given if layer else given
        return m, torch.cat(kept, dim=-1)

    def pooled(self, a: Tensor, mean: Tensor, variance: Tensor, heard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Running mean and deviation after each hop.

        Args:
            a: (batch, n_hops, encoder_width).
            mean: (batch, encoder_width) before the first hop.
            variance: likewise.
            heard: (batch,) hops heard before the first one.

        Returns:
            (batch, n_hops, 2 * encoder_width) means beside deviations; mean and variance after the last hop.
        """
        means, variances = [], []
        weight = _weights(heard, a.shape[1], self._least_pooling)
        for w, value in zip(weight.unbind(1), a.unbind(1), strict=True):
            difference = value - mean
            mean = mean + w * difference
            variance = (1.0 - w) * (variance + w * difference * difference)
            means.append(mean)
            variances.append(variance)
        deviations = torch.sqrt(torch.stack(variances, dim=1) + VARIANCE_FLOOR)
        return torch.cat((torch.stack(means, dim=1), deviations), dim=-1), mean, variance

    def embed(self, pooled: Tensor) -> Tensor:
        """The embedding (…, embedding) of pooled values (…, 2 * encoder_width)."""
        embedded: Tensor = self.embedding(torch.relu(self.head(pooled)))
        return embedded

    def averaged(self, e: Tensor, mean: Tensor, heard: Tensor) -> Tensor:
        """Running mean (batch, n_hops, embedding) of embeddings of that shape, from (batch, embedding) before."""
        means = []
        weight = _weights(heard, e.shape[1], self._least_embedding)
        for w, value in zip(weight.unbind(1), e.unbind(1), strict=True):
            mean = mean + w * (value - mean)
            means.append(mean)
        return torch.stack(means, dim=1)

    def forward(self, m: Tensor, state: NetState) -> tuple[Tensor, Tensor, NetState]:
        """Run over a stretch of frames.

        Args:
            m: (batch, n_hops, encoder_inputs) normalised, at least one hop.
            state: before the first hop.

        Returns:
            Embeddings and their running mean, each (batch, n_hops, embedding), and the state with the encoder's
            part of it advanced, ``heard`` included.
        """
        a, history = self.frames(m, state.history)
        pooled, mean, variance = self.pooled(a, state.pooled_mean, state.pooled_variance, state.heard)
        e = self.embed(pooled)
        averaged = self.averaged(e, state.embedding_mean, state.heard)
        heard = (state.heard + m.shape[1]).clamp(max=HEARD_LIMIT)
        advanced = state._replace(
            history=history, pooled_mean=mean, pooled_variance=variance, embedding_mean=averaged[:, -1], heard=heard
        )
        return e, averaged, advanced


class Adapters(nn.Module):
    """What channels have done to the trunk's values, undone as far as there is any of each; fresh, they change nothing.

    Args:
        architecture: how many, their rank, and what they read.
        n_features: leading inputs, those that the gates read.
    """

    def __init__(self, architecture: Architecture, n_features: int) -> None:
        super().__init__()
        self._n_features, self._rank = n_features, architecture.adapter
        inputs, n = n_features + 2 * architecture.embedding, architecture.adapters
        # Zeros instead of random numbers: whether there are any changes no draw of what is fitted before them.
        with torch.device("meta"):
            gate, down = nn.Linear(n_features, n), nn.Linear(inputs, n * self._rank)
            up = nn.Linear(n * self._rank, architecture.trunk, bias=False)
        self.gate, self.down, self.up = (part.to_empty(device="cpu") for part in (gate, down, up))
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def share(self, inputs: Tensor) -> Tensor:
        """How much of each is added, (…, adapters) from 0 to 1, for inputs (…, n_inputs) of the trunk."""
        return torch.sigmoid(self.gate(inputs[..., : self._n_features]))

    def forward(self, inputs: Tensor) -> Tensor:
        """What is added to the trunk's values (…, trunk) before their ``relu``."""
        added: Tensor = self.up(self.share(inputs).repeat_interleave(self._rank, dim=-1) * self.down(inputs))
        return added


class GenreNet(nn.Module):
    """Frames to outputs; ``Architecture`` describes it in words.

    Args:
        architecture: widths, depths and time constants.
        mean: (n_features,) float32.
        std: (n_features,) float32, positive.
        n_labels: number of genre logits; those of ``EXTRA_OUTPUTS`` follow them.
        hops_per_s: frames a second, for the time constants.
    """

    mean: Tensor
    inverse_std: Tensor

    def __init__(self, architecture: Architecture, mean: Tensor, std: Tensor, n_labels: int, hops_per_s: float) -> None:
        super().__init__()
        self.architecture = architecture
        # Constants of the corpus, not weights: the checkpoint keeps them under names of their own.
        self.register_buffer("mean", mean.clone(), persistent=False)
        self.register_buffer("inverse_std", 1.0 / std, persistent=False)
        self.encoder = Encoder(architecture, hops_per_s)
        self.trunk = nn.Linear(mean.numel() + 2 * architecture.embedding, architecture.trunk)
        self.lstm = nn.LSTM(architecture.trunk, architecture.hidden, architecture.layers, batch_first=True)
        self.head = nn.Linear(architecture.hidden + architecture.trunk, n_labels + len(EXTRA_OUTPUTS))
        self.adapter = Adapters(architecture, mean.numel()) if architecture.adapter else None

    def init_state(self, batch: int = 1) -> NetState:
        """Nothing heard yet: zeros, on the network's device."""
        shape, device = self.architecture, self.mean.device

        def zeros(*size: int) -> Tensor:
            return torch.zeros(size, device=device)

        return NetState(
            h=zeros(shape.layers, batch, shape.hidden),
            c=zeros(shape.layers, batch, shape.hidden),
            history=zeros(batch, KERNEL - 1, shape.history_width),
            pooled_mean=zeros(batch, shape.encoder_width),
            pooled_variance=zeros(batch, shape.encoder_width),
            embedding_mean=zeros(batch, shape.embedding),
            heard=torch.zeros(batch, dtype=torch.int32, device=device),
            trunk=zeros(batch, shape.trunk),
        )

    def normalise(self, x: Tensor) -> Tensor:
        """``z`` of features ``x`` of the same shape (…, n_features); NaN counts as the mean."""
        z = torch.nan_to_num((x - self.mean) * self.inverse_std, nan=0.0)
        return z.clamp(-self.architecture.input_clip, self.architecture.input_clip)

    def units(self, inputs: Tensor) -> Tensor:
        """``u`` (…, trunk) of the trunk's inputs (…, n_features + 2 * embedding)."""
        values = self.trunk(inputs)
        return torch.relu(values if self.adapter is None else values + self.adapter(inputs))

    def forward(self, x: Tensor, state: NetState | None = None) -> tuple[Tensor, NetState]:
        """Run over a stretch of frames.

        Args:
            x: (batch, n_hops, n_features) float32 features as the frontend makes them, at least one hop.
            state: before the first hop; None is a fresh one.

        Returns:
            Outputs (batch, n_hops, n_outputs) and the state after the last hop.
        """
        z = self.normalise(x)
        state = self.init_state(len(x)) if state is None else state
        e, averaged, state = self.encoder(z[..., : self.architecture.encoder_inputs], state)
        u = self.units(torch.cat((z, e, averaged), dim=-1))
        hs, (h, c) = self.lstm(u, (state.h, state.c))
        return self.head(torch.cat((hs, u), dim=-1)), state._replace(h=h, c=c, trunk=u[:, -1])


def _weights(heard: Tensor, n_hops: int, least: float) -> Tensor:
    """(batch, n_hops, 1): what each hop weighs in a running mean."""
    before = (heard[:, None] + torch.arange(n_hops, device=heard.device)).clamp(max=HEARD_LIMIT)
    return (1.0 / (before + 1.0)).clamp(min=least)[..., None]


def from_checkpoint(checkpoint: Checkpoint) -> GenreNet:
    """The trained network, in evaluation mode, on the CPU."""
    network = GenreNet(
        checkpoint.architecture,
        torch.from_numpy(checkpoint.mean.copy()),
        torch.from_numpy(checkpoint.std.copy()),
        len(checkpoint.labels),
        checkpoint.hops_per_s,
    )
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in checkpoint.tensors.items()})
    return network.eval()
