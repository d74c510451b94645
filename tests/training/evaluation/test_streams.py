from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgenre.training.evaluation import streams
from rtgenre.training.evaluation.listen import STATES
from tests.training.evaluation.made import HOP, N_FFT, RATE, trace, truth

HOLD = 2 * RATE
UNKNOWN = STATES.index("unknown")


def seconds(hop: int) -> float:
    """Of the end of a track's hop, from its beginning."""
    return (hop * HOP + N_FFT) / RATE


@settings(max_examples=50, deadline=None)
@given(label=st.lists(st.integers(0, 3), min_size=1, max_size=40), seed=st.integers(0, 99))
def test_every_track_comes_once_and_neighbours_differ_where_they_can(label: list[int], seed: int) -> None:
    order = streams.track_order(np.array(label), np.random.default_rng(seed))
    assert sorted(order) == list(range(len(label)))
    if 2 * max(np.bincount(label)) <= len(label) + 1:
        assert (np.diff(np.array(label)[order]) != 0).all()


def test_every_track_follows_its_predecessor_once() -> None:
    order = np.array([4, 2, 0, 3, 1])
    chains = streams.chains(order, tracks=2)
    assert chains == [(1, 4, 2), (2, 0, 3), (3, 1)]
    assert [clip for chain in chains for clip in chain[1:]] == order.tolist()


def test_an_hour_comes_before_what_counts() -> None:
    label, duration_s = np.array([0, 1, 2]), np.array([30.0, 30.0, 15.0])
    heard, before = streams.hour_order(label, duration_s, 120.0, np.random.default_rng(0))
    assert duration_s[heard[:before]].sum() >= 120.0 > duration_s[heard[: before - 1]].sum()
    assert sorted(heard[before:]) == [0, 1, 2]


def test_right_counts_once_it_stays() -> None:
    ends = np.arange(60) * HOP + N_FFT
    right = np.zeros(60, np.bool_)
    right[5:10] = True  # too short
    right[20:50] = True
    assert streams.time_to_right(right, ends, HOLD) == ends[20]
    right[20:50] = False
    right[45:] = True  # the track ends before it has stood
    assert streams.time_to_right(right, ends, HOLD) == np.inf


def test_time_to_the_right_decision() -> None:
    # Clips 0, 1 and 2 are of genres 0, 1 and 1; the third chain never gets its second track.
    chains = [(0, 1), (1, 0), (0, 2), (1, 2)]
    traces = [
        trace([[0] * 60, [0] * 10 + [1] * 50]),
        trace([[1] * 60, [1] * 30 + [0] * 30]),
        trace([[0] * 60, [0] * 60]),
        trace([[1] * 60, [1] * 60]),
    ]
    told = streams.track_changes(traces, chains, truth([0, 1, 1]), np.array([True] * 3), RATE)
    assert told["changes"] == 4
    assert told["times_s"] == [round(seconds(10), 3), round(seconds(30), 3), None], "the same genre is not asked for"
    assert told["time_to_right"]["p50_s"] == pytest.approx(seconds(30))
    assert told["time_to_right"]["p90_s"] is None
    assert told["time_to_right"]["never"] == pytest.approx(1 / 3)
    assert told["detection"] is None
    alone = streams.track_changes(traces, chains, truth([0, 1, 1]), np.array([True, True, False]), RATE)
    assert alone["time_to_right"]["count"] == 2, "a clip that is never got right alone is not asked for"


def test_detection_tells_delays_misses_and_false_alarms() -> None:
    stream = trace([[0] * 300, [1] * 300, [0] * 300], changed=[100, 305, 320, 900 - 1])
    told = streams.detection([stream], RATE)
    assert told is not None
    assert told["count"] == 2
    assert told["p50_s"] == pytest.approx(seconds(5))
    assert told["never"] == 0.5
    # One before any change, one more after the detection, one long after the cut.
    assert told["false_alarms_per_minute"] == pytest.approx(3 / (900 * HOP / RATE / 60))


