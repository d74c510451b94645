import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgenre.posterior.change import ChangeDetector
from rtgenre.posterior.decision import PolicySettings

HOPS_PER_S = 10.0


def detector(**settings: float) -> ChangeDetector:
    quick = {
        "change_threshold": 0.5,
        "change_smoothing_s": 0.0,
        "change_delay_s": 0.2,
        "change_lookback_s": 3.0,
        "change_refractory_s": 2.0,
    }
    return ChangeDetector(PolicySettings(**{**quick, **settings}), HOPS_PER_S)


def listen(stage: ChangeDetector, probabilities: list[float], *, believed: bool = False) -> list[int]:
    """What is said of each hop; where a report is believed, another track begins, with a fresh state."""
    state, said = stage.init_state(), []
    for probability in probabilities:
        hops, state = stage.step(probability, state)
        said.append(hops)
        if hops and believed:
            state = stage.init_state()
    return said


def test_a_change_is_told_once_and_its_cut_lies_before_the_rise() -> None:
    said = listen(detector(), [0.1] * 40 + [0.3, 0.4, 0.6] + [0.9] * 60)
    assert np.flatnonzero(said).tolist() == [42]
    # Three hops of the rise (from half the threshold on) and two of delay.
    assert said[42] == 5


def test_each_rise_is_reported_once() -> None:
    said = listen(detector(), [0.1] * 40 + [0.9] * 60 + [0.1] * 3 + [0.9] * 10)
    assert np.flatnonzero(said).tolist() == [40, 103]
    assert said[103] == 1 + 2


def test_the_cut_is_never_further_back_than_what_is_kept() -> None:
    said = listen(detector(change_lookback_s=1.0), [0.1] * 40 + [0.3] * 30 + [0.9])
    assert said[-1] == 10
    assert listen(detector(change_lookback_s=0.0), [0.1] * 40 + [0.9])[-1] == 1


def test_what_was_high_from_the_beginning_tells_of_no_change() -> None:
    assert not any(listen(detector(), [0.9] * 100))
    assert not any(listen(detector(change_smoothing_s=1.0), [0.9] * 100))
    assert any(listen(detector(), [0.9] * 50 + [0.1] + [0.9] * 5))


def test_no_other_change_follows_sooner_than_the_refractory_time() -> None:
    said = listen(detector(change_refractory_s=2.0), [0.1] * 10 + [0.9] * 5 + [0.1] * 3 + [0.9] * 40, believed=True)
    # The first rise is over before the time is; of the second, which lasts, all is counted back to its beginning.
    assert np.flatnonzero(said).tolist() == [20]
    assert said[20] == 3 + 2


def test_a_single_high_hop_is_smoothed_away() -> None:
    assert not any(listen(detector(change_smoothing_s=0.5), [0.05] * 40 + [1.0] + [0.05] * 40))
    assert any(listen(detector(change_smoothing_s=0.5), [0.05] * 40 + [1.0] * 10))


def test_a_threshold_of_one_is_never_reached() -> None:
    assert not any(listen(detector(change_threshold=1.0), [0.0] * 40 + [1.0] * 100))


def test_a_snapshot_is_independent() -> None:
    stage = detector()
    _, state = stage.step(0.1, stage.init_state())
    snapshot = state.copy()
    stage.step(0.9, state)
    assert (snapshot.hops, snapshot.smoothed, snapshot.peak) == (1, 0.1, 0.1)


def test_the_peak_is_that_of_the_last_second() -> None:
    stage = detector()
    state, peaks = stage.init_state(), []
    assert state.peak == 0.0
    for probability in [0.1, 0.8, 0.3] + [0.2] * 12:
        _, state = stage.step(probability, state)
        peaks.append(state.peak)
    assert peaks == pytest.approx([0.1] + [0.8] * 10 + [0.3] + [0.2] * 3)


@given(st.lists(st.floats(0.0, 1.0), max_size=200))
def test_changes_keep_their_distance_and_their_cuts_lie_in_the_new_track(probabilities: list[float]) -> None:
    said = listen(detector(change_refractory_s=1.0), probabilities, believed=True)
    at = np.flatnonzero(said)
    assert (np.diff(at, prepend=-1) > 10).all()
    assert all(0 < said[k] <= 30 for k in at)
