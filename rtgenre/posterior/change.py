"""Does the model report a change of track, and where? From the probability of one, hop by hop."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.posterior.decision import PolicySettings

RISE_SHARE = 0.5
"""A run of hops whose smoothed probability is at least this share of the threshold is one rise."""

RECENT_S = 1.0
"""A state that began so soon after a report began because of a new track, too."""


@dataclass(slots=True)
class ChangeState:
    """What the detector remembers between hops.

    Attributes:
        smoothed: running mean of the probability; a plain one at first, so that no initial value looks like a low.
        hops: heard since the track began, or was recognised.
        armed: the probability has been low in this track. What is high from the beginning tells of no change.
        risen: hops of the rise under way, this one included.
        reported: the rise under way has been reported.
        recent: (hops of ``RECENT_S``,) what ``smoothed`` was of late, a ring.
    """

    recent: NDArray[np.float64]
    smoothed: float = 0.0
    hops: int = 0
    armed: bool = False
    risen: int = 0
    reported: bool = False

    @property
    def peak(self) -> float:
        """The highest probability of the last second."""
        return float(self.recent.max())

    def copy(self) -> Self:
        """A snapshot that shares nothing."""
        return dataclasses.replace(self, recent=self.recent.copy())


class ChangeDetector:
    """Reports a change of track once its probability is high, and estimates the cut from where it began to rise.

    Args:
        settings: of the policy; those named ``change_…`` are used.
        hops_per_s: rate at which ``step`` is called.

    Attributes:
        lookback: hops that must be kept for the cut to lie among them.
    """

    def __init__(self, settings: PolicySettings, hops_per_s: float) -> None:
        self.lookback = max(1, round(settings.change_lookback_s * hops_per_s))
        self._threshold = settings.change_threshold
        self._rise = RISE_SHARE * settings.change_threshold
        self._recent = max(1, round(RECENT_S * hops_per_s))
        self._refractory = round(settings.change_refractory_s * hops_per_s)
        self._delay = round(settings.change_delay_s * hops_per_s)
        smoothing = settings.change_smoothing_s * hops_per_s
        self._weight = 1.0 - math.exp(-1.0 / smoothing) if smoothing > 0.0 else 1.0

    def init_state(self) -> ChangeState:
        """The state at the beginning of a track."""
        return ChangeState(np.zeros(self._recent))

    def step(self, probability: float, state: ChangeState) -> tuple[int, ChangeState]:
        """Take one hop in.

        Args:
            probability: that another track has begun, calibrated.
            state: changed in place and returned. When another track is known to have begun, begin with a fresh one.

        Returns:
            How many hops, this one included and at most ``lookback``, a new track has been playing; 0 where there is
            none, or where it has been reported before. And the state.
        """
        state.hops += 1
        state.smoothed += max(self._weight, 1.0 / state.hops) * (probability - state.smoothed)
        state.recent[state.hops % self._recent] = state.smoothed
        if state.smoothed < self._rise:
            state.armed, state.risen, state.reported = True, 0, False
            return 0, state
        state.risen += state.armed
        # A threshold of 1 is never reached: rounding must not make it so.
        due = self._threshold <= state.smoothed < 1.0 and self._threshold < 1.0
        if not due or not state.risen or state.reported or state.hops <= self._refractory:
            return 0, state
        state.reported = True
        return min(state.risen + self._delay, self.lookback), state
