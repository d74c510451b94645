import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgenre.posterior.decision import PolicySettings
from rtgenre.posterior.second import SecondOpinion, Verdict, divergence

HOPS_PER_S = 10.0
DISCO, METAL = np.array([0.8, 0.1, 0.1], np.float32), np.array([0.1, 0.8, 0.1], np.float32)
PERHAPS = np.array([0.5, 0.4, 0.1], np.float32)
NEVER = 1e-3  # a report of this is none


def opinion(**settings: float) -> SecondOpinion:
    ours = {"young_life_s": 4.0, "young_adopt_s": 3.0, "young_adopt": 0.6}
    ours |= {"cut_bias": -1.0, "cut_report": 0.5, "cut_age": 0.5, "cut_divergence": 8.0}
    return SecondOpinion(PolicySettings(**{**ours, **settings}), HOPS_PER_S)


def test_each_kind_of_evidence_makes_a_cut_more_probable() -> None:
    second = opinion()
    agreeing = second.probability(DISCO, DISCO, 20, 0.2)
    assert second.probability(DISCO, PERHAPS, 20, 0.2) > agreeing
    assert second.probability(DISCO, METAL, 20, 0.2) > second.probability(DISCO, PERHAPS, 20, 0.2)
    assert second.probability(DISCO, METAL, 40, 0.2) > second.probability(DISCO, METAL, 20, 0.2)
    assert second.probability(DISCO, METAL, 20, 0.9) > second.probability(DISCO, METAL, 20, 0.2)


def test_the_probability_is_that_of_a_logistic_regression() -> None:
    odds = -1.0 + 0.5 * math.log(0.2 / 0.8) + 0.5 * math.log(2.0) + 8.0 * divergence(DISCO, METAL)
    assert opinion().probability(DISCO, METAL, 20, 0.2) == pytest.approx(1 / (1 + math.exp(-odds)))
    # No report is as good as one of a thousandth, and certainty as one that lacks as much.
    assert opinion().probability(DISCO, METAL, 20, 0.0) == opinion().probability(DISCO, METAL, 20, NEVER)
    assert opinion().probability(DISCO, METAL, 20, 1.0) == opinion().probability(DISCO, METAL, 20, 1.0 - NEVER)


def test_where_there_is_no_young_state_there_is_no_cut() -> None:
    assert opinion().probability(DISCO, METAL, 0, 1.0) == 0.0
    assert opinion().verdict(0.0, 0) is Verdict.WAIT


@pytest.mark.parametrize(
    ("probability", "heard", "verdict"),
    [
        (0.99, 29, Verdict.WAIT),
        (0.6, 30, Verdict.ADOPT),
        (0.59, 30, Verdict.WAIT),
        (0.59, 39, Verdict.WAIT),
        (0.59, 40, Verdict.DROP),
        (0.6, 40, Verdict.ADOPT),
        (0.0, 29, Verdict.WAIT),
    ],
)
def test_it_is_adopted_once_it_is_sure_or_begins_anew(probability: float, heard: int, verdict: Verdict) -> None:
    assert opinion().verdict(probability, heard) is verdict


def test_divergence_is_nothing_between_equals_and_at_most_ln_2() -> None:
    assert divergence(DISCO, DISCO) == 0.0
    apart = np.array([1.0, 0.0, 0.0], np.float32), np.array([0.0, 0.5, 0.5], np.float32)
    assert divergence(*apart) == pytest.approx(math.log(2.0))
    # By hand: both mean to (0.45, 0.45, 0.1).
    assert divergence(DISCO, METAL) == pytest.approx(0.8 * math.log(0.8 / 0.45) + 0.1 * math.log(0.1 / 0.45))


@given(
    st.lists(st.floats(0.0, 1.0, width=32), min_size=3, max_size=3),
    st.lists(st.floats(0.0, 1.0, width=32), min_size=3, max_size=3),
    st.integers(1, 100_000),
    st.floats(0.0, 1.0),
)
def test_whatever_is_said_the_probability_is_one(
    one: list[float], other: list[float], heard: int, report: float
) -> None:
    standing, young = (np.array(p, np.float32) / np.float32(max(sum(p), 1e-3)) for p in (one, other))
    assert 0.0 <= opinion().probability(standing, young, heard, report) <= 1.0
    assert divergence(standing, young) == pytest.approx(divergence(young, standing))
