"""The conditioner: any rate, any channels, any block length, nothing that is not finite, time kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgenre.audio.condition import Conditioner
from tests import contract

RATES = [(48000, 22050), (44100, 22050), (22050, 22050), (8000, 22050), (192000, 22050), (47999, 22050)]


def _noise(n, channels, seed=1):
    return (0.2 * np.random.default_rng(seed).standard_normal((n, channels))).astype(np.float32)


def _split(stage, x, cuts):
    state, parts = stage.init_state(), []
    for part in np.split(x, sorted(cuts)):
        y, state = stage.step(part, state)
        parts.append(y)
    tail, state = stage.flush(state)
    return np.concatenate([*parts, tail]), state


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(RATES), st.integers(1, 3), st.lists(st.integers(0, 9000), max_size=20), st.integers(0, 9000))
def test_any_division_into_blocks_gives_the_same_bits(rates, channels, cuts, n):
    stage = Conditioner(rates[0], channels, rates[1])
    x = _noise(n, channels)
    y, state = _split(stage, x, [min(c, n) for c in cuts])
    np.testing.assert_array_equal(y, stage.offline(x))
    assert state.n_out == len(y)
    assert abs(len(y) - n * rates[1] / rates[0]) <= 1


@pytest.mark.parametrize(("in_rate", "out_rate"), RATES)
def test_a_tone_keeps_its_time_and_level(in_rate, out_rate):
    stage = Conditioner(in_rate, 1, out_rate)
    seconds, hz = 1.0, 1000.0
    t = np.arange(int(seconds * in_rate)) / in_rate
    y = stage.offline(np.sin(2 * np.pi * hz * t).astype(np.float32)[:, None] * 0.5)
    expected = 0.5 * np.sin(2 * np.pi * hz * np.arange(len(y)) / out_rate)
    inside = slice(out_rate // 10, -out_rate // 10)
    assert np.abs(y[inside] - expected[inside]).max() < 2e-4


@pytest.mark.parametrize(("in_rate", "out_rate"), RATES)
@pytest.mark.parametrize("block", [1, 64, 1000, 4096])
def test_no_more_is_withheld_than_is_said(in_rate, out_rate, block):
    stage = Conditioner(in_rate, 1, out_rate)
    state, worst = stage.init_state(), 0
    x = _noise(min(in_rate, 40_000), 1)
    for at in range(0, len(x), block):
        _, state = stage.step(x[at : at + block], state)
        worst = max(worst, state.n_in * out_rate / in_rate - state.n_out)
    assert worst <= stage.latency_samples + 1
    assert (stage.latency_samples == 0) == (in_rate == out_rate)


@pytest.mark.parametrize(("in_rate", "out_rate"), RATES)
def test_outputs_depend_on_no_more_than_the_receptive_field(in_rate, out_rate):
    stage = Conditioner(in_rate, 1, out_rate)
    x = np.zeros((in_rate, 1), np.float32)
    base = stage.offline(x)
    at = in_rate // 2
    x[at] = 1.0
    changed = np.nonzero(np.abs(stage.offline(x) - base) > 1e-6)[0] * in_rate / out_rate
    assert np.abs(changed - at).max() <= (stage.receptive_field - 1) / 2 + in_rate / out_rate


@pytest.mark.parametrize(("in_rate", "out_rate"), [(22050, 22050), (48000, 22050), (22050, 44100)])
def test_it_keeps_the_streaming_contract(in_rate, out_rate):
    stage = contract.sample_stage(Conditioner(in_rate, 2, out_rate), hop=512)
    x = _noise(20_000, 2)
    whole = stage.offline(x)
    contract.check_splits(stage, x, whole)
    contract.check_splits(stage, x[:3000], stage.offline(x[:3000]), sizes=[1])
    contract.check_two_runs(stage, x, whole)
    contract.check_causal(stage, x)
    contract.check_no_growth(stage, x, steps=2000)
    if in_rate == out_rate:
        contract.check_snapshot(stage, x)  # soxr cannot be copied, see test_a_snapshot_is_whole_or_refused
    else:
        contract.check_no_reset_differs(stage, x, whole)  # with equal rates there is nothing to carry


def test_channels_are_picked_and_averaged():
    x = _noise(500, 4)
    np.testing.assert_array_equal(Conditioner(8000, 4, 8000, pick=(2,)).offline(x), x[:, 2])
    np.testing.assert_allclose(Conditioner(8000, 4, 8000).offline(x), x.mean(axis=1), atol=1e-7)
    same = np.repeat(x[:, :1], 2, axis=1)
    np.testing.assert_array_equal(Conditioner(8000, 2, 8000).offline(same), x[:, 0])


def test_non_finite_samples_become_zero_and_are_counted_with_clipped_ones():
    stage = Conditioner(8000, 2, 8000)
    x = np.full((10, 2), 0.5, np.float32)
    x[1, 0], x[2, 1], x[3, 0] = np.nan, np.inf, -np.inf
    x[4], x[5] = 1.0, -1.5
    before = x.copy()
    y, state = stage.step(x, stage.init_state())
    assert np.isfinite(y).all()
    assert y[1:4].tolist() == [0.25, 0.25, 0.25]
    assert (state.non_finite, state.clipped) == (3, 4)
    np.testing.assert_array_equal(x, before)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(RATES),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 50_000)), min_size=1, max_size=6),
)
def test_time_goes_on_through_gaps(rates, plan):
    stage = Conditioner(rates[0], 1, rates[1])
    state, produced = stage.init_state(), 0
    for n, lost in plan:
        y, state = stage.step(_noise(n, 1), state)
        tail, hole, state = stage.gap(lost, state)
        produced += len(y) + len(tail) + hole
        assert produced == state.n_out
        assert abs(state.n_out - state.n_in * rates[1] / rates[0]) <= 1.01
        assert hole >= 0


def test_nothing_from_before_a_gap_sounds_after_it():
    stage = Conditioner(48000, 1, 22050)
    loud, quiet = _noise(4800, 1), np.zeros((4800, 1), np.float32)
    y, state = stage.step(loud, stage.init_state())
    tail, _, state = stage.gap(48000, state)
    np.testing.assert_array_equal(np.concatenate((y, tail)), stage.offline(loud))
    after, state = stage.step(quiet, state)
    rest, _ = stage.flush(state)
    assert not np.concatenate((after, rest)).any()


@pytest.mark.parametrize(("in_rate", "out_rate"), RATES)
def test_capture_time_of_an_output_sample(in_rate, out_rate):
    stage = Conditioner(in_rate, 1, out_rate)
    state = stage.init_state()
    begun_ns = 5_000_000_000
    for _ in range(20):
        _, state = stage.step(_noise(997, 1), state)
        stage.stamp(begun_ns + (state.n_in - 1) * 1_000_000_000 // in_rate, state)
        index = state.n_out - 1
        expected = begun_ns + index * 1_000_000_000 / out_rate
        assert stage.capture_time_ns(index, state) == pytest.approx(expected, abs=2)
    _, _, state = stage.gap(in_rate, state)
    _, state = stage.step(_noise(997, 1), state)
    stage.stamp(begun_ns + (state.n_in - 1) * 1_000_000_000 // in_rate, state)
    late = int(1.2 * out_rate)
    assert stage.capture_time_ns(late, state) == pytest.approx(begun_ns + late * 1e9 / out_rate, abs=2)


def test_a_snapshot_is_whole_or_refused():
    through = Conditioner(8000, 1, 8000)
    _, state = through.step(_noise(100, 1), through.init_state())
    snapshot = state.copy()
    _, state = through.step(_noise(100, 1), state)
    assert (snapshot.n_in, state.n_in) == (100, 200)
    with pytest.raises(NotImplementedError, match="cannot be copied"):
        Conditioner(48000, 1, 22050).init_state().copy()


def test_wrong_use_is_refused():
    stage = Conditioner(8000, 2, 8000)
    with pytest.raises(ValueError, match="float32"):
        stage.step(np.zeros((5, 2)), stage.init_state())
    with pytest.raises(ValueError, match=r"\(n, 2\)"):
        stage.step(np.zeros((5, 1), np.float32), stage.init_state())
    with pytest.raises(ValueError, match="one stream"):
        stage.init_state(batch=2)
    with pytest.raises(ValueError, match="from 0 to 1"):
        Conditioner(8000, 2, 8000, pick=(2,))
    with pytest.raises(ValueError, match="at least 1"):
        Conditioner(0, 2, 8000)
    _, state = stage.flush(stage.init_state())
    with pytest.raises(ValueError, match="flushed"):
        stage.step(np.zeros((5, 2), np.float32), state)
