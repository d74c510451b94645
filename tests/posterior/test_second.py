import math

import numpy as np
import pytest

from rtgenre.posterior.decision import PolicySettings
from rtgenre.posterior.second import SecondOpinion, Verdict, contradiction

HOPS_PER_S = 10.0
DISCO, METAL = np.array([0.8, 0.1, 0.1], np.float32), np.array([0.1, 0.8, 0.1], np.float32)
PERHAPS = np.array([0.4, 0.5, 0.1], np.float32)


def opinion(**settings: float) -> SecondOpinion:
    ours = {"young_life_s": 6.0, "young_from_s": 4.0, "young_odds": 7.0, "probation_s": 5.0, "probation_odds": 1.6}
    return SecondOpinion(PolicySettings(**{**ours, **settings}), HOPS_PER_S)


@pytest.mark.parametrize(
    ("standing", "young", "heard", "verdict"),
    [
        (DISCO, METAL, 39, Verdict.WAIT),
        (DISCO, METAL, 40, Verdict.SUSPECT),
        (DISCO, PERHAPS, 40, Verdict.WAIT),
        (DISCO, PERHAPS, 60, Verdict.DROP),
        (DISCO, DISCO, 59, Verdict.WAIT),
        (DISCO, DISCO, 60, Verdict.DROP),
    ],
)
def test_unasked_a_young_state_must_be_sure(
    standing: np.ndarray, young: np.ndarray, heard: int, verdict: Verdict
) -> None:
    assert opinion().unasked(standing, young, heard) is verdict


@pytest.mark.parametrize(("young", "verdict"), [(METAL, Verdict.ADOPT), (PERHAPS, Verdict.DROP), (DISCO, Verdict.DROP)])
def test_on_probation_less_is_enough(young: np.ndarray, verdict: Verdict) -> None:
    assert opinion().on_probation(DISCO, young) is verdict


def test_without_probation_a_suspicion_is_believed() -> None:
    assert opinion(probation_s=0.0).on_probation(DISCO, DISCO) is Verdict.ADOPT


def test_without_a_life_there_is_none() -> None:
    assert opinion(young_life_s=0.0).never
    assert not opinion().never


def test_contradiction_is_in_log_odds_and_knows_zeros() -> None:
    assert contradiction(DISCO, METAL) == pytest.approx(math.log(8.0))
    assert contradiction(DISCO, DISCO) == -math.inf
    sure = np.array([0.0, 1.0, 0.0], np.float32)
    assert 20.0 < contradiction(DISCO, sure) < math.inf
