"""What librosa says, hop by hop, with ``center=False``, ``top_db=None`` and a tuning of 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import librosa
import numpy as np

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
        "chroma": lambda: librosa.feature.chroma_stft(S=magnitude**2, n_fft=spec.n_fft, tuning=0.0, **rate),
        "centroid": lambda: librosa.feature.spectral_centroid(S=magnitude, **rate),
        "bandwidth": lambda: librosa.feature.spectral_bandwidth(S=magnitude, **rate),
        "rolloff": lambda: librosa.feature.spectral_rolloff(S=magnitude, roll_percent=spec.rolloff_fraction, **rate),
        "flux": lambda: librosa.onset.onset_strength(S=log_mel, center=False, **rate)[None],
        "zcr": lambda: librosa.feature.zero_crossing_rate(x, **framing),
        "rms": lambda: librosa.feature.rms(y=x.astype(np.float64), **framing),
    }
    return np.asarray(make[feature](), np.float64).T


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
