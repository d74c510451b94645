import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgenre.posterior.decision import DecisionPolicy, DecisionState, PolicySettings, level_dbfs
from rtgenre.records import State

LABELS = ("blues", "disco", "metal")
HOPS_PER_S = 10.0
LOUD, QUIET = -20.0, -80.0


def posterior(best: str, p: float = 0.8) -> np.ndarray:
    probs = np.full(len(LABELS), (1 - p) / (len(LABELS) - 1), np.float32)
    probs[LABELS.index(best)] = p
    return probs


class Listener:
    """Drives a policy as the pipeline does."""

    def __init__(self, **settings: float) -> None:
        self.policy = DecisionPolicy(PolicySettings(**settings), LABELS, HOPS_PER_S)
        self.state: DecisionState = self.policy.init_state()
        self.hop = 0
        self.changing = False

    def hear(
        self, probs: np.ndarray, level: float = LOUD, hops: int = 1, music: float = 1.0
    ) -> tuple[State, str | None]:
        for _ in range(hops):
            if self.policy.hear(level, self.state):
                self.state = self.policy.step(probs, music, self.hop, self.state, changing=self.changing)
            else:
                self.state = self.policy.silent(self.hop, self.state)
            self.hop += 1
        return self.state.decision.state, self.state.decision.label


def test_it_starts_without_an_opinion_and_speaks_after_the_warm_up() -> None:
    listener = Listener(warmup_s=0.5)
    assert listener.hear(posterior("disco"), hops=4) == (State.STARTING, None)
    assert listener.hear(posterior("disco")) == (State.MUSIC, "disco")


def test_a_new_genre_must_lead_for_the_dwell_time() -> None:
    listener = Listener(warmup_s=0.1, dwell_s=1.0)
    listener.hear(posterior("disco"), hops=5)
    assert listener.hear(posterior("metal"), hops=9) == (State.MUSIC, "disco")
    assert listener.hear(posterior("metal")) == (State.MUSIC, "metal")


def test_an_interrupted_challenge_starts_again() -> None:
    listener = Listener(warmup_s=0.1, dwell_s=1.0)
    listener.hear(posterior("disco"), hops=5)
    listener.hear(posterior("metal"), hops=9)
    listener.hear(posterior("disco"))
    assert listener.hear(posterior("metal"), hops=9) == (State.MUSIC, "disco")


def test_a_lead_within_the_margin_changes_nothing() -> None:
    listener = Listener(warmup_s=0.1, margin=0.1, min_confidence=0.0)
    listener.hear(posterior("disco"), hops=5)
    close = np.array([0.1, 0.42, 0.48], np.float32)
    assert listener.hear(close, hops=100) == (State.MUSIC, "disco")


def test_a_moment_of_doubt_is_none() -> None:
    listener = Listener(warmup_s=0.1, min_confidence=0.5, dwell_s=1.0)
    listener.hear(posterior("disco"), hops=5)
    unsure = posterior("disco", 0.4)
    for _ in range(3):
        assert listener.hear(unsure, hops=9) == (State.MUSIC, "disco")
        assert listener.hear(posterior("disco", 0.51)) == (State.MUSIC, "disco")
    assert listener.hear(unsure, hops=9) == (State.MUSIC, "disco")
    assert listener.hear(unsure) == (State.UNKNOWN, None)


def test_doubt_from_the_first_word_needs_no_time() -> None:
    listener = Listener(warmup_s=0.5, min_confidence=0.5, dwell_s=1.0)
    assert listener.hear(posterior("disco", 0.4), hops=4) == (State.STARTING, None)
    assert listener.hear(posterior("disco", 0.4)) == (State.UNKNOWN, None)


def test_doubt_is_unknown_and_names_no_genre() -> None:
    listener = Listener(warmup_s=0.1, min_confidence=0.5)
    flat = np.full(3, 1 / 3, np.float32)
    assert listener.hear(flat, hops=5) == (State.UNKNOWN, None)


