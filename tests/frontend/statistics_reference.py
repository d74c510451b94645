"""What the values that remember should be, in double precision and without recursion where there is a closed form.

The kernels step from frame to frame; here each value is a weighted sum over all frames so far, and the
resonators are scipy's filters.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.signal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec

    Float64Array = NDArray[np.float64]


def weights(n: int, tau_s: float, hops_per_s: float) -> Float64Array:
    """Of each of the n values so far in an exponential mean that starts as a plain one: (n,), sum 1."""
    w = np.maximum(1.0 / np.arange(1, n + 1), 1.0 - np.exp(-1.0 / (tau_s * hops_per_s)))
    later = np.cumprod(1.0 - w[:0:-1])[::-1]
    return np.append(w[:-1] * later, w[-1])


def modulation_bank(level: Float64Array, spec: FrontendSpec) -> Float64Array:
    """Energies (n, n_groups, n_bands) of levels (n, n_groups) in dB, each corrected for how long it has rung."""
    rate = spec.hops_per_s
    mean = np.empty_like(level)
    kept = np.zeros(level.shape[1])
    for t, now in enumerate(level):
        w = max(1.0 / (t + 1), 1.0 - np.exp(-1.0 / (10.0 * rate)))
        kept = kept + w * (now - kept)
        mean[t] = kept
    x = level - mean
    energies = []
    for hz in np.geomspace(spec.modulation_min_hz, spec.modulation_max_hz, spec.n_modulation_bands):
        rho = np.exp(-np.pi * 0.45 * hz / rate)
        pole = rho * np.exp(2j * np.pi * hz / rate)
        z = scipy.signal.lfilter([np.sqrt(1.0 - rho**2)], [1.0, -pole], x.astype(complex), axis=0)
        share = 1.0 - rho ** (2.0 * np.arange(1, len(x) + 1))
        energies.append(np.abs(z) ** 2 / share[:, None])
    return np.stack(energies, axis=-1)


def groups(log_mel: Float64Array, n_groups: int) -> Float64Array:
    """Means over neighbouring mel bands: (n, n_mels) → (n, n_groups)."""
    edges = np.floor(np.linspace(0, log_mel.shape[1], n_groups + 1) + 0.5).astype(int)
    return np.stack([log_mel[:, a:b].mean(axis=1) for a, b in pairwise(edges)], axis=1)


def running(x: Float64Array, tau_s: float, rate: float, broken: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """Mean, spread and delta of every column of x (n, m) after its last row."""
    a = weights(len(x), tau_s, rate)
    mean = a @ x
    steps = np.delete(np.diff(x, axis=0), [t - 1 for t in broken], axis=0)
    square = weights(len(steps), tau_s, rate) @ steps**2 if len(steps) else np.zeros(x.shape[1])
    return mean, np.sqrt(a @ (x - mean) ** 2), np.sqrt(square)


def tonal(chroma: Float64Array, tau_s: float, rate: float, broken: tuple[int, ...]) -> list[Any]:
    """Of chroma (n, n_chroma): magnitudes by numpy's FFT over the sum; mean level; how much it moves."""
    mean, spread, delta = running(chroma, tau_s, rate, broken)
    wave = np.abs(np.fft.rfft(mean))
    return [wave[1:] / max(wave[0], 1e-30), [mean.mean(), spread.mean(), delta.mean()]]


def remembered(frames: Any, inside: Any, spec: FrontendSpec, broken: tuple[int, ...] = ()) -> Float64Array:
    """All values beyond the frame's own after the last of some frames.

    Args:
        frames: (n, n_frame_features) what the frontend says of each frame.
        inside: (n, n_mels + n_chroma) what lies behind them: log-mel in dB, beside it chroma.
        spec: what to compute.
        broken: frames that do not follow the one before.

    Returns:
        (n_features - n_frame_features,) float64.
    """
    x = np.asarray(frames, np.float64)
    log_mel, chroma = np.split(np.asarray(inside, np.float64), [spec.n_mels], axis=1)
    n, rate = len(x), spec.hops_per_s
    parts: list[Any] = []
    for tau in spec.running_s:
        parts += running(x, tau, rate, broken)[: 3 if spec.running_deltas else 2]
    names = spec.feature_names
    wanted = [f"mfcc_{i + 1}" for i in range(spec.n_correlated_mfcc)]
    if spec.correlate_contrast:
        wanted += [f"contrast_{i}" for i in range(spec.n_contrast_bands + 1)]
    y = x[:, [names.index(name) for name in wanted if name in names[: spec.n_frame_features]]]
    for tau in spec.correlation_s:
        a = weights(n, tau, rate)
        away = y - a @ y
        covariance = (a[:, None] * away).T @ away
        own = np.diag(covariance)
        correlation = covariance / np.sqrt(np.outer(own, own) + 1e-3)
        parts.append(correlation[np.tril_indices(y.shape[1], -1)])
    if spec.modulation_s:
        energies = modulation_bank(groups(log_mel, spec.n_modulation_groups), spec)
        parts += [np.log(np.tensordot(weights(n, tau, rate), energies, 1) + 0.3).ravel() for tau in spec.modulation_s]
    for tau in spec.tonal_s:
        parts += tonal(chroma, tau, rate, broken)
    if spec.age:
        heard = min(n, round(29.0 * rate))
        parts.append([np.log(heard / 40.0), 2.0 * min(1.0, 12.0 / heard) - 1.0])
    return np.concatenate(parts)
