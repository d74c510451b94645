from __future__ import annotations

import numpy as np
import pytest

from rtgenre.training import scores
from rtgenre.training.evaluation import fresh
from rtgenre.training.evaluation.fresh import answers_after, figures
from rtgenre.training.evaluation.listen import MUSIC, SILENCE, STATES
from tests.training.evaluation.made import LABELS, RATE, trace, truth

UNKNOWN = STATES.index("unknown")


def test_accuracy_is_read_at_the_last_hop_within_the_time() -> None:
    # Right from the 20th hop on: 19 · 1920 + 2048 samples = 1.75 s.
    traces = [trace([[1] * 19 + [0] * 325]) for _ in range(4)]
    measured = figures(traces, truth([0] * 4), RATE)
    assert measured["accuracy"] == {"1": 0.0, "3": 1.0, "5": 1.0, "10": 1.0, "30": 1.0}
    curve = dict(zip(measured["over_time"]["seconds"], measured["over_time"]["accuracy"], strict=True))
    assert (curve[1.5], curve[2.0]) == (0.0, 1.0)
    assert measured["per_clip"][0]["said"]["1"] == "jazz"
    assert measured["per_clip"][0]["decided"]["30"] == "blues"


def test_a_short_clip_is_read_at_its_end() -> None:
    assert answers_after([trace([[1, 1, 2]])], 30, RATE).best.tolist() == [2]


def test_tables_by_hand() -> None:
    # Is: 0 0 0 1 1 2; said: 0 0 1 1 1 1.
    said = [0, 0, 1, 1, 1, 1]
    measured = figures([trace([[k] * 3]) for k in said], truth([0, 0, 0, 1, 1, 2]), RATE)
    assert measured["confusion"] == [[2, 1, 0], [0, 2, 0], [0, 1, 0]]
    table = measured["genres"]
    assert table["blues"] == {"precision": 1.0, "recall": pytest.approx(2 / 3), "f1": 0.8, "clips": 3, "said": 2}
    assert table["jazz"]["precision"] == 0.5
    assert table["rock"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "clips": 1, "said": 0}
    assert measured["macro_f1"]["30"] == pytest.approx((0.8 + 2 / 3 + 0.0) / 3)


def test_a_genre_without_clips_is_in_no_mean() -> None:
    measured = figures([trace([[0] * 3]), trace([[2] * 3])], truth([0, 2]), RATE)
    assert set(measured["genres"]) == {"blues", "rock"}
    assert measured["macro_f1"]["30"] == 1.0


def test_calibration_is_that_of_the_posterior() -> None:
    probs = np.array([[0.95, 0.03, 0.02]] * 20, np.float32)
    label = [0] * 19 + [1]
    measured = figures([trace([[0]], probs=p[None]) for p in probs], truth(label), RATE)
    assert measured["ece"] == pytest.approx(0.0, abs=1e-6)
    (only,) = (row for row in measured["reliability"] if row["clips"])
    assert (only["low"], only["clips"]) == (0.9, 20)
    assert only["accuracy"] == pytest.approx(0.95)
    assert measured["log_loss"]["30"] == pytest.approx(-(19 * np.log(0.95) + np.log(0.03)) / 20, rel=1e-5)


def test_a_probability_of_zero_does_not_end_the_log_loss() -> None:
    assert np.isfinite(fresh.log_loss(np.array([[1.0, 0.0]]), np.array([1])))


def test_a_decision_is_right_only_where_there_is_music() -> None:
    doubting = trace([[-1] * 3], state=[UNKNOWN] * 3)
    sure = trace([[0] * 3])
    decision = figures([sure, sure, doubting, trace([[1] * 3])], truth([0] * 4), RATE)["decision"]
    assert decision["accuracy"]["30"] == 0.5
    assert decision["accuracy_of_music"]["30"] == pytest.approx(2 / 3)
    assert decision["states"]["30"]["unknown"] == 0.25
    assert sum(decision["states"]["30"].values()) == pytest.approx(1.0)


def test_silence_is_timed_from_the_end_of_the_clip() -> None:
    quick = trace([[0] * 5, [0, 0, -1, -1]], state=[MUSIC] * 7 + [SILENCE] * 2)
    deaf = trace([[0] * 5, [0] * 4])
    measured = figures([quick, quick, deaf], truth([0] * 3), RATE)["silence"]
    assert measured["p50_s"] == pytest.approx((2 * 1920 + 2048) / RATE)
    assert measured["p90_s"] is None
    assert measured["never"] == pytest.approx(1 / 3)
    assert fresh.silence_delay([trace([[0] * 5])], RATE) is None


def test_intervals_of_delays_draw_whole_artists() -> None:
    delays = np.array([1.0, 2.0, 3.0, np.inf, 5.0, 6.0])
    of_one = fresh.delay_intervals(delays, np.zeros(6, np.int64))
    assert of_one["p50_interval_95_s"] == (3.0, 3.0), "one artist is always drawn"
    assert of_one["p90_interval_95_s"] == (None, None), "infinity cannot be told in JSON"
    rng = np.random.default_rng(1)
    quick, slow = rng.uniform(1.0, 2.0, 300), rng.uniform(8.0, 9.0, 100)
    whose = np.concatenate((np.repeat(np.arange(30), 10), np.repeat(np.arange(30, 40), 10)))
    low, high = fresh.delay_intervals(np.concatenate((quick, slow)), whose)["p50_interval_95_s"]
    assert 1.0 < low < 1.7 < high < 2.0
    low, high = fresh.delay_intervals(np.concatenate((quick, slow)), whose)["p90_interval_95_s"]
    assert 8.0 < low < high < 9.0
    assert fresh.delay_intervals(np.array([]), np.array([], np.int64))["p90_interval_95_s"] is None


def test_labels_are_the_models() -> None:
    assert figures([trace([[0]])], truth([0]), RATE)["labels"] == list(LABELS)


def test_even_right_probabilities_give_some_calibration_error_the_less_the_more_clips() -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.full(4, 0.5), 4000)
    few, many = (fresh.ece_if_calibrated(probs[:n], np.random.default_rng(1)) for n in (100, 4000))
    assert 0.0 < many["mean"] < many["upper_95"] < few["mean"] < few["upper_95"] < 0.2
    # Labels that are drawn from the very probabilities lie where they should: below the bound in 95 of 100 cases.
    label = np.array([rng.choice(4, p=p) for p in probs])
    assert scores.calibration_error(probs, label) < many["upper_95"]
    # And sure answers that are right half of the time do not.
    sure = np.array([[0.99, 0.01], [0.99, 0.01]] * 50)
    assert scores.calibration_error(sure, np.array([0, 1] * 50)) > fresh.ece_if_calibrated(sure, rng)["upper_95"]
