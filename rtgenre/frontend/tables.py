"""Windows and filterbanks, made once in double precision; plain numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float64Array = NDArray[np.float64]

# Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above.
_MEL_HZ = 200.0 / 3.0
_MEL_KNEE_HZ = 1000.0
_MEL_KNEE = _MEL_KNEE_HZ / _MEL_HZ
_MEL_LOG_STEP = np.log(6.4) / 27.0


class Band(NamedTuple):
    """Bins of one spectral contrast band.

    Attributes:
        start: first bin.
        stop: one past the last bin.
        n_extreme: how many of the largest (smallest) magnitudes make the peak (valley).
    """

    start: int
    stop: int
    n_extreme: int


def window_samples(n_fft: int, periodic: bool) -> Float64Array:
    """Hann window: (n_fft,) in [0, 1]; periodic (scipy's ``fftbins``) or symmetric (``numpy.hanning``)."""
    window: Float64Array = np.hanning(n_fft + 1)[:-1] if periodic else np.hanning(n_fft)
    return window


def hz_to_mel(hz: Float64Array) -> Float64Array:
    """Hz → mel, elementwise (Slaney)."""
    log_part = _MEL_KNEE + np.log(np.maximum(hz, _MEL_KNEE_HZ) / _MEL_KNEE_HZ) / _MEL_LOG_STEP
    return np.where(hz >= _MEL_KNEE_HZ, log_part, hz / _MEL_HZ)


def mel_to_hz(mel: Float64Array) -> Float64Array:
    """Mel → Hz, elementwise (Slaney)."""
    log_part = _MEL_KNEE_HZ * np.exp(_MEL_LOG_STEP * (np.maximum(mel, _MEL_KNEE) - _MEL_KNEE))
    return np.where(mel >= _MEL_KNEE, log_part, mel * _MEL_HZ)


def mel_weights(sample_rate: int, n_fft: int, n_mels: int, fmin_hz: float, fmax_hz: float) -> Float64Array:
    """Area-normalised triangles on the mel scale: (n_mels, n_fft/2 + 1), power → mel power."""
    ends = hz_to_mel(np.array([fmin_hz, fmax_hz]))
    corner: Float64Array = mel_to_hz(np.linspace(ends[0], ends[1], n_mels + 2))[:, None]
    bins = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)[None, :]
    rising = (bins - corner[:-2]) / (corner[1:-1] - corner[:-2])
    falling = (corner[2:] - bins) / (corner[2:] - corner[1:-1])
    area = (corner[2:] - corner[:-2]) / 2.0
    weights: Float64Array = np.maximum(0.0, np.minimum(rising, falling)) / area
    return weights


def dct_rows(n_out: int, n_in: int) -> Float64Array:
    """The first rows of the orthonormal DCT-II: (n_out, n_in)."""
    k = np.arange(n_out)[:, None]
    rows: Float64Array = np.sqrt(2.0 / n_in) * np.cos(np.pi * k * (2 * np.arange(n_in)[None, :] + 1) / (2 * n_in))
    rows[0] *= np.sqrt(0.5)
    return rows


def chroma_weights(sample_rate: int, n_fft: int, n_chroma: int) -> Float64Array:
    """Gaussian bumps around each pitch class: (n_chroma, n_fft/2 + 1), power → chroma, C first.

    After D. Ellis, "Chroma feature analysis and synthesis" (2007), as librosa has it: A440 tuning,
    columns of unit Euclidean norm, weighted around octave 5 with a width of two octaves.
    """
    hz = np.arange(1, n_fft) * (sample_rate / n_fft)
    pitch = n_chroma * np.log2(hz / (440.0 / 16.0))
    # Bin 0 has no pitch: it gets 1.5 octaves below bin 1, where the octave weight leaves nothing of it.
    pitch = np.concatenate(([pitch[0] - 1.5 * n_chroma], pitch))
    width = np.concatenate((np.maximum(np.diff(pitch), 1.0), [1.0]))
    half = np.round(n_chroma / 2.0)
    away = (pitch[None, :] - np.arange(n_chroma)[:, None] + half) % n_chroma - half
    weights = np.exp(-0.5 * (2.0 * away / width) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=0))
    weights *= np.exp(-0.5 * ((pitch / n_chroma - 5.0) / 2.0) ** 2)
    from_c = np.roll(weights, -3 * (n_chroma // 12), axis=0)
    return np.ascontiguousarray(from_c[:, : n_fft // 2 + 1])


def contrast_bands(sample_rate: int, n_fft: int, n_bands: int, fmin_hz: float, quantile: float) -> tuple[Band, ...]:
    """Octave bands of spectral contrast (Jiang et al. 2002), their edges as librosa draws them.

    Every band but the lowest begins one bin early and the last runs to the top; each but the last gives
    its highest bin away again, after the number of extreme bins has been taken from its width.
    """
    hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    edges = np.concatenate(([0.0], fmin_hz * 2.0 ** np.arange(n_bands + 1)))
    bands = []
    for k in range(n_bands + 1):
        inside = np.flatnonzero((hz >= edges[k]) & (hz <= edges[k + 1]))
        last = k == n_bands
        start = int(inside[0]) - (1 if k > 0 else 0)
        stop = len(hz) if last else int(inside[-1]) + 1
        n_extreme = max(1, int(np.rint(quantile * (stop - start))))
        bands.append(Band(start, stop if last else stop - 1, n_extreme))
    return tuple(bands)
