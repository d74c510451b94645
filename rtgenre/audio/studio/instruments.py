"""Notes and drum hits of the demo, each synthesised once and then remembered."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.audio.studio.waves import fall, held, noise, plucked, rest_at_ends, ringing, swell, vibrato

if TYPE_CHECKING:
    from collections.abc import Callable

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
            note = rest_at_ends(
                INSTRUMENTS[instrument](self._rate, pitch_hz(midi), length_ms / 1000.0, rng), self._rate
            )
            note.setflags(write=False)
            self._remembered[key] = note
        return note

    def forget(self) -> None:
        """Drop all notes but the drums; called between two pieces, so that memory stays bounded."""
        self._remembered = {key: note for key, note in self._remembered.items() if key[1] == DRUM}


def _piano(rate: int, hz: float, length_s: float, rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.5) * rate)
    tone = np.zeros(n)
    for k in range(1, 9):
        stretched = hz * k * np.sqrt(1.0 + 4e-4 * k * k)  # stiffness of the string
        tone += ringing(rate, stretched, 1.3 / (0.6 + 0.4 * k), n, rng.uniform(0, 6.28)) / k**1.3
    released = fall(rate, n, 0.12)
    hold = round(length_s * rate)
    tone[hold:] *= released[: n - hold]
    hammer = round(0.06 * rate)
    tone[:hammer] += 0.05 * fall(rate, hammer, 0.01) * noise(rate, hammer, 300, 3000, rng)
    return tone


def _electric_piano(rate: int, hz: float, length_s: float, _rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.1) * rate)
    t = np.arange(n) / rate
    bell = 1.4 * fall(rate, n, 0.25) * np.sin(2 * np.pi * 2 * hz * t)
    return fall(rate, n, 0.9) * swell(rate, n, 0.002, 0.08) * np.sin(2 * np.pi * hz * t + bell)


def _strings(rate: int, hz: float, length_s: float, rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.35) * rate)
    partials = [1 / k**1.25 for k in range(1, 24)]
    t = vibrato(rate, n, 0.007)
    section = np.zeros(n)
    for cents in (-7, -2, 4, 9):
        section += held(rate, hz * 2 ** (cents / 1200), t + rng.uniform(0, 400), partials)
    return section * swell(rate, n, 0.22, 0.35)


def _brass(rate: int, hz: float, length_s: float, _rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.06) * rate)
    t = vibrato(rate, n, 0.004)
    dark = held(rate, hz, t, [1, 0.5, 0.25, 0.1])
    bright = held(rate, hz, t, [1, 0.9, 0.8, 0.65, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1])
    opening = swell(rate, n, 0.07, 0.1) * (0.45 + 0.55 * fall(rate, n, 0.4))
    return ((1 - opening) * dark + opening * bright) * swell(rate, n, 0.03, 0.06)


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
    tone = held(rate, hz, vibrato(rate, n, 0.012), partials)
    tone = tone / float(np.abs(tone).max()) + 0.03 * noise(rate, n, 2500, 8000, rng)
    return tone * swell(rate, n, 0.05, 0.08)


def _organ(rate: int, hz: float, length_s: float, _rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.02) * rate)
    drawbars = [1, 0.8, 0.6, 0.3, 0, 0.2, 0, 0.25]
    return held(rate, hz, vibrato(rate, n, 0.003), drawbars) * swell(rate, n, 0.006, 0.02)


def _lead(rate: int, hz: float, length_s: float, _rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.05) * rate)
    square = [1 / k if k % 2 else 0.15 / k for k in range(1, 18)]
    tone = held(rate, hz, vibrato(rate, n, 0.006), square)
    return tone * swell(rate, n, 0.008, 0.05) * (0.5 + 0.5 * fall(rate, n, 0.3))


def _upright_bass(rate: int, hz: float, length_s: float, rng: np.random.Generator) -> Samples:
    string = plucked(rate, hz, length_s + 0.1, rng, bright=0.1, sustain=0.985)
    return string + 0.5 * float(np.abs(string).max()) * ringing(rate, hz, 0.4, string.size)


def _electric_bass(rate: int, hz: float, length_s: float, _rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.03) * rate)
    t = np.arange(n, dtype=np.float64)
    dull, sharp = held(rate, hz, t, [1, 0.4, 0.15]), held(rate, hz, t, [1 / k for k in range(1, 14)])
    edge = fall(rate, n, 0.09)
    return ((1 - edge) * dull + edge * sharp) * swell(rate, n, 0.003, 0.03) * fall(rate, n, 1.2)


def _sub_bass(rate: int, hz: float, length_s: float, _rng: np.random.Generator) -> Samples:
    n = round((length_s + 0.05) * rate)
    tone = held(rate, hz, np.arange(n, dtype=np.float64), [1, 0.08, 0.05])
    return swell(rate, n, 0.008, 0.06) * np.tanh(1.5 * tone)


def _overdriven(rate: int, hz: float, length_s: float, rng: np.random.Generator, drive: float, damp: float) -> Samples:
    """Root, fifth and octave of a steel string into one overdriven valve and a loudspeaker."""
    n = round((length_s + 0.03) * rate)
    chord = np.zeros(n)
    for ratio in (1.0, 1.4983, 2.0):
        string = plucked(rate, hz * ratio, n / rate, rng, bright=0.9, sustain=damp)[:n]
        chord[: string.size] += string
    size = 1 << n.bit_length()
    spectrum = np.fft.rfft(np.tanh(drive * chord), size)
    f = np.fft.rfftfreq(size, 1 / rate)
    spectrum /= np.sqrt((1.0 + (f / 4800.0) ** 8) * (1.0 + (75.0 / np.maximum(f, 1.0)) ** 4))
    return swell(rate, n, 0.002, 0.03) * np.fft.irfft(spectrum, size)[:n]


def _kick(rate: int, sweep_hz: float, floor_hz: float, decay_s: float, click: float) -> Samples:
    n = round(5 * decay_s * rate)
    t = np.arange(n) / rate
    phase = 2 * np.pi * (floor_hz * t + (sweep_hz - floor_hz) * 0.02 * (1 - np.exp(-t / 0.02)))
    return fall(rate, n, decay_s) * np.sin(phase) + click * fall(rate, n, 0.002) * np.sin(2 * np.pi * 3000 * t)


def _drum(
    rate: int, rng: np.random.Generator, band: tuple[float, float], decay_s: float, tone_hz: float = 0
) -> Samples:
    """Noise in a band that dies away, over a skin where there is one."""
    n = round(5 * decay_s * rate)
    hit = noise(rate, n, *band, rng) * fall(rate, n, decay_s)
    return hit + (2.0 * ringing(rate, tone_hz, 0.6 * decay_s, n) if tone_hz else 0.0)


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
            hit += ping * ringing(rate, hz, 0.5 * decay_s, hit.size, rng.uniform(0, 6.28))
    return hit


INSTRUMENTS: dict[str, Callable[[int, float, float, np.random.Generator], Samples]] = {
    "piano": _piano,
    "electric_piano": _electric_piano,
    "strings": _strings,
    "brass": _brass,
    "voice": _voice,
    "organ": _organ,
    "lead": _lead,
    "nylon": lambda r, hz, s, g: plucked(r, hz, s + 0.3, g, bright=0.5, sustain=0.996),
    "steel": lambda r, hz, s, g: plucked(r, hz, s + 0.25, g, bright=1.0, sustain=0.998),
    "skank": lambda r, hz, s, g: plucked(r, hz, min(s, 0.12), g, bright=0.8, sustain=0.97),
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
