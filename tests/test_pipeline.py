import numpy as np
import pytest

from rtgenre.frontend.stream import Frontend
from rtgenre.model.runtime import open_runtime
from rtgenre.model.same_track import SameTrack
from rtgenre.pipeline import Pipeline
from rtgenre.posterior.calibration import Calibration
from rtgenre.posterior.decision import PolicySettings
from rtgenre.records import Posterior, State
from tests import signals
from tests.contract import Stage, check_streaming
from tests.model.small import checkpoint

RATE = 22050
CHECKPOINT = checkpoint(same_track=True)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return make()


def make(**settings: float) -> Pipeline:
    # The made-up model hears changes and speech where there are none; tests that want them ask for them.
    defaults = {"min_confidence": 0.0, "not_music_enter": 0.0, "cut_bias": -100.0}
    policy = PolicySettings(**{**defaults, **settings})
    runtime, calibration = open_runtime(CHECKPOINT, "cpu"), Calibration.of(CHECKPOINT)
    pipeline = Pipeline(Frontend(CHECKPOINT.spec), runtime, calibration, policy, same_track=SameTrack.of(CHECKPOINT))
    pipeline.warm()
    return pipeline


def as_array(hops: list[Posterior]) -> np.ndarray:
    rows = [[h.hop, h.end_sample, h.level_dbfs, h.age_s, h.music, h.track, h.track_change, *h.probs] for h in hops]
    return np.array(rows) if rows else np.empty((0,))


def as_stage(pipeline: Pipeline) -> Stage:
    def step(x, state):
        hops, state = pipeline.step(x, state)
        return as_array(hops), state

    def flush(state):
        hops, state = pipeline.flush(state)
        return as_array(hops), state

    def offline(x):
        return as_array(pipeline.step(x, pipeline.init_state())[0])

    # Bit-equal: the same kernels run on the same windows however the samples arrive.
    return Stage(pipeline.init_state, step, flush, offline, CHECKPOINT.spec.hop)


def test_streaming_contract(pipeline: Pipeline) -> None:
    check_streaming(as_stage(pipeline), signals.music(RATE * 6))


def test_streaming_contract_with_changes_of_track() -> None:
    """With a model that hears them everywhere, so that there are soft resets at every kind of place."""
    eager = make(
        change_every_s=0.2, change_window_s=2.0, change_adopt_s=0.9, change_adopt=0.6, not_music_enter=0.5, cut_bias=5.0
    )
    sound = np.concatenate([signals.music(RATE, seed=seed) for seed in range(12)])
    hops, _ = eager.step(sound, eager.init_state())
    assert sum(h.track_change for h in hops) >= 3
    check_streaming(as_stage(eager), sound, steps=3000)


def test_hops_are_numbered_and_timed(pipeline: Pipeline) -> None:
    hops, _ = pipeline.step(signals.music(RATE * 5), pipeline.init_state())
    assert [h.hop for h in hops] == list(range(len(hops)))
    assert [h.end_sample for h in hops] == [2048 + 1920 * k for k in range(len(hops))]
    assert len(hops) == (RATE * 5 - 2048) // 1920 + 1
    assert all(h.frontend_ns > 0 and h.model_ns > 0 for h in hops)
    assert hops[-1].age_s == pytest.approx(len(hops) * 1920 / RATE)


def test_a_posterior_is_not_changed_by_later_hops(pipeline: Pipeline) -> None:
    state = pipeline.init_state()
    hops, state = pipeline.step(signals.music(RATE), state)
    before = hops[0].probs.copy()
    pipeline.step(signals.noise(RATE), state)
    np.testing.assert_array_equal(hops[0].probs, before)


def test_a_reset_equals_a_fresh_start(pipeline: Pipeline) -> None:
    x = signals.music(1920 * 40, seed=3)
    state = pipeline.init_state()
    pipeline.step(signals.noise(1920 * 30 + 2048 - 1920), state)  # leaves no samples over but the overlap
    fresh_state = pipeline.init_state()
    pipeline.frontend.feed(
        state.standing.frontend.samples[state.standing.frontend.start : state.standing.frontend.stop].copy(),
        fresh_state.standing.frontend,
    )
    after, _ = pipeline.step(x, pipeline.reset(state))
    fresh, _ = pipeline.step(x, fresh_state)
    np.testing.assert_array_equal(np.stack([h.probs for h in after]), np.stack([h.probs for h in fresh]))
    assert after[0].hop == 30
    assert after[0].age_s == pytest.approx(1920 / RATE)
    assert state.resets == 1


def test_a_gap_is_told_with_the_next_hop_and_moves_the_clock(pipeline: Pipeline) -> None:
    state = pipeline.init_state()
    first, state = pipeline.step(signals.music(RATE), state)
    state = pipeline.gap(1000, state)
    second, state = pipeline.step(signals.music(RATE), state)
    assert [h.gap_samples for h in second] == [1000] + [0] * (len(second) - 1)
    assert second[0].end_sample == RATE + 1000 + 2048
    assert second[0].hop > first[-1].hop
    assert second[0].age_s == pytest.approx(first[-1].age_s + 1920 / RATE)
    assert state.resets == 0


