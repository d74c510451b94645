"""Hours of music without a reset, as real spectra, through the whole pipeline: it must neither drift nor tire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre import app
from rtgenre.config import Settings
from rtgenre.training.outcome import pipeline_of
from rtgenre.training.spectra import read_corpus
from tests.corpus import SPECTRA, needs_spectra

if TYPE_CHECKING:
    from rtgenre.pipeline import PipelineState


@pytest.mark.data
@pytest.mark.soak
@pytest.mark.timeout(900)  # a minute where nothing else runs
@needs_spectra
def test_after_an_hour_of_tracks_without_a_pause_nothing_is_lost() -> None:
    settings = Settings()
    pipeline = pipeline_of(app.load_checkpoint(settings.model), settings.posterior)
    spec = pipeline.frontend.spec
    corpus = read_corpus(SPECTRA)
    rng = np.random.default_rng(0)
    clips = corpus.part("valid")
    carried = pipeline.init_state()

    def right_at_its_end(clip: int, state: PipelineState) -> bool:
        for power in corpus.power(clip, spec):
            answer = pipeline.hop_of_power(power, state)
        return bool(answer.probs.argmax() == corpus.label[clip])

    heard: list[tuple[int, bool]] = []
    for clip in rng.permutation(clips):
        begun = carried.standing.frontend.hop
        right = right_at_its_end(clip, carried)
        if begun > 3600 * spec.hops_per_s:
            heard.append((int(clip), right))
    alone = {clip: right_at_its_end(clip, pipeline.init_state()) for clip in {clip for clip, _ in heard}}
    after_an_hour, fresh = [right for _, right in heard], [alone[clip] for clip, _ in heard]
    assert carried.resets > 100, "changes of track were recognised"
    assert len(fresh) > 70
    # Two standard errors of a paired comparison over so many clips, of which a tenth changes sides.
    assert np.mean(after_an_hour) >= np.mean(fresh) - 2 * (0.1 / len(fresh)) ** 0.5
