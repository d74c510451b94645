"""Notes and drum hits of the demo, each synthesised once and then remembered.

Everything is made of three cheap parts: damped sinusoids by the product of two short vectors, plucked strings
after Karplus and Strong ("Digital synthesis of plucked-string and drum timbres", Computer Music Journal 7(2),
1983) a whole period at a time, and noise shaped in the frequency domain. A note is about a millisecond of work.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from rtgenre.records import FloatArray

    Samples = NDArray[np.float64]

DRUM = 0
"""Pitch and length of a drum hit, which has neither."""


def pitch_hz(midi: float) -> float:
    """Frequency of a MIDI note number, A4 = 69 = 440 Hz."""
    return float(440.0 * 2.0 ** ((midi - 69.0) / 12.0))


class Orchestra:
    """All instruments at one sample rate; belongs to one thread.

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._remembered: dict[tuple[str, int, int], FloatArray] = {}

    def play(self, instrument: str, midi: int, length_ms: int) -> FloatArray:
        """One note.

        The same arguments always give the same samples, whatever was played before.

        Args:
            instrument: a key of ``INSTRUMENTS``.
            midi: note number; ``DRUM`` for drums.
            length_ms: until the note is released; ``DRUM`` for drums, which ring as long as they do.

        Returns:
            (n,) float32, read-only, peak 1, begins and ends at rest.
        """
        key = (instrument, midi, length_ms)
        note = self._remembered.get(key)
        if note is None:
            # Seeded by the note itself: what it sounds like must not depend on the order of playing.
            rng = np.random.default_rng(zlib.crc32(repr(key).encode()))
            note = _rest_at_ends(
                INSTRUMENTS[instrument](self._rate, pitch_hz(midi), length_ms / 1000.0, rng), self._rate
            )
            note.setflags(write=False)
            self._remembered[key] = note
        return note

    def forget(self) -> None:
        """Drop all notes but the drums; called between two pieces, so that memory stays bounded."""
        self._remembered = {key: note for key, note in self._remembered.items() if key[1] == DRUM}


