import dataclasses

import numpy as np
import pytest

from rtgenre import app, config
from rtgenre.frontend.stream import Frontend
from rtgenre.labels.head import Head
from rtgenre.labels.stage import OwnLabels
from rtgenre.model.runtime import open_runtime
from rtgenre.model.same_track import SameTrack
from rtgenre.pipeline import Pipeline
from rtgenre.posterior.calibration import Calibration
from rtgenre.posterior.decision import PolicySettings
from rtgenre.records import Posterior, State, TrackReason
from tests import signals
from tests.contract import Stage, check_streaming
from tests.labels.made import head
from tests.model.small import SMALL, checkpoint
from tests.test_pipeline import as_array

CHECKPOINT = checkpoint(same_track=True)
RATE = 22050


def make(own: Head | None, **settings: float) -> Pipeline:
    policy = PolicySettings(**{"min_confidence": 0.0, "not_music_enter": 0.0, "cut_bias": -100.0, **settings})
    stage = None
    if own is not None:
        stage = OwnLabels(own, SMALL.trunk, policy.smoothing_s, policy.music_smoothing_s, CHECKPOINT.hops_per_s)
    runtime, calibration = open_runtime(CHECKPOINT, "cpu"), Calibration.of(CHECKPOINT)
    return Pipeline(Frontend(CHECKPOINT.spec), runtime, calibration, policy, stage, SameTrack.of(CHECKPOINT))


def heard(pipeline: Pipeline, sound: np.ndarray) -> list[Posterior]:
    return pipeline.step(sound, pipeline.init_state())[0]


def own_array(hops: list[Posterior]) -> np.ndarray:
    return np.array([h.own for h in hops]) if hops else np.empty((0,))


@pytest.mark.parametrize("eager", [False, True])
def test_the_shipped_labels_lose_nothing(eager: bool) -> None:
    """Bit for bit, across silence, resets and changes of track."""
    quiet = np.zeros(RATE * 3, np.float32)
    sound = np.concatenate([signals.music(RATE * 6), quiet, *(signals.music(RATE * 2, seed=k) for k in range(6))])
    settings = {"not_music_enter": 0.3, "change_adopt_s": 0.5, "cut_bias": 6.0 if eager else -100.0}
    without, beside = (heard(make(own, **settings), sound) for own in (None, head()))
    assert all(h.own is None for h in without)
    assert {len(h.own) for h in beside if h.own is not None} == {2}
    reasons = {h.track_start.reason for h in without if h.track_start is not None}
    assert reasons == {TrackReason.START, TrackReason.SILENCE} | ({TrackReason.CHANGE} if eager else set())
    np.testing.assert_array_equal(as_array(without), as_array(beside))
    assert [h.decision for h in without] == [h.decision for h in beside]


def test_own_labels_obey_the_streaming_contract() -> None:
    pipeline = make(head(noise=(False, True)))

    def step(x, state):
        hops, state = pipeline.step(x, state)
        return np.c_[as_array(hops), own_array(hops)] if hops else np.empty((0,)), state

    def flush(state):
        return np.empty((0,)), pipeline.flush(state)[1]

    def offline(x):
        return step(x, pipeline.init_state())[0]

    stage = Stage(pipeline.init_state, step, flush, offline, CHECKPOINT.spec.hop)
    check_streaming(stage, signals.music(RATE * 8), steps=6000)


def test_nothing_is_said_before_enough_was_heard_and_never_more_than_certainty() -> None:
    hops = heard(make(head()), signals.music(RATE * 8))
    said = own_array(hops)
    first = round(3.0 * CHECKPOINT.hops_per_s)
    assert not said[: first - 1].any()
    assert (said[first - 1 :] > 0).all()
    assert (said.sum(axis=1) <= 1.0 + 1e-6).all()


def test_a_noise_of_ones_own_is_no_music_but_changes_no_genre() -> None:
    sure = dataclasses.replace(head(noise=(False, True)), temperature=1e-3)
    sound = signals.music(RATE * 12)
    calm, noisy = (heard(make(own, not_music_enter=0.3), sound) for own in (None, sure))
    taken = own_array(noisy)[-1]
    assert taken[1] > 0.99, "the made-up head takes everything for its second label"
    np.testing.assert_array_equal([h.probs for h in calm], [h.probs for h in noisy])
    assert noisy[-1].music < 0.05
    assert noisy[-1].decision.state is State.NOT_MUSIC
    assert calm[-1].music > noisy[-1].music


def test_app_opens_the_stage_only_where_it_is_wanted() -> None:
    settings = config.Settings(model=config.ModelSettings(device="cpu"))
    assert app.open_pipeline(settings, CHECKPOINT).own is None
    listening = app.open_pipeline(settings, CHECKPOINT, listens_for_own=True)
    assert listening.own is not None
    assert listening.own.names == ()
    (last,) = heard(listening, signals.music(RATE * 8))[-1:]
    assert last.own is not None
    assert last.own.shape == (0,)
