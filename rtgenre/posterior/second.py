"""Second opinion: how probable is it that a track began where the young state began?

Running statistics that reach over a cut describe neither track. A young state hears the last seconds from where another
track would have begun, if one did, and knows nothing of what was before. Whether the two hear the same recording, and
how far what they say of the genre has diverged, tell how probable a cut is; the two are heard in that proportion. How
the terms' weights were found: ``docs/experiments.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rtgenre.posterior.calibration import logistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.posterior.decision import PolicySettings

_LEAST = 1e-9  # a float32 posterior may round to zero


class SecondOpinion:
    """Weighs the young state against the standing one; holds constants only.

    Args:
        settings: of the policy; those named ``change_…`` and ``cut_…`` are used.
        hops_per_s: rate of the hops.
    """

    def __init__(self, settings: PolicySettings, hops_per_s: float) -> None:
        self._settings = settings
        self._adopt = round(settings.change_adopt_s * hops_per_s)

    def probability(self, standing: NDArray[np.float32], young: NDArray[np.float32], another: float | None) -> float:
        """That a track began where the young state began: as much as this its word counts.

        Logistic regression (``docs/experiments.md``).

        Args:
            standing: (n_labels,) smoothed posterior of the state that has heard more.
            young: (n_labels,) the same of the other.
            another: log odds that the two hear different tracks (``SameTrack.another``); None where that is not known,
                as where there is no young state: then there is no cut.
        """
        if another is None:
            return 0.0
        settings = self._settings
        return logistic(
            settings.cut_bias + settings.cut_another * another + settings.cut_divergence * divergence(standing, young)
        )

    def adopts(self, probability: float, heard: int) -> bool:
        """Whether the young state takes the place of the other.

        Args:
            probability: see there.
            heard: hops that it has heard; 0: there is none.
        """
        return 0 < heard >= self._adopt and probability >= self._settings.change_adopt


def divergence(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Jensen–Shannon divergence in nats: 0 for equal distributions, ln 2 for such that share nothing.

    Source: Lin, Divergence Measures Based on the Shannon Entropy (1991), eq. 4.1.

    Args:
        one: (n,) sums to 1.
        other: (n,) likewise.
    """
    both = np.maximum(np.stack((one, other)).astype(np.float64), _LEAST)
    return 0.5 * float((both * np.log(both / both.mean(axis=0))).sum())
