from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rtgenre.frontend import kernels

LEVELS = st.one_of(st.sampled_from([0.0, 1e-40, 1.0, 2.0]), st.floats(0.0, 2.0**50, width=32))


@settings(deadline=None)
@given(st.data())
def test_contrast_extremes_equal_those_of_a_sort(data: st.DataObject) -> None:
    values = data.draw(hnp.arrays(np.float32, st.integers(2, 150), elements=LEVELS))
    k = data.draw(st.integers(1, len(values) // 2))
    padded = np.full(512, 7.0, np.float32)  # what lies there from before must not matter
    out = np.empty(2, np.float32)
    rows = np.array([0, len(values), k], np.int32)
    kernels.contrast_extremes(values, rows, 1, padded, out)
    ordered = np.sort(values.astype(np.float64))
    # float32 sums of non-negative values: some units in the last place
    assert out[0] == pytest.approx(ordered[-k:].mean(), rel=2e-6, abs=1e-38)
    assert out[1] == pytest.approx(ordered[:k].mean(), rel=2e-6, abs=1e-38)


@given(hnp.arrays(np.float32, 40, elements=st.floats(2**-120, 2.0**120, width=32)))
def test_decibels(v: np.ndarray) -> None:
    expected = 10 * np.log10(np.maximum(v.astype(np.float64), np.float32(1e-10)))
    kernels.to_decibels(v, np.float32(1e-10))
    np.testing.assert_allclose(v, expected, rtol=2e-7, atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_rolloff_bin_is_the_first_to_reach_the_fraction(seed: int) -> None:
    rng = np.random.default_rng(seed)
    magnitude = rng.exponential(size=int(rng.integers(5, 1100))).astype(np.float32)
    total = np.cumsum(magnitude.astype(np.float64))
    expected = int(np.flatnonzero(total >= np.float32(0.85) * total[-1])[0])
    assert kernels.rolloff_bin(magnitude, np.float32(0.85)) == expected


def test_rolloff_of_silence_is_the_lowest_bin() -> None:
    assert kernels.rolloff_bin(np.zeros(1025, np.float32), np.float32(0.85)) == 0


def test_running_statistics_start_as_plain_ones_and_then_forget() -> None:
    alpha = np.array([0.1], np.float32)
    x = np.random.default_rng(3).standard_normal((400, 2)).astype(np.float32) + 5.0
    statistics = np.zeros(4, np.float32)
    out = np.empty(6, np.float32)
    mean, variance = np.zeros(2), np.zeros(2)
    for t, frame in enumerate(x):
        kernels.running_statistics(frame, alpha, t, 2, statistics, out)
        w = max(0.1, 1 / (t + 1))
        d = frame - mean
        mean, variance = mean + w * d, (1 - w) * (variance + w * d * d)
        if t == 6:
            np.testing.assert_allclose(out[2:4], x[:7].mean(axis=0), rtol=1e-6)
            np.testing.assert_allclose(out[4:], x[:7].std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(out[2:4], mean, rtol=1e-6)
    np.testing.assert_allclose(out[4:], np.sqrt(variance), rtol=1e-5)


def test_rise_counts_only_what_rose() -> None:
    now, before = np.array([3.0, 1.0, 5.0], np.float32), np.array([1.0, 4.0, 5.0], np.float32)
    assert math.isclose(kernels.rise(now, before), 2 / 3, rel_tol=1e-6)
