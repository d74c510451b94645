from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from rtgenre import tagging
from rtgenre.audio.file import FileSource
from rtgenre.engine import open_conditioner
from rtgenre.errors import SourceError
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend
from rtgenre.model.runtime import open_runtime
from rtgenre.pipeline import Pipeline
from rtgenre.posterior.calibration import Calibration
from rtgenre.posterior.decision import PolicySettings
from rtgenre.training.datasets.sound import from_onset, read_sound, why_useless
from tests import corpus, signals
from tests.model.small import checkpoint
from tests.training.datasets import trees

if TYPE_CHECKING:
    from pathlib import Path

SPEC = FrontendSpec()


def live_samples(path: Path) -> Any:
    """What the live path feeds the pipeline with, made of its own parts."""
    source = FileSource("file", path, realtime=False, block_samples=tagging.BLOCK_SAMPLES)
    source.start()
    conditioner = open_conditioner(source.wait_ready(), SPEC.sample_rate, ())
    x, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == conditioner.in_rate
    source.close()
    return conditioner.offline(x)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.opus", "a.mp3", "a.aiff", "a.au"])
def test_every_format_is_read_as_the_live_path_reads_it(tmp_path: Path, name: str) -> None:
    rate = 48000
    left, right = signals.music(2 * rate, 1, rate), signals.music(2 * rate, 2, rate)
    path = trees.write(tmp_path / name, np.stack((left, right), axis=1), rate)
    heard = read_sound(path, SPEC.sample_rate)
    assert heard.remark == ""
    assert heard.samples.dtype == np.float32
    assert len(heard.samples) == pytest.approx(2 * SPEC.sample_rate, abs=0.06 * SPEC.sample_rate)  # coders pad
    np.testing.assert_array_equal(heard.samples, live_samples(path))


def test_a_limit_keeps_the_middle(tmp_path: Path) -> None:
    x = np.arange(5 * 22050, dtype=np.float32) / (5 * 22050)
    path = tmp_path / "ramp.wav"
    soundfile.write(path, x, 22050, subtype="FLOAT")
    np.testing.assert_array_equal(read_sound(path, 22050, 2.0).samples, x[33075 : 33075 + 44100])
    np.testing.assert_array_equal(read_sound(path, 22050, 5.0).samples, x)
    np.testing.assert_array_equal(read_sound(path, 22050, 60.0).samples, x)


def test_a_limited_file_is_conditioned_like_one_of_its_own(tmp_path: Path) -> None:
    x = signals.music(44100 * 6, sample_rate=44100)
    whole, middle = tmp_path / "whole.wav", tmp_path / "middle.wav"
    soundfile.write(whole, x, 44100, subtype="FLOAT")
    soundfile.write(middle, x[88200:176400], 44100, subtype="FLOAT")
    np.testing.assert_array_equal(read_sound(whole, 22050, 2.0).samples, read_sound(middle, 22050).samples)


def test_samples_that_are_not_finite_are_told_of(tmp_path: Path) -> None:
    x = signals.music(44100)
    x[1000:1003] = np.nan
    path = tmp_path / "x.wav"
    soundfile.write(path, x, 22050, subtype="FLOAT")
    heard = read_sound(path, 22050)
    assert "3 samples that are not finite" in heard.remark
    assert not heard.samples[1000:1003].any()


def test_a_file_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    for name in ("x.wav", "x.ogg", "x.flac"):
        path = trees.song(tmp_path / name, seconds=20)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(SourceError, match="cut off"):
            read_sound(path, 22050)


def test_useless_sounds_are_told_apart() -> None:
    rate, music = 22050, signals.music(3 * 22050)
    assert why_useless(music, rate) == ""
    assert why_useless(music[:0], rate) == "is empty"
    assert "silent: -157 dBFS" in why_useless(np.zeros(rate * 3, np.float32), rate)
    assert "silent: -6" in why_useless(signals.noise(rate * 3, level=5e-4), rate)
    assert why_useless(signals.noise(rate * 3, level=5e-3), rate) == ""
    assert "too short: 0.90 s" in why_useless(from_onset(music)[: round(0.9 * rate)], rate)
    late = np.concatenate((np.zeros(10 * rate, np.float32), from_onset(music)[: rate // 2]))
    assert "too short: 0.50 s" in why_useless(late, rate)


def test_what_is_learned_from_is_what_the_live_path_hears(tmp_path: Path) -> None:
    """Leading quiet included: the pipeline seeks the onset hop by hop, ``from_onset`` at once."""
    model = checkpoint()
    pipeline = Pipeline(Frontend(model.spec), open_runtime(model, "cpu"), Calibration(), PolicySettings())
    quiet, music = signals.noise(13_000, level=1e-5), signals.music(4 * 44100, sample_rate=44100)
    path = trees.write(tmp_path / "x.flac", np.concatenate((quiet, music)), 44100)
    state = pipeline.init_state()
    live = [state.standing.frame[0].copy() for hop in pipeline.hops(live_samples(path), state) if hop.age_s > 0]

    frontend = Frontend(model.spec)
    heard = frontend.init_state()
    learned = []
    for power in frontend.spectra(from_onset(read_sound(path, model.spec.sample_rate).samples)):
        frame, heard = frontend.step_power(power, heard)
        learned.append(frame)
    assert len(live) > 30
    n = model.spec.n_frame_features
    assert np.array(learned)[:, :n].tobytes() == np.array(live)[:, :n].tobytes()
    # ``forget`` leaves a rounding error of the silence in the running statistics: mean + (x - mean) is not quite x.
    np.testing.assert_allclose(learned, live, rtol=1e-5, atol=1e-5)


@corpus.needs_audio
@pytest.mark.data
def test_real_clips_are_conditioned_as_live() -> None:
    for path in sorted(corpus.AUDIO.iterdir())[:21:10]:
        np.testing.assert_array_equal(read_sound(path, SPEC.sample_rate).samples, live_samples(path))
