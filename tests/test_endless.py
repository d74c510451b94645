"""Hours of music without a reset, as real spectra, through the whole pipeline: it must neither drift nor tire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre import app
from rtgenre.config import Settings
from rtgenre.training.datasets.corpus import read_corpus
from rtgenre.training.outcome import pipeline_of
from tests.corpus import SPECTRA, needs_spectra

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.pipeline import PipelineState


TRACKS = 24


@pytest.mark.data
@pytest.mark.soak
@pytest.mark.timeout(900)  # a minute where nothing else runs
@needs_spectra
def test_an_hour_of_tracks_without_a_pause_leaves_no_trace() -> None:
    settings = Settings()
    pipeline = pipeline_of(app.load_checkpoint(settings.model), settings.posterior)
    spec = pipeline.frontend.spec
    corpus = read_corpus(SPECTRA)
    order = np.random.default_rng(0).permutation(corpus.part("valid"))

    def said_at_its_end(clip: int, state: PipelineState) -> NDArray[np.float32]:
        for power in corpus.power(clip, spec):
            answer = pipeline.hop_of_power(power, state)
        return answer.probs

    carried, at = pipeline.init_state(), 0
    while carried.standing.frontend.hop < 3600 * spec.hops_per_s:
        said_at_its_end(order[at], carried)
        at += 1
    # The last of the hour's tracks leads here, too: a change costs something, and is no business of the hour's.
    fresh = pipeline.init_state()
    said_at_its_end(order[at - 1], fresh)
    clips = order[at : at + TRACKS]
    after_an_hour, without = (np.array([said_at_its_end(clip, s) for clip in clips]) for s in (carried, fresh))
    assert carried.resets > 100, "changes of track were recognised"
    apart = np.abs(after_an_hour - without).max(axis=1)
    # What came before the first change that was recognised may be told by; there is one soon.
    assert (apart < 0.01).sum() >= TRACKS - 2
    assert (after_an_hour.argmax(axis=1) == without.argmax(axis=1)).sum() >= TRACKS - 1
