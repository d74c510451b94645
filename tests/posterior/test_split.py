import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgenre.posterior.split import best_split

FLOOR = 0.05


def costs(frames: np.ndarray, least_before: int, least_after: int) -> dict[int, float]:
    """For each number of frames after the split: minus twice the log likelihood of the two, but for constants."""
    x, n = frames.astype(np.float64), len(frames)

    def one(part: np.ndarray) -> float:
        return len(part) * float(np.log(part.var(axis=0) + FLOOR).sum())

    return {n - k: one(x[:k]) + one(x[k:]) for k in range(least_before, n - least_after + 1)}


def planted(before: int, after: int, n_values: int = 9, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    frames = rng.normal(0.0, 0.5, (before + after, n_values))
    frames[before:] += rng.choice([-2.0, 2.0], n_values)
    return frames.astype(np.float32)


@pytest.mark.parametrize(("before", "after"), [(30, 39), (61, 8), (8, 61), (20, 20)])
def test_a_cut_is_found_to_the_frame(before: int, after: int) -> None:
    for seed in range(10):
        assert best_split(planted(before, after, seed=seed), 8, 8) == after


def test_a_change_of_spread_alone_is_found_too() -> None:
    rng = np.random.default_rng(1)
    frames = rng.normal(0.0, 0.3, (60, 20))
    frames[35:] *= 5.0
    assert abs(best_split(frames.astype(np.float32), 8, 8) - 25) <= 1


def test_enough_is_left_on_either_side() -> None:
    frames = planted(5, 40)
    assert best_split(frames, 1, 1) == 40
    assert best_split(frames, 12, 1) == 33, "as near to the cut as may be"
    frames = planted(40, 5)
    assert best_split(frames, 1, 1) == 5
    assert best_split(frames, 1, 12) == 12


@pytest.mark.parametrize("n", [0, 1, 15])
def test_of_too_few_frames_nothing_is_said(n: int) -> None:
    assert best_split(planted(8, 8)[:n], 8, 8) == 0


def test_of_just_enough_there_is_one_place() -> None:
    assert best_split(planted(3, 13), 8, 8) == 8
    assert best_split(planted(3, 13), 6, 10) == 10


@pytest.mark.parametrize("value", [0.0, 3.0, -5.0])
def test_constant_frames_do_no_harm(value: float) -> None:
    still = np.full((69, 12), value, np.float32)
    assert 8 <= best_split(still, 8, 8) <= 61
    assert best_split(still, 8, 62) == 0
    # A held tone does not make its own tiny changes matter more than what really changes beside it.
    moving = np.concatenate((still, planted(40, 29, n_values=4)), axis=1)
    moving[20:, 0] += 1e-3
    assert best_split(moving, 8, 8) == 29


@given(st.integers(2, 40), st.integers(1, 6), st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_it_is_the_best_of_all_splits(n: int, n_values: int, least_before: int, least_after: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Walks and noise of any spread, some values constant.
    frames = rng.normal(0.0, rng.uniform(0.1, 2.0), (n, n_values))
    frames = np.where(rng.random(n_values) < 0.3, frames.cumsum(axis=0), frames) * (rng.random(n_values) < 0.9)
    frames = np.clip(frames, -5.0, 5.0).astype(np.float32)
    found = best_split(frames, least_before, least_after)
    if n < least_before + least_after:
        assert found == 0
        return
    reference = costs(frames, least_before, least_after)
    assert found in reference
    assert reference[found] == pytest.approx(min(reference.values()), abs=1e-6)
    before, whole = n - found, n * float(np.log(frames.astype(np.float64).var(axis=0) + FLOOR).sum())
    gain = (whole - reference[found]) / (before * found / n)
    if gain > 1e-3:
        assert best_split(frames, least_before, least_after, 0.99 * gain) == found
        assert best_split(frames, least_before, least_after, 1.01 * gain) == 0
