"""Seeded synthetic signals: what tests listen to. Every one is float32 in [-1, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

SAMPLE_RATE = 22050


def noise(n: int, seed: int = 0, level: float = 0.1) -> FloatArray:
    """White Gaussian noise, clipped at full scale."""
    x = level * np.random.default_rng(seed).standard_normal(n)
    return np.clip(x, -1.0, 1.0).astype(np.float32)


def tone(n: int, hz: float = 440.0, level: float = 0.5, sample_rate: int = SAMPLE_RATE) -> FloatArray:
    """One sine."""
    return (level * np.sin(2 * np.pi * hz * np.arange(n) / sample_rate)).astype(np.float32)


def on_noise(x: FloatArray, seed: int = 0, level: float = 1e-3) -> FloatArray:
    """The noise floor of a microphone in a room (-60 dBFS) beneath a signal that has none.

    Without one there is nothing between the partials of a tone but what a float32 FFT rounds off, 140 dB
    below its peak: no value that two implementations could agree on.
    """
    return np.clip(x + noise(len(x), seed, level), -1.0, 1.0).astype(np.float32)


def square(n: int, hz: float = 110.0, level: float = 1.0, sample_rate: int = SAMPLE_RATE) -> FloatArray:
    """A square wave, full scale unless told."""
    phase = np.floor(2 * hz * np.arange(n) / sample_rate).astype(np.int64)
    return np.where(phase % 2 == 0, level, -level).astype(np.float32)


def chirp(n: int, from_hz: float = 50.0, to_hz: float = 10000.0, sample_rate: int = SAMPLE_RATE) -> FloatArray:
    """A logarithmic sweep."""
    t = np.arange(n) / sample_rate
    k = np.log(to_hz / from_hz) * sample_rate / n
    return (0.6 * np.sin(2 * np.pi * from_hz * np.expm1(k * t) / k)).astype(np.float32)


def music(n: int, seed: int = 0, sample_rate: int = SAMPLE_RATE) -> FloatArray:
    """Music-like: chords of decaying partials that change twice a second, a beat of noise, a bass."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / sample_rate
    x = np.zeros(n)
    beat = sample_rate // 2
    for start in range(0, n, beat):
        span = slice(start, min(n, start + beat))
        local = t[span] - t[start]
        root = 110.0 * 2.0 ** (rng.integers(0, 12) / 12)
        for ratio in (1.0, 1.25, 1.5):
            for partial in range(1, 9):
                x[span] += (
                    np.sin(2 * np.pi * root * ratio * partial * local + rng.uniform(0, 6.3))
                    * np.exp(-local * (2 + partial))
                    / partial
                )
        x[span] += 0.6 * np.sin(2 * np.pi * root / 2 * local)
        x[span] += rng.standard_normal(len(local)) * np.exp(-local * 40.0)
    x += 1e-3 * rng.standard_normal(n)
    return (0.7 * x / np.abs(x).max()).astype(np.float32)


def silence_edges(n: int, seed: int = 0) -> FloatArray:
    """Music between exact zeros: silence, onset, cut-off, silence."""
    x = music(n, seed)
    x[: n // 4] = 0.0
    x[-n // 4 :] = 0.0
    return x


def clipped(n: int, seed: int = 0) -> FloatArray:
    """Music driven far into full scale."""
    return np.clip(8.0 * music(n, seed), -1.0, 1.0).astype(np.float32)


def denormals(n: int, seed: int = 0) -> FloatArray:
    """Values below the smallest normal float32, as a decaying filter leaves them."""
    return (1e-40 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


VARIED: dict[str, Callable[[int], FloatArray]] = {
    "music": music,
    "noise": noise,
    "tone": lambda n: on_noise(tone(n)),
    "chirp": lambda n: on_noise(chirp(n)),
    "silence_edges": silence_edges,
    "clipped": clipped,
}
EXTREME: dict[str, Callable[[int], FloatArray]] = {
    "zeros": lambda n: np.zeros(n, np.float32),
    "square": square,
    "denormals": denormals,
    "full_scale_dc": lambda n: np.ones(n, np.float32),
    "impulse": lambda n: np.eye(1, n, n // 2, dtype=np.float32)[0],
}