def test_flips_are_changes_of_genre_once_the_track_has_settled() -> None:
    minute = 689  # hops
    flipping = trace([[0] * 400 + [-1] * 10 + [0] * 90 + [1] * 100 + [0] * (minute - 600)])
    assert streams.flips_per_minute([flipping], RATE, 0.0) == pytest.approx(2.0, abs=0.01)
    early = trace([[0] * 5 + [1] * (minute - 5)])
    assert streams.flips_per_minute([early], RATE, 0.0) == pytest.approx(1.0, abs=0.01)
    assert streams.flips_per_minute([early], RATE, 10.0) == 0.0
    assert streams.flips_per_minute([trace([[-1] * 5])], RATE, 0.0) is None
    # The change between tracks is none inside a track.
    assert streams.flips_per_minute([trace([[0] * 50, [1] * 50])], RATE, 0.0) == 0.0
    assert streams.flips_per_minute([trace([[0, 1] * 25, [1] * 50])], RATE, 0.0, first_track=1) == 0.0


def test_after_an_hour_the_same_clips_are_compared() -> None:
    what = truth([0, 1, 2], artist=[7, 7, 8])
    heard, before = np.array([1, 0, 2, 1, 0]), 2
    stream = trace([[1] * 9, [0] * 9, [0] * 9, [1] * 9, [0] * 9])  # clip 2 is lost, the others are right
    row = trace([[0] * 9, [2] * 9, [2] * 9, [0] * 9])  # without the hour, clip 1
    told = streams.after_an_hour(stream, row, heard, before, what, np.array([True, True, True]), RATE)
    assert told["accuracy"] == pytest.approx(2 / 3)
    assert told["accuracy_fresh"] == 1.0
    assert told["difference"] == pytest.approx(-1 / 3)
    low, high = told["difference_interval_95"]
    assert low <= told["difference"] <= high <= 0.0
    assert told["accuracy_in_first_hour"] == 1.0
    assert told["hours_before"] == pytest.approx(18 * HOP / RATE / 3600)
    assert told["decision_accuracy"] == pytest.approx(2 / 3)
    assert told["without_the_hour"]["accuracy"] == pytest.approx(2 / 3)
    assert told["without_the_hour"]["difference"] == 0.0, "one is lost, another is won"
    low, high = told["without_the_hour"]["difference_interval_95"]
    assert low < 0.0 < high


def test_doubt_at_the_end_is_no_right_decision() -> None:
    stream = trace([[0] * 9, [-1] * 9], state=[STATES.index("music")] * 9 + [UNKNOWN] * 9)
    told = streams.after_an_hour(stream, stream, np.array([0, 0]), 1, truth([0]), np.array([True]), RATE)
    assert told["accuracy"] == 1.0
    assert told["decision_accuracy"] == 0.0


def test_without_the_hour_there_is_still_a_track_before() -> None:
    heard = np.array([3, 1, 2, 0, 1])
    assert streams.without_the_hour(heard, 2).tolist() == [1, 2, 0, 1]
    assert streams.without_the_hour(heard, 0).tolist() == heard.tolist()


def test_tracks_in_a_row_are_compared_with_themselves_alone() -> None:
    what = truth([0, 1, 2])
    # The leading track of a chain does not count, whatever is said of it.
    traces = [trace([[2] * 9, [1] * 9, [1] * 9]), trace([[0] * 9, [0] * 9])]
    told = streams.in_a_row(traces, [(0, 1, 2), (2, 0)], what, np.array([True, False, True]))
    assert told["tracks"] == 3
    assert told["accuracy"] == pytest.approx(2 / 3)
    assert told["accuracy_alone"] == pytest.approx(2 / 3)
    assert told["difference"] == 0.0
    low, high = told["difference_interval_95"]
    assert low < 0.0 < high
