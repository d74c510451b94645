"""Hours of music without a reset, as real spectra, through the whole pipeline: it must neither drift nor tire."""

from __future__ import annotations

import numpy as np
import pytest

from rtgenre import app
from rtgenre.config import Settings
from rtgenre.training.outcome import pipeline_of
from rtgenre.training.spectra import read_corpus
from tests.corpus import SPECTRA, needs_spectra


@pytest.mark.data
@pytest.mark.soak
@needs_spectra
def test_after_an_hour_of_tracks_without_a_pause_nothing_is_lost() -> None:
    settings = Settings()
    pipeline = pipeline_of(app.load_checkpoint(settings.model), settings.posterior)
    spec = pipeline.frontend.spec
    corpus = read_corpus(SPECTRA)
    rng = np.random.default_rng(0)
    clips = corpus.part("valid")
    carried = pipeline.init_state()
    after_an_hour, fresh = [], []
    for clip in np.concatenate((rng.permutation(clips), rng.permutation(clips)[:100])):
        alone = pipeline.init_state()
        for power in corpus.power(clip, spec):
            answer = pipeline.hop_of_power(power, carried)
            wanted = pipeline.hop_of_power(power, alone)
        if answer.hop > 3600 * spec.hops_per_s:
            after_an_hour.append(answer.probs.argmax() == corpus.label[clip])
            fresh.append(wanted.probs.argmax() == corpus.label[clip])
    assert carried.resets > 100, "changes of track were recognised"
    assert len(fresh) > 70
    # Two standard errors of a paired comparison over so many clips, of which a tenth changes sides.
    assert np.mean(after_an_hour) >= np.mean(fresh) - 2 * (0.1 / len(fresh)) ** 0.5
