"""The papers' features against librosa, which they were made with."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend
from rtgenre.training.literature import features, summaries
from tests import signals

RATE = 22050
X = signals.on_noise(signals.music(3 * RATE, seed=3))
POWER = Frontend(FrontendSpec(hop=512, window="hann", scaling="spectrum")).spectra(np.pad(X, 1024))


def group(name: str, n_mfcc: int = 20) -> np.ndarray:
    return features.frames(POWER, X, 512)[:, features.columns((name,), n_mfcc, from_samples=True)]


def test_a_piece_of_three_seconds_has_the_printed_number_of_frames() -> None:
    assert features.frames(POWER, X, 512).shape == (130, features.N_COLUMNS)


def test_mfcc() -> None:
    assert np.allclose(group("mfcc"), librosa.feature.mfcc(y=X, sr=RATE, n_mfcc=20).T, atol=0.05)


@pytest.mark.parametrize(
    ("name", "theirs", "tolerance"),
    [
        ("centroid", lambda: librosa.feature.spectral_centroid(y=X, sr=RATE), 0.5),
        ("bandwidth", lambda: librosa.feature.spectral_bandwidth(y=X, sr=RATE), 0.5),
        ("chroma", lambda: librosa.feature.chroma_stft(y=X, sr=RATE, tuning=0.0), 2e-3),
        ("contrast", lambda: librosa.feature.spectral_contrast(y=X, sr=RATE), 0.05),
        ("rms", lambda: librosa.feature.rms(y=X), 1e-5),
        # A value at the edge between two bins may fall either way.
        ("rolloff", lambda: librosa.feature.spectral_rolloff(y=X, sr=RATE), RATE / 2048 + 0.1),
    ],
)
def test_of_spectra(name: str, theirs: object, tolerance: float) -> None:
    assert np.allclose(group(name), theirs().T, atol=tolerance)  # type: ignore[operator]


def test_zero_crossings() -> None:
    theirs = librosa.feature.zero_crossing_rate(X)[0]
    # The outermost windows reach beyond the sound, where librosa repeats its edge.
    assert np.allclose(group("zcr")[2:-2, 0], theirs[2:-2], atol=1e-6)


def test_without_samples_level_comes_from_the_spectrum_and_crossings_do_not_come_at_all() -> None:
    told = features.frames(POWER, None, 512)
    place = features.columns(("rms",), 13, from_samples=True)[0]
    inside = slice(3, -3)
    assert np.corrcoef(told[inside, place], group("rms")[inside, 0])[0, 1] > 0.95
    assert features.columns(("zcr",), 13, from_samples=False) == []


def test_harmonic_and_percussive_parts_are_librosas() -> None:
    names = list(summaries.STATISTICS)
    ours = summaries.statistics(features.frames(POWER, X, 512), POWER, X, 512)
    harmonic, percussive = librosa.effects.hpss(X)
    for name, part in (("harmony", harmonic), ("perceptr", percussive)):
        assert ours[names.index(f"{name}_var")] == pytest.approx(part.var(), rel=0.1)


def test_tempo_finds_the_beat_or_a_simple_multiple_of_it() -> None:
    tempo = summaries.statistics(features.frames(POWER, X, 512), POWER, X, 512)[
        list(summaries.STATISTICS).index("tempo")
    ]
    assert min(abs(np.log2(tempo / (120 * k))) for k in (0.5, 1, 2)) < 0.1  # the signal's chords change twice a second


def test_pictures_are_bright_where_the_sound_is() -> None:
    tone = signals.on_noise(signals.tone(3 * RATE, 8000.0))
    power = Frontend(FrontendSpec(hop=512, window="hann", scaling="spectrum")).spectra(tone)
    picture = summaries.picture(power).astype(int).sum(axis=0)
    assert summaries.picture(power).shape == (3, 256, 256)
    rows = picture.sum(axis=1)
    assert rows.argmax() < 64  # high bands are at the top