def test_a_posterior_at_the_threshold_does_not_flicker() -> None:
    listener = Listener(warmup_s=0.1, min_confidence=0.5)
    listener.hear(posterior("disco", 0.49), hops=5)
    assert listener.hear(posterior("disco", 0.51), hops=5) == (State.UNKNOWN, None)
    assert listener.hear(posterior("disco", 0.56), hops=1) == (State.MUSIC, "disco")
    assert listener.hear(posterior("disco", 0.51), hops=5) == (State.MUSIC, "disco")


def test_silence_is_said_within_a_second_and_leaves_no_stale_label() -> None:
    listener = Listener(warmup_s=0.1)
    listener.hear(posterior("disco"), hops=5)
    assert listener.hear(posterior("disco"), QUIET, hops=4) == (State.MUSIC, "disco")
    assert listener.hear(posterior("disco"), QUIET) == (State.SILENCE, None)
    assert listener.hear(posterior("disco"), LOUD) == (State.MUSIC, "disco")


def test_a_level_between_the_thresholds_does_not_end_silence() -> None:
    listener = Listener(warmup_s=0.1, silence_dbfs=-60.0, silence_hysteresis_db=6.0)
    listener.hear(posterior("disco"), -61.0, hops=10)
    assert listener.hear(posterior("disco"), -56.0, hops=3) == (State.SILENCE, None)
    assert listener.hear(posterior("disco"), -53.0, hops=3) == (State.MUSIC, "disco")


def test_a_long_silence_ends_the_piece_a_short_one_does_not() -> None:
    listener = Listener(silence_hold_s=0.5, silence_reset_s=2.0)
    listener.hear(posterior("disco"), QUIET, hops=19)
    assert not listener.policy.piece_has_ended(listener.state)
    listener.hear(posterior("disco"), QUIET)
    assert listener.policy.piece_has_ended(listener.state)


def test_a_restart_forgets_the_genre_but_not_the_silence() -> None:
    listener = Listener(warmup_s=0.5)
    listener.hear(posterior("disco"), hops=20)
    listener.state = listener.policy.restart(listener.hop, listener.state)
    assert listener.state.decision.state is State.STARTING
    listener.hear(posterior("disco"), QUIET, hops=20)
    listener.state = listener.policy.restart(listener.hop, listener.state)
    assert listener.state.decision.state is State.SILENCE


def test_speech_is_not_music_after_the_dwell_time_and_until_it_is_clearly_music_again() -> None:
    listener = Listener(warmup_s=0.1, not_music_enter=0.3, not_music_dwell_s=1.0, not_music_leave=0.5)
    listener.hear(posterior("disco"), hops=5)
    assert listener.hear(posterior("disco"), hops=9, music=0.29) == (State.MUSIC, "disco")
    assert listener.hear(posterior("disco"), music=0.29) == (State.NOT_MUSIC, None)
    assert listener.hear(posterior("disco"), hops=20, music=0.49) == (State.NOT_MUSIC, None)
    assert listener.hear(posterior("disco"), music=0.5) == (State.MUSIC, "disco")
    assert listener.hear(posterior("disco"), hops=20, music=0.31) == (State.MUSIC, "disco")


def test_a_moment_of_speech_changes_nothing() -> None:
    listener = Listener(warmup_s=0.1, not_music_dwell_s=1.0)
    listener.hear(posterior("disco"), hops=5)
    listener.hear(posterior("disco"), hops=9, music=0.1)
    listener.hear(posterior("disco"), music=0.6)
    assert listener.hear(posterior("disco"), hops=9, music=0.1) == (State.MUSIC, "disco")


def test_what_begins_as_speech_is_never_given_a_genre() -> None:
    listener = Listener(warmup_s=0.5, not_music_dwell_s=1.0)
    assert {listener.hear(posterior("disco"), music=0.1) for _ in range(9)} == {(State.STARTING, None)}
    assert listener.hear(posterior("disco"), music=0.1) == (State.NOT_MUSIC, None)


