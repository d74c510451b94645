"""What notes of the demo are made of: damped sinusoids, steady tones, plucked strings, shaped noise, envelopes.

Each costs about a millisecond for a second of sound at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rtgenre.records import FloatArray

    Samples = NDArray[np.float64]


def rest_at_ends(x: Samples, rate: int) -> FloatArray:
    """Peak 1; a short rise and a longer fall against clicks."""
    rise, fall = max(1, rate // 1000), max(1, min(x.size // 2, rate // 50))
    y = x / max(1e-9, float(np.abs(x).max()))
    y[:rise] *= np.linspace(0.0, 1.0, rise)
    y[-fall:] *= np.linspace(1.0, 0.0, fall)
    return y.astype(np.float32)


def ringing(rate: int, hz: float, decay_s: float, n: int, phase: float = 0.0) -> Samples:
    """Sinusoid that falls by 1/e in ``decay_s``: (n,) float64. Zero at and above the Nyquist frequency."""
    if hz >= rate / 2:
        return np.zeros(n)
    step = 2j * np.pi * hz / rate - 1.0 / (decay_s * rate)
    coarse = np.exp(step * 256.0 * np.arange(-(-n // 256)) + 1j * phase)
    fine = np.exp(step * np.arange(256))
    return np.ascontiguousarray(np.multiply.outer(coarse, fine).ravel()[:n].imag)


def noise(rate: int, n: int, low_hz: float, high_hz: float, rng: np.random.Generator) -> Samples:
    """Noise between two frequencies with soft edges: (n,) float64, RMS about 1."""
    size = 1 << max(1, (n - 1).bit_length())  # other lengths transform slowly
    hz = np.fft.rfftfreq(size, 1.0 / rate)
    shape = 1.0 / np.sqrt((1.0 + (low_hz / np.maximum(hz, 1.0)) ** 4) * (1.0 + (hz / high_hz) ** 4))
    hiss: Samples = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * shape, size)[:n]
    return hiss / max(1e-9, float(np.sqrt(np.mean(hiss**2))))


def fall(rate: int, n: int, decay_s: float) -> Samples:
    """Envelope of a struck note: by 1/e in ``decay_s``."""
    return np.exp(-np.arange(n) / (decay_s * rate))


def swell(rate: int, n: int, attack_s: float, release_s: float) -> Samples:
    """Envelope of a held note: raised-cosine attack and release."""
    a, r = (min(n // 2, max(1, round(s * rate))) for s in (attack_s, release_s))
    envelope = np.ones(n)
    envelope[:a] = 0.5 - 0.5 * np.cos(np.pi * np.arange(a) / a)
    envelope[n - r :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(r) / r)
    return envelope


def vibrato(rate: int, n: int, depth: float) -> Samples:
    """Time in samples as a player with vibrato feels it: (n,) float64; ``depth`` is relative to the pitch."""
    t = np.arange(n, dtype=np.float64)
    swing = depth * rate / (2 * np.pi * 5.3)
    # Vibrato sets in after the attack, as a player's does.
    felt: Samples = t + np.minimum(swing, t * (swing / (0.35 * rate))) * np.sin(t * (2 * np.pi * 5.3 / rate))
    return felt


def held(rate: int, hz: float, t: Samples, partials: Sequence[float]) -> Samples:
    """Steady tone with the given amplitudes of its partials, read from a table of one period.

    Args:
        rate: Hz.
        hz: pitch.
        t: (n,) time in samples, with vibrato or without.
        partials: amplitudes from the fundamental upwards; those near the Nyquist frequency are left out.
    """
    size = 2048
    spectrum = np.zeros(size // 2 + 1, np.complex128)
    for k, amplitude in enumerate(partials, start=1):
        if k * hz < 0.45 * rate:
            spectrum[k] = -0.5j * size * amplitude
    table: Samples = np.fft.irfft(spectrum, size)
    return table.take((t * (hz / rate * size)).astype(np.int64) & (size - 1))


def plucked(
    rate: int, hz: float, length_s: float, rng: np.random.Generator, *, bright: float, sustain: float
) -> Samples:
    """String after Karplus and Strong, Computer Music Journal 7(2), 1983; worked out a whole period at a time.

    Args:
        rate: Hz.
        hz: pitch.
        length_s: length.
        rng: of the pluck.
        bright: 0 (thumb) to 1 (plectrum): how much of the burst's treble is kept.
        sustain: loss factor a period, just below 1.
    """
    n = round(length_s * rate)
    period = max(2, round(rate / hz - 0.5))
    burst = rng.uniform(-1.0, 1.0, period)
    for _ in range(round(6 * (1.0 - bright))):
        burst = 0.5 * (burst + np.roll(burst, 1))
    burst -= burst.mean()
    rows = np.empty((-(-n // period), period))
    rows[0] = burst
    last = burst[-1]
    for row in range(1, rows.shape[0]):
        before = rows[row - 1]
        rows[row, 0] = sustain * 0.5 * (before[0] + last)
        rows[row, 1:] = (sustain * 0.5) * (before[1:] + before[:-1])
        last = before[-1]
    return rows.ravel()[:n]
