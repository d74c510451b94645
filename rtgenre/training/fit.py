"""The training loop: batches in, the network that did best on held-out artists out."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from rtgenre.training import scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rtgenre.model.network import GenreNet
    from rtgenre.training.features import Sequences

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How the network is fitted.

    Attributes:
        epochs: at most so many passes.
        patience: stop after so many epochs without a better log loss on the held-out clips.
        batch: sequences a step.
        learning_rate: AdamW's highest; it falls to nothing along a cosine.
        weight_decay: AdamW's.
        input_dropout: share of inputs zeroed.
        dropout: share of ``u`` and ``h`` zeroed.
        mixup: parameter of the beta distribution of the mixing weight (Zhang et al. 2018); 0 mixes nothing.
        label_smoothing: share of the target spread over all labels.
        averaging: decay a step of the exponential average of the weights that is kept as the result.
        threads: torch threads; another number sums in another order, so the weights depend on it.
        seed: of weights, batches and masks.
    """

    epochs: int = 30
    patience: int = 8
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    input_dropout: float = 0.5
    dropout: float = 0.4
    mixup: float = 0.4
    label_smoothing: float = 0.05
    averaging: float = 0.99
    threads: int = 2
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Clips that choose, never teach.

    Attributes:
        frames: (clips, n_hops, n_features) float32.
        label: (clips,) int64.
        read_at: hops (1-based) at which the smoothed posterior is scored.
        smoothing_hops: time constant of the smoothing.
    """

    frames: FloatArray
    label: IntArray
    read_at: tuple[int, ...]
    smoothing_hops: float


def fit(
    network: GenreNet,
    sequences: Sequences,
    held_out: HeldOut,
    settings: FitSettings,
    report: Callable[[dict[str, Any]], None],
) -> GenreNet:
    """Fit a network and return its best averaged weights.

    Args:
        network: fresh; changed in place.
        sequences: what teaches.
        held_out: what chooses.
        settings: how.
        report: called with the figures of each epoch.
    """
    frames, labels = torch.from_numpy(sequences.frames), torch.from_numpy(sequences.label)
    rng = torch.Generator().manual_seed(settings.seed)
    beta = torch.distributions.Beta(*[torch.tensor(max(settings.mixup, 1e-3))] * 2)
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    n_batches = len(frames) // settings.batch
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs * n_batches)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.averaging))
    best, best_loss, since = copy.deepcopy(averaged.module), float("inf"), 0
    for epoch in range(settings.epochs):
        network.train()
        losses = []
        for rows in torch.randperm(len(frames), generator=rng)[: n_batches * settings.batch].split(settings.batch):
            x, y = frames[rows], labels[rows]
            share = float(beta.sample()) if settings.mixup else 1.0
            logits, _ = network(share * x + (1 - share) * x.flip(0))
            loss = share * _loss(logits, y, settings) + (1 - share) * _loss(logits, y.flip(0), settings)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            averaged.update_parameters(network)
            losses.append(loss.detach())
        scored = score(averaged.module, held_out)
        report({"epoch": epoch, "train_loss": float(torch.stack(losses).mean()), **scored})
        since += 1
        if scored["valid_log_loss"] < best_loss:
            best, best_loss, since = copy.deepcopy(averaged.module), scored["valid_log_loss"], 0
        if since >= settings.patience:
            break
    return best.eval()


def _loss(logits: torch.Tensor, label: torch.Tensor, settings: FitSettings) -> torch.Tensor:
    return nn.functional.cross_entropy(
        logits.flatten(0, 1), label.flatten(), label_smoothing=settings.label_smoothing
    )


def score(network: GenreNet, held_out: HeldOut) -> dict[str, Any]:
    """Log loss (mean over the times read) and accuracy at each, after smoothing."""
    network.eval()
    with torch.inference_mode():
        logits, _ = network(torch.from_numpy(held_out.frames))
    smoothed = np.stack([scores.smooth(scores.log_softmax(z), held_out.smoothing_hops) for z in logits.numpy()])
    read = [smoothed[:, hop - 1] for hop in held_out.read_at]
    losses = [min(scores.log_loss(scores.log_softmax(r / t), held_out.label) for t in (0.7, 1.0, 1.4)) for r in read]
    return {
        "valid_log_loss": float(np.mean(losses)),
        "valid_accuracy": [float((r.argmax(axis=1) == held_out.label).mean()) for r in read],
    }
