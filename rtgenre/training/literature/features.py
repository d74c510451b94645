"""Features as the papers compute them (librosa's definitions), from power spectra; in numpy, on the frontend's tables.

Unlike the live frontend these look at a whole piece: its decibels end 80 below the piece's maximum. That is how the
papers did it, and one more reason why their figures do not tell what a live tagger can do.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.frontend import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

SAMPLE_RATE = 22050
N_FFT = 2048
N_MELS = 128
MOST_MFCC = 23
TOP_DB = 80.0
WINDOW_ENERGY = float((np.hanning(N_FFT + 1)[:-1] ** 2).sum())
_SMALLEST = 1e-10

GROUPS: dict[str, int] = {
    "mfcc": MOST_MFCC,
    "centroid": 1,
    "chroma": 12,
    "contrast": 7,
    "zcr": 1,
    "rms": 1,
    "amplitude": 5,
    "rolloff": 1,
    "bandwidth": 1,
}
"""Feature groups in the order of their columns, and how many columns each has."""

N_COLUMNS = sum(GROUPS.values())


def columns(groups: Sequence[str], n_mfcc: int, *, from_samples: bool) -> list[int]:
    """Which columns of ``frames`` some groups are; ``zcr`` is none where there are no samples.

    Args:
        groups: names of ``GROUPS``.
        n_mfcc: so many of the cepstral coefficients.
        from_samples: whether the frames were made with samples at hand.
    """
    start, where = 0, {}
    for name, size in GROUPS.items():
        where[name] = list(range(start, start + (n_mfcc if name == "mfcc" else size)))
        start += size
    if not from_samples:
        where["zcr"] = []
    return [column for name in groups for column in where[name]]


def decibels(power: FloatArray) -> FloatArray:
    """10·log10, floored at -100 dB and at ``TOP_DB`` below the greatest value (librosa's ``power_to_db``)."""
    db = 10.0 * np.log10(np.maximum(power, _SMALLEST))
    floored: FloatArray = np.maximum(db, db.max() - TOP_DB).astype(np.float32)
    return floored


def mel_power(power: FloatArray, n_mels: int = N_MELS) -> FloatArray:
    """Power spectra (frames, 1025) → mel bands (frames, n_mels) up to half the sample rate."""
    bands: FloatArray = power @ _mel(n_mels)
    return bands


def frames(power: FloatArray, samples: FloatArray | None, hop: int) -> FloatArray:
    """All feature groups of one piece, column by column.

    Args:
        power: (frames, 1025) |X|², samples in [-1, 1] under a Hann window.
        samples: the piece's own samples, for ``zcr`` and ``rms``; None where only spectra are known: then ``zcr`` is
            0 and ``rms`` is estimated by Parseval's theorem.
        hop: samples from frame to frame.

    Returns:
        (frames, ``N_COLUMNS``) float32.
    """
    magnitude = np.sqrt(power)
    hz = np.linspace(0.0, SAMPLE_RATE / 2, power.shape[1], dtype=np.float32)
    share = magnitude / np.maximum(magnitude.sum(axis=1, keepdims=True), _SMALLEST)
    centroid = share @ hz
    bandwidth = np.sqrt(np.maximum((share * (hz[None, :] - centroid[:, None]) ** 2).sum(axis=1), 0.0))
    rolloff = hz[(np.cumsum(share, axis=1) < 0.85).sum(axis=1).clip(max=len(hz) - 1)]
    chroma = power @ _chroma()
    chroma /= np.maximum(chroma.max(axis=1, keepdims=True), _SMALLEST)
    if samples is None:
        rms, zcr = np.sqrt(mean_square(power)), np.zeros(len(power), np.float32)
    else:
        rms, zcr = _rms(samples, hop)[: len(power)], _zcr(samples, hop)[: len(power)]
    parts = (
        decibels(mel_power(power)) @ _dct(),
        centroid[:, None],
        chroma,
        _contrast(magnitude),
        zcr[:, None],
        rms[:, None],
        _amplitude(magnitude),
        rolloff[:, None],
        bandwidth[:, None],
    )
    return np.concatenate(parts, axis=1, dtype=np.float32)


def centred_frames(samples: FloatArray, hop: int, *, edge: bool = False) -> FloatArray:
    """Windows centred on every ``hop``-th sample, (frames, 2048), as librosa frames: zeros or the edge around."""
    padded = np.pad(samples, N_FFT // 2, mode="edge" if edge else "constant")
    windows: FloatArray = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::hop]
    return windows


def mean_square(power: FloatArray) -> FloatArray:
    """Mean square of the samples behind each spectrum, (frames,), by Parseval's theorem; exact on steady sound."""
    both_sides = 2.0 * power.sum(axis=1) - power[:, 0] - power[:, -1]
    mean: FloatArray = (np.maximum(both_sides, 0.0) / (N_FFT * WINDOW_ENERGY)).astype(np.float32)
    return mean


def _rms(samples: FloatArray, hop: int) -> FloatArray:
    rms: FloatArray = np.sqrt(np.mean(centred_frames(samples, hop) ** 2, axis=1))
    return rms


def _zcr(samples: FloatArray, hop: int) -> FloatArray:
    """Share of samples whose sign differs from the one before, in each window."""
    negative = np.signbit(np.where(np.abs(samples) <= _SMALLEST, np.float32(0.0), samples))
    crossed = np.concatenate(([False], negative[1:] != negative[:-1]))
    padded = np.pad(crossed.astype(np.int32), N_FFT // 2)
    summed = np.concatenate(([0], np.cumsum(padded)))
    starts = np.arange(0, len(padded) - N_FFT + 1, hop)
    # A window's first sample has none before it in the window.
    crossings = summed[starts + N_FFT] - summed[starts + 1]
    return (crossings / N_FFT).astype(np.float32)


def _contrast(magnitude: FloatArray) -> FloatArray:
    """Peak less valley of octave bands in decibels (Jiang et al. 2002), quantile 2 %."""
    peaks, valleys = [], []
    for start, stop, n_extreme in tables.contrast_bands(SAMPLE_RATE, N_FFT, 6, 200.0, 0.02):
        band = np.sort(magnitude[:, start:stop], axis=1)
        valleys.append(band[:, :n_extreme].mean(axis=1))
        peaks.append(band[:, -n_extreme:].mean(axis=1))
    return decibels(np.stack(peaks, axis=1)) - decibels(np.stack(valleys, axis=1))


def _amplitude(magnitude: FloatArray) -> FloatArray:
    """Mean, spread, skewness, kurtosis and flatness of each frame's amplitude spectrum, (frames, 5)."""
    mean, spread = magnitude.mean(axis=1), magnitude.std(axis=1)
    z = (magnitude - mean[:, None]) / np.maximum(spread, _SMALLEST)[:, None]
    geometric = np.exp(np.log(np.maximum(magnitude, _SMALLEST)).mean(axis=1))
    flatness = geometric / np.maximum(mean, _SMALLEST)
    return np.stack((mean, spread, (z**3).mean(axis=1), (z**4).mean(axis=1), flatness), axis=1)


@lru_cache(maxsize=4)
def _mel(n_mels: int) -> FloatArray:
    return tables.mel_weights(SAMPLE_RATE, N_FFT, n_mels, 0.0, SAMPLE_RATE / 2).T.astype(np.float32)


@lru_cache(maxsize=1)
def _chroma() -> FloatArray:
    return tables.chroma_weights(SAMPLE_RATE, N_FFT, 12).T.astype(np.float32)


@lru_cache(maxsize=1)
def _dct() -> FloatArray:
    return tables.dct_rows(MOST_MFCC, N_MELS).T.astype(np.float32)
