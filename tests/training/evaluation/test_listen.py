from __future__ import annotations

import numpy as np
import pytest

from rtgenre.frontend.stream import Frontend
from rtgenre.model.runtime import open_runtime
from rtgenre.pipeline import Pipeline
from rtgenre.posterior.calibration import Calibration
from rtgenre.posterior.decision import PolicySettings
from rtgenre.training.evaluation.listen import STATES, Listener, Task
from tests import signals
from tests.model.small import checkpoint
from tests.training.evaluation.made import HOP, LABELS, N_FFT, RATE, Parrot, Scripted, ScriptedSound, trace


def test_a_trace_knows_its_tracks() -> None:
    two = trace([[0, 0, 1], [2, 2]])
    assert two.track(1) == slice(3, 5)
    np.testing.assert_array_equal(two.since_cut(1), [N_FFT, N_FFT + HOP])
    assert two.hop_after(N_FFT + HOP, 1) == 4
    assert two.hop_after(N_FFT + HOP - 1, 1) == 3
    assert two.hop_after(0, 1) == 3, "the first answer, where none came in time"
    assert two.hop_after(10**9) == 2, "the last one of a clip that is shorter"


@pytest.mark.parametrize("kind", [Scripted, ScriptedSound])
def test_tracks_share_one_state_and_silence_is_a_track(kind: type[Scripted]) -> None:
    heard = Listener(Parrot(), kind([0, 2], hops=60), cut_s=30.0).hear(Task((0, 1), silence_s=1.0))
    assert len(heard.first_hop) == 4
    np.testing.assert_array_equal(heard.cut_sample[:3], [0, 60 * HOP, 120 * HOP])
    assert heard.decided[59] == 0
    assert heard.decided[60] == 0, "the second track begins with what the first one left"
    assert heard.decided[119] == 2
    assert [STATES[s] for s in np.unique(heard.state[heard.track(2)])] == ["silence"]
    assert (heard.decided[heard.track(2)] == -1).all()


@pytest.mark.parametrize("kind", [Scripted, ScriptedSound])
def test_no_more_is_heard_than_asked_for(kind: type[Scripted]) -> None:
    heard = Listener(Parrot(), kind([0], hops=60), cut_s=2.0).hear(Task((0,)))
    assert heard.end_sample[-1] <= 2.0 * RATE + N_FFT
    assert len(heard.end_sample) == pytest.approx(2.0 * RATE / HOP, abs=1)


def test_what_is_not_told_is_none() -> None:
    heard = Listener(Parrot(tells=False), Scripted([0]), 30.0).hear(Task((0,)))
    assert heard.music is None
    assert heard.changed is None


def test_spectra_and_sound_give_the_same_answers_in_the_real_pipeline() -> None:
    model = checkpoint(labels=LABELS)
    pipeline = Pipeline(Frontend(model.spec), open_runtime(model, "cpu"), Calibration.of(model), PolicySettings())
    sound = signals.music(RATE * 6)

    spectra, samples = Scripted([0]), ScriptedSound([0])
    spectra.power = lambda *_: pipeline.frontend.spectra(sound)
    samples.samples = lambda *_: sound
    one, other = (Listener(pipeline, clips, 30.0).hear(Task((0,))) for clips in (spectra, samples))
    np.testing.assert_array_equal(one.end_sample, other.end_sample)
    np.testing.assert_array_equal(one.probs, other.probs)
    np.testing.assert_array_equal(one.decided, other.decided)
    live, _ = pipeline.step(sound, pipeline.init_state())
    np.testing.assert_array_equal(other.probs, np.stack([hop.probs for hop in live]))
