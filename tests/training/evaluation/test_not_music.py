from __future__ import annotations

import numpy as np
import pytest

from rtgenre.training.evaluation import not_music
from rtgenre.training.evaluation.listen import MUSIC, NOT_MUSIC, SILENCE
from tests.training.evaluation.made import RATE, trace


def test_kinds_are_told_apart_and_silence_is_left_out() -> None:
    music = [trace([[0] * 60], music=[0.9] * 60)]
    speech = trace([[-1] * 60], music=[0.1] * 60, state=[NOT_MUSIC] * 60)
    noise = trace([[-1] * 60], music=[0.95] * 30 + [0.0] * 30, state=[MUSIC] * 30 + [SILENCE] * 30)
    told = not_music.figures([speech, noise], np.array([1, 0]), ("noise", "speech"), music, RATE)
    assert told["kinds"]["speech"]["auroc"] == 1.0
    assert told["kinds"]["noise"]["auroc"] == 0.0
    assert told["auroc"] == pytest.approx(60 / 90)
    assert told["states"]["not_music"] == 0.5
    assert told["states"]["silence"] == 0.25
    assert told["hops"] == 120


def test_a_model_that_does_not_tell_has_no_auroc() -> None:
    told = not_music.figures([trace([[0] * 60])], np.array([0]), ("speech",), [trace([[0] * 60])], RATE)
    assert told["auroc"] is None
    assert told["auroc_settled"] is None


def test_music_called_not_music() -> None:
    music = trace([[0] * 10], state=[NOT_MUSIC] + [MUSIC] * 4 + [SILENCE] * 5)
    assert not_music.music_called_not_music([music]) == pytest.approx(0.2)
