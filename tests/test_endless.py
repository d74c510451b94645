"""Hours of music without a reset, as real spectra: a recurrent state must neither drift nor tire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre import app
from rtgenre.config import Settings
from rtgenre.frontend.stream import Frontend
from rtgenre.model.runtime import open_runtime
from rtgenre.posterior.calibration import log_softmax
from rtgenre.posterior.smoothing import Smoother
from rtgenre.training.spectra import read_corpus
from tests.corpus import SPECTRA, needs_spectra

if TYPE_CHECKING:
    from rtgenre.frontend.stream import FrontendState
    from rtgenre.model.interface import ModelState


@pytest.mark.data
@pytest.mark.soak
@needs_spectra
def test_after_hours_of_tracks_the_state_is_as_good_as_a_fresh_one() -> None:
    settings = Settings()
    checkpoint = app.load_checkpoint(settings.model)
    frontend, runtime = Frontend(checkpoint.spec), open_runtime(checkpoint, "cpu")
    hops_per_s = checkpoint.spec.sample_rate / checkpoint.spec.hop
    smoother = Smoother(len(checkpoint.labels), settings.posterior.smoothing_s, hops_per_s)

    def play(clip: int, heard: FrontendState, state: ModelState) -> tuple[bool, FrontendState, ModelState]:
        """One track, as after a pause: is the genre right at its end?"""
        smooth = smoother.init_state()
        for power in corpus.power(clip, checkpoint.spec):
            frame, heard = frontend.step_power(power, heard)
            outputs, state = runtime.step(frame[None], state)
            posterior, smooth = smoother.step(
                log_softmax(outputs[0, : len(checkpoint.labels)], checkpoint.temperature), smooth
            )
        return bool(posterior.argmax() == corpus.label[clip]), heard, state

    corpus = read_corpus(SPECTRA)
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(corpus.part("valid")) for _ in range(3)])
    fresh, lstm_carried, all_carried, heard_s = [], [], [], []
    state = runtime.init_state()
    everything = frontend.init_state(), runtime.init_state()
    for clip in order:
        fresh.append(play(clip, frontend.init_state(), runtime.init_state())[0])
        right, _, state = play(clip, frontend.init_state(), state)
        lstm_carried.append(right)
        right, *everything = play(clip, *everything)
        all_carried.append(right)
        heard_s.append(everything[0].heard / hops_per_s)
    hour = np.array(heard_s) > 3600
    assert hour.sum() > 400
    # Two standard errors of a paired comparison over these clips, of which a tenth changes sides, are 0.03.
    one_hour, none = np.mean(np.array(lstm_carried)[hour]), np.mean(np.array(fresh)[hour])
    assert one_hour >= none - 0.03, f"{one_hour:.3f} with a state of more than an hour, {none:.3f} with a fresh one"
    # Running statistics still hold a little of the track before, but never more of it.
    late, early = np.mean(np.array(all_carried)[hour]), np.mean(np.array(all_carried)[~hour])
    assert late >= early - 0.08, f"{late:.3f} after the first hour, {early:.3f} within it (other clips, in part)"
