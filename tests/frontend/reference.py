"""What librosa says, hop by hop, with ``center=False``, ``top_db=None`` and a tuning of 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import librosa
import numpy as np

from rtgenre.frontend import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec


def librosa_frames(x: NDArray[np.float32], spec: FrontendSpec, feature: str) -> NDArray[np.float64]:
    """One feature block: (n_frames, size) in double precision."""
    magnitude = np.abs(
        librosa.stft(x.astype(np.float64), n_fft=spec.n_fft, hop_length=spec.hop, window="hann", center=False)
    )
    rate: dict[str, Any] = {"sr": spec.sample_rate}
    mel = librosa.feature.melspectrogram(
        S=magnitude**2, n_mels=spec.n_mels, fmin=spec.fmin_hz, fmax=spec.fmax_hz, **rate
    )
    log_mel = librosa.power_to_db(mel, amin=1e-10, top_db=None)
    framing = {"frame_length": spec.n_fft, "hop_length": spec.hop, "center": False}
    make: dict[str, Callable[[], Any]] = {
        "log_mel": lambda: log_mel,
        "mfcc": lambda: librosa.feature.mfcc(S=log_mel, n_mfcc=spec.n_mfcc),
        "contrast": lambda: contrast(magnitude, spec),
        "flatness": lambda: flatness(magnitude**2, spec),
        "sustain": lambda: sustain(magnitude**2, spec),
        "chroma": lambda: librosa.feature.chroma_stft(S=magnitude**2, n_fft=spec.n_fft, tuning=0.0, **rate),
        "centroid": lambda: librosa.feature.spectral_centroid(S=magnitude, **rate),
        "bandwidth": lambda: librosa.feature.spectral_bandwidth(S=magnitude, **rate),
        "rolloff": lambda: librosa.feature.spectral_rolloff(S=magnitude, roll_percent=spec.rolloff_fraction, **rate),
        "flux": lambda: librosa.onset.onset_strength(S=log_mel, center=False, **rate)[None],
        "zcr": lambda: librosa.feature.zero_crossing_rate(x, **framing),
        "rms": lambda: librosa.feature.rms(y=x.astype(np.float64), **framing),
    }
    return np.asarray(make[feature](), np.float64).T


def bands(spec: FrontendSpec) -> tuple[tables.Band, ...]:
    """The octave bands, which ``test_tables`` holds against librosa's."""
    return tables.contrast_bands(
        spec.sample_rate, spec.n_fft, spec.n_contrast_bands, spec.contrast_fmin_hz, spec.contrast_quantile
    )


def flatness(power: NDArray[np.float64], spec: FrontendSpec) -> NDArray[np.float64]:
    """Librosa's flatness (with ``amin``) of each band, as dB above the geometric mean."""
    amin = 10.0 ** (spec.log_floor_db / 10.0)
    rows = [librosa.feature.spectral_flatness(S=power[b.start : b.stop], amin=amin, power=1.0) for b in bands(spec)]
    return -10.0 * np.log10(np.concatenate(rows))


def sustain(power: NDArray[np.float64], spec: FrontendSpec) -> NDArray[np.float64]:
    """What of each band's power, four bins together, is where it was a frame before; librosa has nothing like it."""
    filled = np.maximum(power, 10.0 ** (spec.log_floor_db / 10.0))
    rows = []
    for start, stop, _ in bands(spec):
        width = min(4, stop - start)
        n = (stop - start) // width
        pooled = filled[start : start + n * width].reshape(n, width, -1).sum(axis=1)
        now, before = pooled[:, 1:], pooled[:, :-1]
        kept = np.minimum(now, before).sum(axis=0) / np.maximum(now, before).sum(axis=0)
        rows.append(np.concatenate(([0.5], kept)))
    return np.stack(rows)


def contrast(magnitude: NDArray[np.float64], spec: FrontendSpec) -> NDArray[np.float64]:
    """Librosa's spectral contrast without its hidden ``top_db=80``, which looks at the whole clip.

    There is no argument for it, so ``power_to_db`` is replaced for the call.
    """
    module = librosa.feature.spectral
    original = module.power_to_db
    module.power_to_db = lambda s: original(s, amin=1e-10, top_db=None)
    try:
        return np.asarray(
            librosa.feature.spectral_contrast(
                S=magnitude,
                sr=spec.sample_rate,
                n_bands=spec.n_contrast_bands,
                fmin=spec.contrast_fmin_hz,
                quantile=spec.contrast_quantile,
            )
        )
    finally:
        module.power_to_db = original
