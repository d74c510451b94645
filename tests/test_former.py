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
    former = Former.of_size(3, 1)
    former.keep(mean, np.ones(1, np.float32), old)
    joined = former.joined(smoothed([NEW] * new).mean, new, 20.0 * HOPS_PER_S)
    np.testing.assert_allclose(joined, one, atol=0.01)


def test_what_is_kept_is_a_copy_and_a_snapshot_is_another() -> None:
    mean = OLD.copy()
    former = Former.of_size(3, 2)
    assert former.heard == 0
    former.keep(mean, np.array([1.0, 2.0], np.float32), 50)
    snapshot = former.copy()
    mean += 1.0
    joined = former.joined(NEW, 10, 200.0)
    joined += 1.0
    former.keep(NEW, np.zeros(2, np.float32), 7)
    former.clear()
    assert former.heard == 0
    np.testing.assert_array_equal(snapshot.mean, OLD)
    np.testing.assert_array_equal(snapshot.probs, probabilities(OLD))
    np.testing.assert_array_equal(snapshot.before, [1.0, 2.0])
    assert snapshot.heard == 50