def test_a_long_gap_begins_a_new_piece(pipeline: Pipeline) -> None:
    state = pipeline.init_state()
    pipeline.step(signals.music(RATE), state)
    state = pipeline.gap(RATE * 3, state)
    hops, state = pipeline.step(signals.music(RATE), state)
    assert state.resets == 1
    assert hops[0].age_s == pytest.approx(1920 / RATE)
    assert hops[0].decision.state is State.STARTING


def test_silence_is_said_within_a_second_and_costs_nothing_learnt() -> None:
    pipeline = make(silence_reset_s=3600.0)
    music = signals.music(1920 * 40)
    state = pipeline.init_state()
    before, state = pipeline.step(music, state)
    silent, state = pipeline.step(np.zeros(1920 * 40, np.float32), state)
    first = next(h for h in silent if h.decision.state is State.SILENCE)
    assert (first.end_sample - len(music)) / RATE <= 1.0
    assert silent[-1].decision.label is None
    assert silent[-1].level_dbfs < -150
    back, state = pipeline.step(music, state)
    assert back[1].decision.state is State.MUSIC
    assert back[1].decision.label == before[-1].decision.label


def test_a_long_silence_begins_a_new_piece_as_fresh_as_the_first() -> None:
    pipeline = make(silence_reset_s=2.0)
    music = signals.music(1920 * 60)
    quiet = np.zeros(1920 * 60, np.float32)
    state = pipeline.init_state()
    pipeline.step(music, state)
    pipeline.step(quiet, state)
    assert state.resets == 1
    again, state = pipeline.step(np.tile(music, 2), state)
    fresh_state = pipeline.init_state()
    pipeline.frontend.feed(quiet[-1920:], fresh_state.standing.frontend)  # the overlap and one hop wait for more
    fresh, _ = pipeline.step(np.tile(music, 2), fresh_state)
    np.testing.assert_allclose(again[-1].probs, fresh[-1].probs, atol=1e-6)
    assert state.resets == 1


@pytest.mark.parametrize("lead", [1, 777, 1919, 1920, 5000, 100_000])
def test_a_piece_begins_where_its_sound_begins(pipeline: Pipeline, lead: int) -> None:
    """Whenever listening began, the same music gets the same answers, hop for hop."""
    music = signals.music(RATE * 4)
    alone, _ = pipeline.step(music, pipeline.init_state())
    led, _ = pipeline.step(np.concatenate([np.zeros(lead, np.float32), music]), pipeline.init_state())
    led = [h for h in led if h.age_s > 0]
    assert len(alone) - 1 <= len(led) <= len(alone)
    for one, other in zip(alone, led, strict=False):
        np.testing.assert_array_equal(one.probs, other.probs)
        assert one.decision.label == other.decision.label
        assert other.end_sample == one.end_sample + lead


def test_a_click_in_silence_is_no_music(pipeline: Pipeline) -> None:
    quiet = np.zeros(RATE * 6, np.float32)
    quiet[RATE * 3] = 0.01
    hops, _ = pipeline.step(quiet, pipeline.init_state())
    assert {h.decision.state for h in hops} <= {State.STARTING, State.SILENCE}
    assert len(hops) >= len(quiet) // 1920 - 2


@pytest.mark.soak
def test_an_hour_of_sound_neither_drifts_nor_leaks(pipeline: Pipeline) -> None:
    """The same piece over and over: after 60 minutes the answer is the one of the first minute."""
    piece = np.concatenate([signals.music(1920 * 240, seed=s) for s in range(3)])  # one minute, whole hops
    state = pipeline.init_state()
    minutes, said = [], []
    for _ in range(60):
        seconds, said_now = [], []
        for second in np.split(piece, 60):
            hops, state = pipeline.step(second, state)
            # What is said has a young state in it, whose age at a place of the piece is another each time.
            said_now += [h.probs for h in hops]
            seconds.append(state.standing.probs)
        minutes.append(np.stack(seconds))
        said.append(np.stack(said_now))
    # The first minutes still hear their own beginning (the longest time constant is 20 s, and exp(-240/20) is
    # 6e-6); after that nothing may change any more.
    np.testing.assert_allclose(minutes[-1][-20:], minutes[4][-20:], atol=1e-5)
    np.testing.assert_allclose(said[-1][-200:], said[4][-200:], atol=0.02)
    assert state.resets == 0
    assert state.standing.frontend.samples.size <= 1 << 18
    assert np.isfinite(state.standing.model.h).all()
    assert np.isfinite(state.standing.model.c).all()


@pytest.mark.parametrize("make_signal", [signals.square, lambda n: np.full(n, 1e-38, np.float32), signals.tone])
def test_odd_signals_give_finite_posteriors(pipeline: Pipeline, make_signal: object) -> None:
    hops, _ = pipeline.step(make_signal(RATE * 3), pipeline.init_state())
    probs = np.stack([h.probs for h in hops])
    assert np.isfinite(probs).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-5)
