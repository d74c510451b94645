from __future__ import annotations

from itertools import pairwise

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.signal

from rtgenre.frontend import tables


@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels", "fmin", "fmax"), [(22050, 2048, 128, 0.0, 11025.0), (44100, 4096, 64, 40.0, 8000.0)]
)
def test_mel_weights_are_librosas(rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> None:
    ours = tables.mel_weights(rate, n_fft, n_mels, fmin, fmax)
    theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, dtype=np.float64)
    np.testing.assert_allclose(ours, theirs, atol=1e-15)


@pytest.mark.parametrize(("rate", "n_fft", "n_chroma"), [(22050, 2048, 12), (48000, 8192, 24)])
def test_chroma_weights_are_librosas(rate: int, n_fft: int, n_chroma: int) -> None:
    ours = tables.chroma_weights(rate, n_fft, n_chroma)
    theirs = librosa.filters.chroma(sr=rate, n_fft=n_fft, n_chroma=n_chroma, tuning=0.0, dtype=np.float64)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_dct_is_orthonormal() -> None:
    ours = tables.dct_rows(20, 64)
    np.testing.assert_allclose(ours, scipy.fft.dct(np.eye(64), axis=0, norm="ortho")[:20], atol=1e-14)


def test_windows() -> None:
    np.testing.assert_allclose(
        tables.window_samples(512, periodic=True), scipy.signal.get_window("hann", 512), atol=1e-15
    )
    np.testing.assert_array_equal(tables.window_samples(512, periodic=False), np.hanning(512))


def test_mel_scale_has_an_inverse() -> None:
    hz = np.array([0.0, 10.0, 999.0, 1000.0, 1001.0, 11025.0])
    np.testing.assert_allclose(tables.mel_to_hz(tables.hz_to_mel(hz)), hz, atol=1e-9)


def test_contrast_bands_cover_every_bin_once() -> None:
    bands = tables.contrast_bands(22050, 2048, 6, 200.0, 0.02)
    assert bands[0].start == 0
    assert bands[-1].stop == 1025
    assert all(a.stop == b.start for a, b in pairwise(bands))
    assert [b.n_extreme for b in bands] == [1, 1, 1, 2, 3, 6, 9]
