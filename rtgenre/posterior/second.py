"""Second opinion: does a state that began later contradict the one that stands, so that another track must have begun?

Running statistics that reach over a cut describe neither track. The model's own report of a change misses a quarter
of the cuts; a young state, begun every few seconds, does not know the track before and bounds how long that hurts.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rtgenre.posterior.decision import PolicySettings

_LEAST = 1e-9  # a float32 posterior may round to zero


class Verdict(Enum):
    """What becomes of the young state."""

    WAIT = auto()
    SUSPECT = auto()
    ADOPT = auto()
    DROP = auto()


class SecondOpinion:
    """Judges the young state against the standing one; holds constants only.

    Args:
        settings: of the policy; those named ``young_…`` and ``probation_…`` are used.
        hops_per_s: rate of the hops.

    Attributes:
        first: hops after which a young state may contradict unasked; until the standing one is as old it needs none.
        probation: hops that a young state speaks before it is judged.
    """

    def __init__(self, settings: PolicySettings, hops_per_s: float) -> None:
        self.first = max(1, round(settings.young_from_s * hops_per_s))
        self._life = round(settings.young_life_s * hops_per_s)
        self._odds = math.log(settings.young_odds)
        self.probation = round(settings.probation_s * hops_per_s)
        self._probation_odds = math.log(settings.probation_odds)

    @property
    def never(self) -> bool:
        """No young state is ever begun unasked."""
        return self._life == 0

    def unasked(self, standing: NDArray[np.float32], young: NDArray[np.float32], heard: int) -> Verdict:
        """Of a young state that was begun because it was time for one.

        Args:
            standing: (n_labels,) smoothed posterior.
            young: the same of the young state.
            heard: hops that the young state has heard.
        """
        if heard >= self.first and contradiction(standing, young) >= self._odds:
            return Verdict.SUSPECT
        return Verdict.DROP if heard >= self._life else Verdict.WAIT

    def on_probation(self, standing: NDArray[np.float32], young: NDArray[np.float32]) -> Verdict:
        """At the end of probation, however it began. Arguments as for ``unasked``."""
        # Nothing to compare with where the state is to be believed at once.
        believed = not self.probation or contradiction(standing, young) >= self._probation_odds
        return Verdict.ADOPT if believed else Verdict.DROP


def contradiction(standing: NDArray[np.float32], young: NDArray[np.float32]) -> float:
    """How much surer the young state is of its genre than of the standing one's: log odds; −∞ where they agree."""
    mine, theirs = int(young.argmax()), int(standing.argmax())
    if mine == theirs:
        return -math.inf
    return math.log(max(young.item(mine), _LEAST) / max(young.item(theirs), _LEAST))
