"""Second opinion: how probable is it that a track began where the young state began?

Running statistics that reach over a cut describe neither track. The model's own report of a change misses a quarter
of the cuts; a young state, begun every few seconds, does not know the track before. How far what it says has
diverged from what the standing state says, and what the model reported meanwhile, tell how probable a cut is; the two
are heard in that proportion. How the terms' weights were found: ``docs/experiments.md``.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.posterior.calibration import logistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.posterior.decision import PolicySettings

_LEAST = 1e-9  # a float32 posterior may round to zero
_LEAST_REPORT = 1e-3  # what the model calls less probable than this says no more than this


class Verdict(Enum):
    """What becomes of the young state."""

    WAIT = auto()
    ADOPT = auto()
    DROP = auto()


class SecondOpinion:
    """Weighs the young state against the standing one; holds constants only.

    Args:
        settings: of the policy; those named ``young_…`` and ``cut_…`` are used.
        hops_per_s: rate of the hops.

    Attributes:
        first: hops that the standing state must have heard to be given a young one.
    """

    def __init__(self, settings: PolicySettings, hops_per_s: float) -> None:
        self.first = max(1, round(settings.young_first_s * hops_per_s))
        self._settings = settings
        self._adopt = round(settings.young_adopt_s * hops_per_s)
        self._life = round(settings.young_life_s * hops_per_s)
        self._hops_per_s = hops_per_s

    def probability(
        self, standing: NDArray[np.float32], young: NDArray[np.float32], heard: int, report: float
    ) -> float:
        """That a track began where the young state began: as much as this its word counts.

        Logistic regression (``docs/experiments.md``) on ``terms``.

        Args:
            standing: (n_labels,) smoothed posterior of the state that has heard more.
            young: (n_labels,) the same of the other.
            heard: hops that the young one has heard; 0: there is none.
            report: the highest probability of a change that the model gave since shortly before it began.
        """
        if not heard:
            return 0.0
        settings = self._settings
        reported, age, apart = self.terms(standing, young, heard, report)
        odds = (
            settings.cut_bias
            + settings.cut_report * reported
            + settings.cut_age * age
            + settings.cut_divergence * apart
        )
        return logistic(odds)

    def terms(
        self, standing: NDArray[np.float32], young: NDArray[np.float32], heard: int, report: float
    ) -> tuple[float, float, float]:
        """What tells of a cut: log odds of the model's report, logarithm of the young state's age, divergence.

        Args:
            standing: see ``probability``.
            young: likewise.
            heard: likewise, at least 1.
            report: likewise.
        """
        report = min(max(report, _LEAST_REPORT), 1.0 - _LEAST_REPORT)
        age = math.log(heard / self._hops_per_s)
        return math.log(report / (1.0 - report)), age, divergence(standing, young)

    def verdict(self, probability: float, heard: int) -> Verdict:
        """Whether it takes the place of the other, or begins anew.

        Args:
            probability: see there.
            heard: hops that it has heard.
        """
        if not heard:
            return Verdict.WAIT
        if heard >= self._adopt and probability >= self._settings.young_adopt:
            return Verdict.ADOPT
        return Verdict.DROP if heard >= self._life else Verdict.WAIT


def divergence(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Jensen–Shannon divergence in nats: 0 for equal distributions, ln 2 for such that share nothing.

    Source: Lin, Divergence Measures Based on the Shannon Entropy (1991), eq. 4.1.

    Args:
        one: (n,) sums to 1.
        other: (n,) likewise.
    """
    both = np.maximum(np.stack((one, other)).astype(np.float64), _LEAST)
    return 0.5 * float((both * np.log(both / both.mean(axis=0))).sum())
