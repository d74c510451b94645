from __future__ import annotations

import numpy as np
import pytest

from rtgenre.former import Former
from rtgenre.posterior.smoothing import Smoother, SmootherState, probabilities

HOPS_PER_S = 10.0
OLD, NEW = np.log([0.7, 0.2, 0.1]), np.log([0.1, 0.1, 0.8])


def smoothed(said: list[np.ndarray]) -> SmootherState:
    smoother = Smoother(3, 20.0, HOPS_PER_S)
    state = smoother.init_state()
    for one in said:
        _, state = smoother.step(one, state)
    return state


@pytest.mark.parametrize(("old", "new"), [(40, 60), (150, 50), (150, 300), (900, 100), (900, 900), (1, 1)])
def test_what_is_joined_is_about_what_one_smoothing_says(old: int, new: int) -> None:
    one = smoothed([OLD] * old + [NEW] * new).mean
    mean = smoothed([OLD] * old).mean
    former = Former(mean, probabilities(mean), np.zeros(1, np.float32), old)
    joined = former.joined(smoothed([NEW] * new).mean, new, 20.0 * HOPS_PER_S)
    np.testing.assert_allclose(joined, one, atol=0.01)


def test_nothing_is_written_to_what_is_kept() -> None:
    mean = OLD.copy()
    former = Former(mean, probabilities(mean), np.zeros(1, np.float32), 50)
    joined = former.joined(NEW, 10, 200.0)
    joined += 1.0
    np.testing.assert_array_equal(former.mean, OLD)
