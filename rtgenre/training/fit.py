"""The training loop: batches in, the network that did best on held-out artists out."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from rtgenre.training import scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rtgenre.model.network import GenreNet
    from rtgenre.posterior.smoothing import Smoother
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

    epochs: int = 10
    patience: int = 5
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    input_dropout: float = 0.4
    dropout: float = 0.4
    mixup: float = 0.4
    label_smoothing: float = 0.1
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
        smoother: what smooths the posterior.
    """

    frames: FloatArray
    label: IntArray
    read_at: tuple[int, ...]
    smoother: Smoother


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
    mixing = np.random.default_rng(settings.seed)
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    n_batches = len(frames) // settings.batch
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs * n_batches)
    averaged = copy.deepcopy(network)
    best, best_loss, since = copy.deepcopy(averaged), float("inf"), 0
    for epoch in range(settings.epochs):
        network.train()
        losses = []
        order = torch.randperm(len(frames), generator=rng)
        for start in range(0, n_batches * settings.batch, settings.batch):
            rows = order[start : start + settings.batch]
            x, y = frames[rows], labels[rows]
            share = float(mixing.beta(settings.mixup, settings.mixup)) if settings.mixup else 1.0
            logits, _ = network(share * x + (1 - share) * x.flip(0))
            loss = share * _loss(logits, y, settings) + (1 - share) * _loss(logits, y.flip(0), settings)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            _average(averaged, network, settings.averaging)
            losses.append(loss.item())
        scored = score(averaged, held_out)
        report({"epoch": epoch, "train_loss": float(np.mean(losses)), **scored})
        since += 1
        if scored["valid_log_loss"] < best_loss:
            best, best_loss, since = copy.deepcopy(averaged), scored["valid_log_loss"], 0
        if since >= settings.patience:
            break
    return best.eval()


@torch.no_grad()
def _average(averaged: GenreNet, network: GenreNet, decay: float) -> None:
    """Exponential average of the weights (Polyak & Juditsky 1992): steadier than any single step's."""
    for mean, value in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(value, 1.0 - decay)


def _loss(logits: torch.Tensor, label: torch.Tensor, settings: FitSettings) -> torch.Tensor:
    return nn.functional.cross_entropy(logits.flatten(0, 1), label.flatten(), label_smoothing=settings.label_smoothing)


def score(network: GenreNet, held_out: HeldOut) -> dict[str, Any]:
    """Log loss at the best temperature (mean over the times read) and accuracy at each, after smoothing."""
    network.eval()
    with torch.inference_mode():
        logits, _ = network(torch.from_numpy(held_out.frames))
    smoothed = np.stack([scores.smooth(scores.log_softmax(z), held_out.smoother) for z in logits.numpy()])
    read = [smoothed[:, hop - 1] for hop in held_out.read_at]
    losses = [
        scores.log_loss(scores.log_softmax(r / scores.fit_temperature(r, held_out.label)), held_out.label) for r in read
    ]
    return {
        "valid_log_loss": float(np.mean(losses)),
        "valid_accuracy": [float((r.argmax(axis=1) == held_out.label).mean()) for r in read],
    }
