from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgenre.posterior.smoothing import Smoother
from rtgenre.training import scores


def test_log_softmax_sums_to_one_whatever_the_scale() -> None:
    logits = np.array([[1000.0, 0.0, -1000.0], [0.1, 0.2, 0.3]])
    np.testing.assert_allclose(np.exp(scores.log_softmax(logits)).sum(axis=1), 1.0)


def test_smoothing_starts_as_the_plain_mean_and_forgets_later() -> None:
    rng = np.random.default_rng(0)
    before = scores.log_softmax(rng.normal(size=(10, 3)))
    smoothed = scores.smooth(before, Smoother(3, 100.0, 1.0))
    np.testing.assert_allclose(smoothed[-1], scores.log_softmax(before.mean(axis=0)))
    turned = np.concatenate((np.tile([0.0, -5.0], (300, 1)), np.tile([-5.0, 0.0], (100, 1))))
    assert scores.smooth(scores.log_softmax(turned), Smoother(2, 20.0, 1.0))[-1].argmax() == 1


@pytest.mark.parametrize(("seconds", "hops"), [(0.0, 0), (0.05, 0), (2048 / 22050, 1), (1, 11), (3, 34), (30, 344)])
def test_only_whole_windows_count(seconds: float, hops: int) -> None:
    assert scores.hops_within(seconds, 22050, 2048, 1920) == hops


def test_the_interval_holds_the_accuracy_and_widens_when_artists_are_few() -> None:
    rng = np.random.default_rng(0)
    hits = rng.random(200) < 0.6
    narrow = scores.bootstrap_interval(hits, np.arange(200))
    by_artist = np.repeat(rng.random(20) < 0.6, 10)
    wide = scores.bootstrap_interval(by_artist, np.repeat(np.arange(20), 10))
    assert narrow[0] < hits.mean() < narrow[1]
    assert wide[1] - wide[0] > narrow[1] - narrow[0]
    assert narrow == scores.bootstrap_interval(hits, np.arange(200)), "the draws are seeded"


def test_calibration_error_of_known_cases() -> None:
    sure = np.tile([0.9, 0.1], (10, 1))
    label = np.array([0] * 9 + [1])
    assert scores.calibration_error(sure, label) == pytest.approx(0.0, abs=1e-12)
    assert scores.calibration_error(sure, np.ones(10, np.int64)) == pytest.approx(0.9)


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    positive, negative = np.array([0.9, 0.5, 0.5], np.float32), np.array([0.1, 0.5], np.float32)
    pairs = [1.0 if p > n else 0.5 if p == n else 0.0 for p in positive for n in negative]
    assert scores.auroc(positive, negative) == pytest.approx(np.mean(pairs))
    assert scores.auroc(np.array([2.0, 3.0]), np.array([1.0, 2.0])) == pytest.approx(0.875)


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(0.3, 3.5))
def test_the_temperature_undoes_a_scale(scale: float) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(4000, 4)) * 1.5
    label = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # drawn from the softmax
    assert scores.fit_temperature(logits * scale, label) == pytest.approx(scale, rel=0.15)


def test_a_few_clips_that_are_right_do_not_make_a_model_sure_of_everything() -> None:
    label = np.arange(12) % 3
    logits = 2.0 * np.eye(3)[label]
    assert 0.4 < scores.fit_temperature(logits, label) < 1.0
    assert scores.fit_temperature(np.tile(logits, (100, 1)), np.tile(label, 100)) < 0.4
