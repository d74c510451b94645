import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgenre.posterior.decision import PolicySettings
from rtgenre.posterior.second import SecondOpinion, divergence

HOPS_PER_S = 10.0
DISCO, METAL = np.array([0.8, 0.1, 0.1], np.float32), np.array([0.1, 0.8, 0.1], np.float32)
PERHAPS = np.array([0.5, 0.4, 0.1], np.float32)


def opinion(**settings: float) -> SecondOpinion:
    ours = {"change_adopt_s": 3.0, "change_adopt": 0.6, "cut_bias": -1.0, "cut_another": 0.5, "cut_divergence": 8.0}
    return SecondOpinion(PolicySettings(**{**ours, **settings}), HOPS_PER_S)


def test_each_kind_of_evidence_makes_a_cut_more_probable() -> None:
    second = opinion()
    agreeing = second.probability(DISCO, DISCO, 0.2)
    assert second.probability(DISCO, PERHAPS, 0.2) > agreeing
    assert second.probability(DISCO, METAL, 0.2) > second.probability(DISCO, PERHAPS, 0.2)
    assert second.probability(DISCO, DISCO, 0.9) > agreeing
    assert second.probability(DISCO, DISCO, -0.9) < agreeing


def test_the_probability_is_that_of_a_logistic_regression() -> None:
    odds = -1.0 + 0.5 * 1.7 + 8.0 * divergence(DISCO, METAL)
    assert opinion().probability(DISCO, METAL, 1.7) == pytest.approx(1 / (1 + math.exp(-odds)))
    assert opinion(cut_divergence=0.0).probability(DISCO, METAL, 2.0) == 0.5


def test_where_nothing_is_known_of_another_track_there_is_no_cut() -> None:
    assert opinion().probability(DISCO, METAL, None) == 0.0
    assert opinion(cut_bias=99.0).probability(DISCO, METAL, None) == 0.0


def test_with_the_lowest_bias_there_is_never_one() -> None:
    apart = np.array([1.0, 0.0, 0.0], np.float32), np.array([0.0, 0.5, 0.5], np.float32)
    assert opinion(cut_bias=-100.0).probability(*apart, 50.0) < 1e-20


@pytest.mark.parametrize(
    ("probability", "heard", "adopted"),
    [
        (0.99, 29, False),
        (0.6, 30, True),
        (0.59, 30, False),
        (0.59, 3000, False),
        (0.6, 3000, True),
        (0.0, 29, False),
        (0.0, 0, False),
        (1.0, 0, False),
    ],
)
def test_it_is_adopted_once_it_has_heard_enough_and_is_sure(probability: float, heard: int, adopted: bool) -> None:
    assert opinion().adopts(probability, heard) is adopted


def test_what_is_not_there_is_not_adopted_even_at_once() -> None:
    at_once = opinion(change_adopt_s=0.0, change_adopt=0.0)
    assert at_once.adopts(0.0, 1)
    assert not at_once.adopts(0.0, 0)


def test_divergence_is_nothing_between_equals_and_at_most_ln_2() -> None:
    assert divergence(DISCO, DISCO) == 0.0
    apart = np.array([1.0, 0.0, 0.0], np.float32), np.array([0.0, 0.5, 0.5], np.float32)
    assert divergence(*apart) == pytest.approx(math.log(2.0))
    # By hand: both mean to (0.45, 0.45, 0.1).
    assert divergence(DISCO, METAL) == pytest.approx(0.8 * math.log(0.8 / 0.45) + 0.1 * math.log(0.1 / 0.45))


@given(
    st.lists(st.floats(0.0, 1.0, width=32), min_size=3, max_size=3),
    st.lists(st.floats(0.0, 1.0, width=32), min_size=3, max_size=3),
    st.floats(-1e6, 1e6),
)
def test_whatever_is_said_the_probability_is_one(one: list[float], other: list[float], another: float) -> None:
    standing, young = (np.array(p, np.float32) / np.float32(max(sum(p), 1e-3)) for p in (one, other))
    assert 0.0 <= opinion().probability(standing, young, another) <= 1.0
    assert divergence(standing, young) == pytest.approx(divergence(young, standing))