def test_a_pause_in_speech_does_not_make_it_music() -> None:
    listener = Listener(warmup_s=0.1, silence_reset_s=60.0)
    listener.hear(posterior("disco"), hops=20, music=0.1)
    assert listener.hear(posterior("disco"), QUIET, hops=10, music=0.1) == (State.SILENCE, None)
    assert listener.hear(posterior("disco"), hops=1, music=0.4) == (State.NOT_MUSIC, None)


def test_not_music_can_be_switched_off() -> None:
    listener = Listener(warmup_s=0.1, not_music_enter=0.0)
    assert listener.hear(posterior("disco"), hops=100, music=0.0) == (State.MUSIC, "disco")


def test_while_the_track_is_changing_the_old_genre_stands_until_another_leads_for_a_moment() -> None:
    listener = Listener(warmup_s=1.0, margin=0.5, dwell_s=3.0, change_dwell_s=0.5)
    listener.hear(posterior("disco"), hops=30)
    listener.changing = True
    assert listener.hear(posterior("metal", 0.4), hops=4) == (State.MUSIC, "disco")
    assert listener.hear(posterior("metal", 0.4)) == (State.MUSIC, "metal")
    assert listener.hear(posterior("blues", 0.4), hops=5) == (State.MUSIC, "blues")
    listener.changing = False
    assert listener.hear(posterior("metal", 0.9), hops=29) == (State.MUSIC, "blues"), "margin and dwell again"
    assert listener.hear(posterior("metal", 0.9)) == (State.MUSIC, "metal")


def test_a_track_that_has_begun_is_as_old_as_what_was_heard_of_it() -> None:
    listener = Listener(warmup_s=0.1)
    listener.hear(posterior("disco"), hops=30)
    listener.state = listener.policy.begin_track(6, listener.state)
    assert listener.state.heard == 6
    assert listener.hear(posterior("disco")) == (State.MUSIC, "disco")
    assert listener.state.heard == 7


def test_a_change_of_track_does_not_make_speech_music() -> None:
    listener = Listener(warmup_s=0.1)
    listener.hear(posterior("disco"), hops=20, music=0.1)
    listener.state = listener.policy.begin_track(1, listener.state)
    assert listener.hear(posterior("disco"), hops=20, music=0.1) == (State.NOT_MUSIC, None)


def test_a_snapshot_is_independent() -> None:
    listener = Listener(warmup_s=0.1)
    listener.hear(posterior("disco"), hops=3)
    snapshot = listener.state.copy()
    listener.hear(posterior("metal"), hops=50)
    assert snapshot.decision.label == "disco"
    assert snapshot.heard == 3


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.floats(-100, 0), st.floats(0.34, 1.0)), max_size=200))
def test_only_music_has_a_label_and_changes_keep_the_dwell_time(hops: list[tuple[str, float, float]]) -> None:
    listener = Listener(warmup_s=0.1, dwell_s=0.5)
    changes = []
    last = None
    for n, (best, level, p) in enumerate(hops):
        state, label = listener.hear(posterior(best, p), level)
        assert (label is not None) == (state is State.MUSIC)
        if label is not None:
            if last is not None and label != last:
                changes.append(n)
            last = label
    assert all(b - a >= 5 for a, b in itertools.pairwise(changes))


@pytest.mark.parametrize(("amplitude", "expected"), [(1.0, 0.0), (0.5, -6.02), (0.001, -60.0), (0.0, -156.99)])
def test_level_of_a_sine(amplitude: float, expected: float) -> None:
    sine = amplitude * np.sin(2 * np.pi * np.arange(2205) / 22.05)
    assert level_dbfs(float(np.mean(sine**2))) == pytest.approx(expected, abs=0.01)
