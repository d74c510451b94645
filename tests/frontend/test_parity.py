"""Our features against librosa's, in double precision, hop by hop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rtgenre.frontend.spec import FEATURES, FrontendSpec
from rtgenre.frontend.stream import Frontend
from tests import signals
from tests.frontend.reference import librosa_frames

TOLERANCE = {
    "mfcc": 1e-3,
    "log_mel": 5e-3,  # dB; a quiet band beside a loud one keeps fewer of float32's digits
    "contrast": 0.05,  # dB
    "flatness": 0.01,  # dB
    "sustain": 1e-4,
    "chroma": 1e-5,
    "centroid": 0.01,  # Hz
    "bandwidth": 0.02,  # Hz; the second moment weighs what float32 rounds off with (f - centroid)²
    "rolloff": 1e-3,  # Hz: the same bin (a bin is 10.8 Hz; its frequency is rounded to float32)
    "flux": 1e-3,  # dB; a mean over the differences of log-mel
    "zcr": 0.0,
    "rms": 1e-6,
}


@pytest.mark.parametrize("signal", signals.VARIED)
@pytest.mark.parametrize("feature", FEATURES)
def test_equals_librosa(feature: Any, signal: str) -> None:
    x = signals.VARIED[signal](3 * 22050)
    spec = FrontendSpec.librosa_default(features=(feature,))
    ours = Frontend(spec).offline(x)
    theirs = librosa_frames(x, spec, feature)
    assert ours.shape == theirs.shape
    allowed = np.full(theirs.shape, TOLERANCE[feature])
    if feature == "contrast":
        # A valley 100 dB (of power) below its own band's peak is down where the FFT's float32 ends.
        allowed[theirs > 50.0] = 0.5
    assert (np.abs(ours - theirs) <= allowed).all()


@pytest.mark.parametrize(
    "numbers",
    [
        {"n_fft": 512, "hop": 160, "sample_rate": 16000, "n_mels": 40, "n_mfcc": 13, "n_contrast_bands": 4},
        {"n_fft": 4096, "hop": 1024, "sample_rate": 44100, "n_mels": 96, "contrast_quantile": 0.2},
        {"n_fft": 1024, "hop": 1024, "n_mels": 40, "fmin_hz": 50.0, "fmax_hz": 7600.0, "rolloff_fraction": 0.5},
    ],
)
@pytest.mark.parametrize("feature", FEATURES)
def test_equals_librosa_with_other_numbers(feature: Any, numbers: dict[str, Any]) -> None:
    x = signals.music(50_000, seed=4)
    spec = FrontendSpec.librosa_default(features=(feature,), **numbers)
    theirs = librosa_frames(x, spec, feature)
    assert np.abs(Frontend(spec).offline(x) - theirs).max() <= TOLERANCE[feature]


def test_density_is_matplotlibs_psd() -> None:
    # 2|X|²/(2·Σw²), half of that at the ends: a mel band of one bin would show it; mean level shows it all.
    x = signals.noise(2048, seed=5)
    window = np.hanning(2048)
    power = 2 * np.abs(np.fft.rfft(x * window)) ** 2 / (2 * (window**2).sum())
    power[[0, -1]] /= 2
    spec = FrontendSpec(features=("log_mel", "chroma", "centroid"), running_s=())
    frontend = Frontend(spec)
    from_samples = frontend.offline(x)[0]
    from_power, _ = frontend.step_power(power.astype(np.float32), frontend.init_state())
    np.testing.assert_allclose(from_samples, from_power, rtol=1e-5, atol=1e-4)
