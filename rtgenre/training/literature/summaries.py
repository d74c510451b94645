"""Whole pieces in other forms: the vector of means and variances, and the picture of a mel spectrogram."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.training.literature import features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    Bytes = NDArray[np.uint8]

PICTURE_MELS = 96
PICTURE_SIDE = 256
_N_MFCC = 20
_TWO_MOMENTS = ("chroma", "rms", "centroid", "bandwidth", "rolloff")
_HPSS_S = 31 * 512 / features.SAMPLE_RATE  # librosa's median filters, in seconds and in bins
_HPSS_BINS = 31
_TEMPO_BPM = 120.0
_TEMPO_OCTAVES = 1.0

STATISTICS = (
    *(f"{name}_{moment}" for name in (*_TWO_MOMENTS, "zcr") for moment in ("mean", "var")),
    *("harmony_mean", "harmony_var", "perceptr_mean", "perceptr_var", "tempo"),
    *(f"mfcc{k + 1}_{moment}" for k in range(_N_MFCC) for moment in ("mean", "var")),
)
"""Names as in the CSV of clip statistics that comes with GTZAN, but for its order."""

FROM_SAMPLES = frozenset(("zcr_mean", "zcr_var", "harmony_mean", "perceptr_mean"))
"""Those that spectra do not tell."""


def statistics(table: FloatArray, power: FloatArray, samples: FloatArray | None, hop: int) -> FloatArray:
    """One piece as means and variances, (len(``STATISTICS``),) float32; 0 for what spectra do not tell.

    Args:
        table: (frames, columns) its ``features.frames``.
        power: (frames, 1025) its spectra.
        samples: its samples, or None.
        hop: samples from frame to frame.
    """
    values = []
    for name in (*_TWO_MOMENTS, "zcr"):
        group = table[:, features.columns((name,), 0, from_samples=True)]
        values += [group.mean(), group.var()]
    values += _harmonic_and_percussive(power, samples, hop)
    values.append(_tempo(power, hop))
    mfcc = table[:, :_N_MFCC]
    values += np.stack((mfcc.mean(axis=0), mfcc.var(axis=0)), axis=1).ravel().tolist()
    return np.array(values, np.float32)


def picture(power: FloatArray, side: int = PICTURE_SIDE) -> Bytes:
    """The mel spectrogram of a piece as it is drawn: (3, side, side) uint8 RGB, low bands at the bottom."""
    return coloured(features.decibels(features.mel_power(power, PICTURE_MELS)), side)


def coloured(db: FloatArray, side: int) -> Bytes:
    """A spectrogram in decibels (frames, bands) as a picture: its greatest value bright, 80 dB below it black."""
    shown = np.clip((db - db.max()) / features.TOP_DB + 1.0, 0.0, 1.0)
    square = _resized(shown.shape[1], side) @ shown.T @ _resized(shown.shape[0], side).T
    index = np.rint(255.0 * square[::-1]).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(_colours()[index], -1, 0))


@lru_cache(maxsize=8)
def _resized(n_in: int, n_out: int) -> FloatArray:
    """(n_out, n_in) weights that read n_in values at n_out places, linearly between them."""
    at = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    rows = [np.interp(at, np.arange(n_in), unit) for unit in np.eye(n_in)]
    return np.stack(rows, axis=1).astype(np.float32)


@lru_cache(maxsize=1)
def _colours() -> Bytes:
    from matplotlib import colormaps  # noqa: PLC0415 - an extra, and half a second to import

    return np.asarray(255.0 * colormaps["magma"](np.arange(256))[:, :3]).astype(np.uint8)


def _harmonic_and_percussive(power: FloatArray, samples: FloatArray | None, hop: int) -> list[float]:
    """Mean and variance of the harmonic and of the percussive part (Fitzgerald 2010: median filtering, soft masks)."""
    magnitude = np.sqrt(power)
    along = _medians(magnitude.T, max(3, round(_HPSS_S * features.SAMPLE_RATE / hop) | 1)).T ** 2
    across = _medians(magnitude, _HPSS_BINS) ** 2
    mask = along / np.maximum(along + across, 1e-20)
    if samples is None:
        parts = (features.mean_square(power * mask**2), features.mean_square(power * (1.0 - mask) ** 2))
        return [0.0, float(parts[0].mean()), 0.0, float(parts[1].mean())]
    window = np.hanning(features.N_FFT + 1)[:-1]
    spectra = np.fft.rfft(features.centred_frames(samples, hop) * window)[: len(power)]
    values: list[float] = []
    for share in (mask, 1.0 - mask):
        sound = _overlap_added(np.fft.irfft(spectra * share) * window, window, hop)
        values += [float(sound.mean()), float(sound.var())]
    return values


def _medians(rows: FloatArray, size: int) -> FloatArray:
    """Running medians of each row, edges mirrored. One long row of all of them, as scipy has a quick way for one."""
    from scipy.ndimage import median_filter  # noqa: PLC0415 - comes with the extra that trains

    half = size // 2
    padded = np.pad(rows, ((0, 0), (half, half)), mode="symmetric")
    medians: FloatArray = median_filter(padded.ravel(), size=size).reshape(padded.shape)[:, half:-half]
    return medians


def _overlap_added(windows: NDArray[np.float64], window: NDArray[np.float64], hop: int) -> NDArray[np.float64]:
    total = np.zeros(features.N_FFT + hop * (len(windows) - 1))
    weight = np.zeros_like(total)
    for k, piece in enumerate(windows):
        total[k * hop : k * hop + features.N_FFT] += piece
        weight[k * hop : k * hop + features.N_FFT] += window**2
    inside = slice(features.N_FFT // 2, len(total) - features.N_FFT // 2)
    return total[inside] / np.maximum(weight[inside], 1e-8)


def _tempo(power: FloatArray, hop: int) -> float:
    """Beats a minute: the strongest lag of the autocorrelated onset strength, with a prior around 120 (Ellis 2007)."""
    db = features.decibels(features.mel_power(power))
    onset = np.maximum(np.diff(db, axis=0), 0.0).mean(axis=1)
    onset = onset - onset.mean()
    correlation = np.correlate(onset, onset, "full")[len(onset) - 1 :]
    lags = np.arange(1, len(correlation))
    if not len(lags):
        return _TEMPO_BPM
    bpm = 60.0 * features.SAMPLE_RATE / hop / lags
    prior = np.exp(-0.5 * (np.log2(bpm / _TEMPO_BPM) / _TEMPO_OCTAVES) ** 2)
    return float(bpm[np.argmax(np.maximum(correlation[1:], 0.0) * prior)])