def _rest_at_ends(x: Samples, rate: int) -> FloatArray:
    """Peak 1; a short rise and a longer fall against clicks."""
    rise, fall = max(1, rate // 1000), max(1, min(x.size // 2, rate // 50))
    y = x / max(1e-9, float(np.abs(x).max()))
    y[:rise] *= np.linspace(0.0, 1.0, rise)
    y[-fall:] *= np.linspace(1.0, 0.0, fall)
    return y.astype(np.float32)


def _ringing(rate: int, hz: float, decay_s: float, n: int, phase: float = 0.0) -> Samples:
    """Sinusoid that falls by 1/e in ``decay_s``: (n,) float64. Zero at and above the Nyquist frequency."""
    if hz >= rate / 2:
        return np.zeros(n)
    step = 2j * np.pi * hz / rate - 1.0 / (decay_s * rate)
    coarse = np.exp(step * 256.0 * np.arange(-(-n // 256)) + 1j * phase)
    fine = np.exp(step * np.arange(256))
    return np.ascontiguousarray(np.multiply.outer(coarse, fine).ravel()[:n].imag)


def _noise(rate: int, n: int, low_hz: float, high_hz: float, rng: np.random.Generator) -> Samples:
    """Noise between two frequencies with soft edges: (n,) float64, RMS about 1."""
    size = 1 << max(1, (n - 1).bit_length())  # other lengths transform slowly
    hz = np.fft.rfftfreq(size, 1.0 / rate)
    shape = 1.0 / np.sqrt((1.0 + (low_hz / np.maximum(hz, 1.0)) ** 4) * (1.0 + (hz / high_hz) ** 4))
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * shape, size)[:n]
    return noise / max(1e-9, float(np.sqrt(np.mean(noise**2))))


def _fall(rate: int, n: int, decay_s: float) -> Samples:
    return np.exp(-np.arange(n) / (decay_s * rate))


def _swell(rate: int, n: int, attack_s: float, release_s: float) -> Samples:
    """Envelope of a held note: raised-cosine attack and release."""
    a, r = (min(n // 2, max(1, round(s * rate))) for s in (attack_s, release_s))
    envelope = np.ones(n)
    envelope[:a] = 0.5 - 0.5 * np.cos(np.pi * np.arange(a) / a)
    envelope[n - r :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(r) / r)
    return envelope


def _vibrato(rate: int, n: int, depth: float) -> Samples:
    """Time in samples as a player with vibrato feels it: (n,) float64; ``depth`` is relative to the pitch."""
    t = np.arange(n, dtype=np.float64)
    swing = depth * rate / (2 * np.pi * 5.3)
    # Vibrato sets in after the attack, as a player's does.
    return t + np.minimum(swing, t * (swing / (0.35 * rate))) * np.sin(t * (2 * np.pi * 5.3 / rate))


def _held(rate: int, hz: float, t: Samples, partials: Sequence[float]) -> Samples:
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
    table = np.fft.irfft(spectrum, size)
    return table[(t * (hz / rate * size)).astype(np.int64) & (size - 1)]


def _plucked(
    rate: int, hz: float, length_s: float, rng: np.random.Generator, *, bright: float, sustain: float
) -> Samples:
    """Karplus-Strong string.

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


def _piano(rate: int, hz: float, length_s: float, rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.5) * rate)
    tone = np.zeros(n)
    for k in range(1, 9):
        stretched = hz * k * np.sqrt(1.0 + 4e-4 * k * k)  # stiffness of the string
        tone += _ringing(rate, stretched, 1.3 / (0.6 + 0.4 * k), n, rng.uniform(0, 6.28)) / k**1.3
    released = _fall(rate, n, 0.12)
    hold = round(length_s * rate)
    tone[hold:] *= released[: n - hold]
    hammer = round(0.06 * rate)
    tone[:hammer] += 0.05 * _fall(rate, hammer, 0.01) * _noise(rate, hammer, 300, 3000, rng)
    return tone


def _electric_piano(rate: int, hz: float, length_s: float, _rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.1) * rate)
    t = np.arange(n) / rate
    bell = 1.4 * _fall(rate, n, 0.25) * np.sin(2 * np.pi * 2 * hz * t)
    return np.sin(2 * np.pi * hz * t + bell) * _fall(rate, n, 0.9) * _swell(rate, n, 0.002, 0.08)


def _strings(rate: int, hz: float, length_s: float, rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.35) * rate)
    partials = [1 / k**1.25 for k in range(1, 24)]
    t = _vibrato(rate, n, 0.007)
    section = np.zeros(n)
    for cents in (-7, -2, 4, 9):
        section += _held(rate, hz * 2 ** (cents / 1200), t + rng.uniform(0, 400), partials)
    return section * _swell(rate, n, 0.22, 0.35)


def _brass(rate: int, hz: float, length_s: float, _rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.06) * rate)
    t = _vibrato(rate, n, 0.004)
    dark = _held(rate, hz, t, [1, 0.5, 0.25, 0.1])
    bright = _held(rate, hz, t, [1, 0.9, 0.8, 0.65, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1])
    opening = _swell(rate, n, 0.07, 0.1) * (0.45 + 0.55 * _fall(rate, n, 0.4))
    return ((1 - opening) * dark + opening * bright) * _swell(rate, n, 0.03, 0.06)


def _voice(rate: int, hz: float, length_s: float, rng: np.random.Generator) -> Samples:
    """A sung vowel: partials weighted by three formants, and breath."""
    n = round((length_s + 0.08) * rate)
    formants = ((660, 90, 1.0), (1170, 110, 0.6), (2700, 160, 0.3))
    if rng.uniform() < 0.5:
        formants = ((430, 80, 1.0), (2000, 120, 0.5), (2800, 160, 0.3))
    partials = []
    for k in range(1, 40):
        weight = sum(gain / (1 + ((k * hz - centre) / width) ** 2) for centre, width, gain in formants)
        partials.append((0.06 + weight) / k**0.4)
    tone = _held(rate, hz, _vibrato(rate, n, 0.012), partials)
    tone = tone / np.abs(tone).max() + 0.03 * _noise(rate, n, 2500, 8000, rng)
    return tone * _swell(rate, n, 0.05, 0.08)


def _organ(rate: int, hz: float, length_s: float, _rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.02) * rate)
    drawbars = [1, 0.8, 0.6, 0.3, 0, 0.2, 0, 0.25]
    return _held(rate, hz, _vibrato(rate, n, 0.003), drawbars) * _swell(rate, n, 0.006, 0.02)


def _lead(rate: int, hz: float, length_s: float, _rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.05) * rate)
    square = [1 / k if k % 2 else 0.15 / k for k in range(1, 18)]
    tone = _held(rate, hz, _vibrato(rate, n, 0.006), square)
    return tone * _swell(rate, n, 0.008, 0.05) * (0.5 + 0.5 * _fall(rate, n, 0.3))


def _upright_bass(rate: int, hz: float, length_s: float, rng: np.random.Generator) -> Samples:
    string = _plucked(rate, hz, length_s + 0.1, rng, bright=0.1, sustain=0.985)
    return string + 0.5 * np.abs(string).max() * _ringing(rate, hz, 0.4, string.size)


def _electric_bass(rate: int, hz: float, length_s: float, _rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.03) * rate)
    t = np.arange(n, dtype=np.float64)
    dull, sharp = _held(rate, hz, t, [1, 0.4, 0.15]), _held(rate, hz, t, [1 / k for k in range(1, 14)])
    edge = _fall(rate, n, 0.09)
    return ((1 - edge) * dull + edge * sharp) * _swell(rate, n, 0.003, 0.03) * _fall(rate, n, 1.2)


def _sub_bass(rate: int, hz: float, length_s: float, _rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.05) * rate)
    tone = _held(rate, hz, np.arange(n, dtype=np.float64), [1, 0.08, 0.05])
    return np.tanh(1.5 * tone) * _swell(rate, n, 0.008, 0.06)


def _overdriven(rate: int, hz: float, length_s: float, rng: np.random.Generator, drive: float, damp: float) -> Samples:
    """Root, fifth and octave of a steel string into one overdriven valve and a loudspeaker."""
    n = round((length_s + 0.03) * rate)
    chord = np.zeros(n)
    for ratio in (1.0, 1.4983, 2.0):
        string = _plucked(rate, hz * ratio, n / rate, rng, bright=0.9, sustain=damp)[:n]
        chord[: string.size] += string
    size = 1 << n.bit_length()
    spectrum = np.fft.rfft(np.tanh(drive * chord), size)
    f = np.fft.rfftfreq(size, 1 / rate)
    spectrum /= np.sqrt((1.0 + (f / 4800.0) ** 8) * (1.0 + (75.0 / np.maximum(f, 1.0)) ** 4))
    return np.fft.irfft(spectrum, size)[:n] * _swell(rate, n, 0.002, 0.03)


def _kick(rate: int, sweep_hz: float, floor_hz: float, decay_s: float, click: float) -> Samples:
    n = round(5 * decay_s * rate)
    t = np.arange(n) / rate
    phase = 2 * np.pi * (floor_hz * t + (sweep_hz - floor_hz) * 0.02 * (1 - np.exp(-t / 0.02)))
    return np.sin(phase) * _fall(rate, n, decay_s) + click * _fall(rate, n, 0.002) * np.sin(2 * np.pi * 3000 * t)


def _drum(
    rate: int, rng: np.random.Generator, band: tuple[float, float], decay_s: float, tone_hz: float = 0
) -> Samples:
    """Noise in a band that dies away, over a skin where there is one."""
    n = round(5 * decay_s * rate)
    hit = _noise(rate, n, *band, rng) * _fall(rate, n, decay_s)
    return hit + (2.0 * _ringing(rate, tone_hz, 0.6 * decay_s, n) if tone_hz else 0.0)


def _clap(rate: int, rng: np.random.Generator) -> Samples:
    clap = _drum(rate, rng, (900, 3500), 0.06)
    for late_s in (0.011, 0.023):
        late = round(late_s * rate)
        clap[late:] += _drum(rate, rng, (900, 3500), 0.06)[: clap.size - late]
    return clap


def _cymbal(rate: int, rng: np.random.Generator, decay_s: float, low_hz: float, ping: float = 0.0) -> Samples:
    hit = _drum(rate, rng, (low_hz, 13000), decay_s)
    if ping:
        for hz in (3130, 4270, 5190, 6740):
            hit += ping * _ringing(rate, hz, 0.5 * decay_s, hit.size, rng.uniform(0, 6.28))
    return hit


INSTRUMENTS: dict[str, Callable[[int, float, float, np.random.Generator], Samples]] = {
    "piano": _piano,
    "electric_piano": _electric_piano,
    "strings": _strings,
    "brass": _brass,
    "voice": _voice,
    "organ": _organ,
    "lead": _lead,
    "nylon": lambda r, hz, s, g: _plucked(r, hz, s + 0.3, g, bright=0.5, sustain=0.996),
    "steel": lambda r, hz, s, g: _plucked(r, hz, s + 0.25, g, bright=1.0, sustain=0.998),
    "skank": lambda r, hz, s, g: _plucked(r, hz, min(s, 0.12), g, bright=0.8, sustain=0.97),
    "crunch": lambda r, hz, s, g: _overdriven(r, hz, s, g, 3.0, 0.998),
    "distorted": lambda r, hz, s, g: _overdriven(r, hz, s, g, 14.0, 0.999),
    "chug": lambda r, hz, s, g: _overdriven(r, hz, min(s, 0.14), g, 14.0, 0.975),
    "upright_bass": _upright_bass,
    "electric_bass": _electric_bass,
    "sub_bass": _sub_bass,
    "kick": lambda r, _hz, _s, _g: _kick(r, 150, 50, 0.09, 0.15),
    "kick_deep": lambda r, _hz, _s, _g: _kick(r, 130, 42, 0.16, 0.05),
    "kick_hard": lambda r, _hz, _s, _g: _kick(r, 220, 60, 0.045, 0.7),
    "snare": lambda r, _hz, _s, g: _drum(r, g, (900, 7000), 0.06, 190),
    "snare_hard": lambda r, _hz, _s, g: _drum(r, g, (700, 9000), 0.09, 210),
    "rim": lambda r, _hz, _s, g: _drum(r, g, (1500, 4000), 0.012, 820),
    "brush": lambda r, _hz, _s, g: _drum(r, g, (1500, 6000), 0.07),
    "clap": lambda r, _hz, _s, g: _clap(r, g),
    "hat": lambda r, _hz, _s, g: _cymbal(r, g, 0.018, 7000),
    "hat_open": lambda r, _hz, _s, g: _cymbal(r, g, 0.10, 6500),
    "shaker": lambda r, _hz, _s, g: _cymbal(r, g, 0.03, 5000),
    "ride": lambda r, _hz, _s, g: _cymbal(r, g, 0.16, 5000, 0.35),
    "crash": lambda r, _hz, _s, g: _cymbal(r, g, 0.45, 3000),
}
"""name → (sample_rate, pitch in Hz, length in s, generator) → samples."""
