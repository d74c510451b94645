"""Hours of music without a reset, as real spectra: a recurrent state must neither drift nor tire."""

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


@pytest.mark.data
@pytest.mark.soak
@needs_spectra
def test_after_an_hour_of_tracks_it_is_as_good_as_after_a_fresh_start() -> None:
    settings = Settings()
    checkpoint = app.load_checkpoint(settings.model)
    frontend, runtime = Frontend(checkpoint.spec), open_runtime(checkpoint, "cpu")
    hops_per_s = checkpoint.spec.sample_rate / checkpoint.spec.hop
    smoother = Smoother(len(checkpoint.labels), settings.posterior.smoothing_s, hops_per_s)

    def fresh() -> list:
        return [frontend.init_state(), runtime.init_state(), smoother.init_state()]

    def play(clip: int, state: list) -> int:
        for power in corpus.power(clip, checkpoint.spec):
            frame, state[0] = frontend.step_power(power, state[0])
            logits, state[1] = runtime.step(frame[None], state[1])
            posterior, state[2] = smoother.step(log_softmax(logits[0], checkpoint.temperature), state[2])
        return int(posterior.argmax())

    corpus = read_corpus(SPECTRA)
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(corpus.part("valid")) for _ in range(2)])
    carried_state = fresh()
    heard_s, right = [], []
    for clip in order:
        right.append((play(clip, carried_state) == corpus.label[clip], play(clip, fresh()) == corpus.label[clip]))
        heard_s.append(carried_state[0].heard / hops_per_s)
    late = np.array(heard_s) > 3600
    carried, from_fresh = np.array(right)[late].mean(axis=0)
    assert late.sum() > 200
    # Two standard errors of a paired comparison over these clips, of which a tenth changes sides, are 0.04.
    assert carried >= from_fresh - 0.04, f"{carried:.3f} after more than an hour, {from_fresh:.3f} fresh"
