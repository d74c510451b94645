"""From the model's outputs to calibrated probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SURE = 60.0  # a logit beyond this is certainty in float64, and its exponential need not overflow


class Calibrated(Protocol):
    """What carries a calibration: a checkpoint."""

    @property
    def temperature(self) -> float:
        """Of the genre logits."""

    @property
    def music_scale(self) -> float:
        """Of the music logit."""

    @property
    def music_bias(self) -> float:
        """Of the music logit."""

    @property
    def change_scale(self) -> float:
        """Of the change logit."""

    @property
    def change_bias(self) -> float:
        """Of the change logit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What turns a model's outputs into probabilities; fitted on held-out artists, kept in the checkpoint.

    Attributes:
        temperature: genre logits are divided by it; see ``log_softmax``.
        music_scale: P(music) = sigmoid(scale · logit + bias) (Platt 1999).
        music_bias: see ``music_scale``.
        change_scale: the same of P(another track has begun).
        change_bias: see ``change_scale``.
    """

    temperature: float = 1.0
    music_scale: float = 1.0
    music_bias: float = 0.0
    change_scale: float = 1.0
    change_bias: float = 0.0

    @classmethod
    def of(cls, model: Calibrated) -> Self:
        """The calibration that a checkpoint carries."""
        return cls(
            temperature=model.temperature,
            music_scale=model.music_scale,
            music_bias=model.music_bias,
            change_scale=model.change_scale,
            change_bias=model.change_bias,
        )

    def log_genres(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n_labels,) float64 log posterior of the genres' (n_labels,) logits."""
        return log_softmax(logits, self.temperature)

    def log_music(self, logit: float) -> NDArray[np.float64]:
        """(2,) float64: log P(music) and log P(not music)."""
        odds = self.music_scale * logit + self.music_bias
        return np.array([-np.logaddexp(0.0, -odds), -np.logaddexp(0.0, odds)])

    def change(self, logit: float) -> float:
        """P(another track has begun)."""
        return logistic(self.change_scale * logit + self.change_bias)


def logistic(log_odds: float) -> float:
    """The probability whose log odds these are."""
    return 1.0 / (1.0 + math.exp(-max(-_SURE, min(_SURE, log_odds))))


def log_softmax(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Log posterior of logits divided by a temperature.

    Source: Guo et al., On Calibration of Modern Neural Networks (2017), eq. 9.

    Args:
        logits: (n_labels,) float32.
        temperature: > 0; above 1 makes the posterior less sure. Fitted on held-out artists.

    Returns:
        (n_labels,) float64; its exponentials sum to 1.
    """
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max()
    normalised: NDArray[np.float64] = scaled - np.log(np.exp(scaled).sum())
    return normalised
