"""Clips of which only MFCCs are known, as spectra again.

The inverse of a truncated DCT is a smooth log-mel spectrum: an envelope. What the frontend makes of envelopes (MFCCs,
how they move and move together, the energies of a rhythm) is as good as that of the sound itself; what it makes of
peaks and valleys (contrast, flatness, chroma) is lost. ``survives`` finds out which is which, on clips whose spectra
are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rtgenre.frontend import tables
from rtgenre.frontend.stream import Frontend
from rtgenre.training.segments import frames_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.training.datasets.interface import DataSet

    FloatArray = NDArray[np.float32]
    BoolArray = NDArray[np.bool_]

_CLIPS = 107  # that are compared, spread over a data set
_SKIPPED, _HOPS = 40, 32  # of each; music may begin with silence
_READ_AT = (7, 15, 31)
_LEAST_CORRELATION, _MOST_SHIFT, _SPREADS = 0.85, 0.6, (0.6, 1.6)  # of what survives: still the same measure


def spectra_of(mfcc: FloatArray, spec: FrontendSpec) -> FloatArray:
    """Power spectra whose MFCCs these are, as smooth as there are.

    Args:
        mfcc: (n_frames, n_mfcc) in the units of the frontend's ``mfcc``.
        spec: the frontend.

    Returns:
        (n_frames, n_bins) float32.
    """
    weights = tables.mel_weights(spec.sample_rate, spec.n_fft, spec.n_mels, spec.fmin_hz, spec.fmax_hz)
    log_mel = mfcc @ tables.dct_rows(spec.n_mfcc, spec.n_mels)
    density = log_mel - 10.0 * np.log10(weights.sum(axis=1))
    hz = np.fft.rfftfreq(spec.n_fft, 1.0 / spec.sample_rate)
    centres = weights.argmax(axis=1) * spec.sample_rate / spec.n_fft
    between = np.stack([np.interp(hz, centres, row) for row in density])
    power: FloatArray = (10.0 ** (between / 10.0)).astype(np.float32)
    return power


def survives(music: DataSet, spec: FrontendSpec) -> BoolArray:
    """(n_features,) which features are about the same where only the MFCCs of a clip are known.

    Args:
        music: clips whose spectra are known.
        spec: the frontend.
    """
    frontend, known, again = Frontend(spec), [], []
    for clip in np.unique(np.linspace(0, len(music.names) - 1, _CLIPS).round().astype(np.int64)):
        power = music.power(int(clip), spec)
        begin = min(_SKIPPED, len(power) - _HOPS)
        if begin < 0:
            continue
        power = power[begin : begin + _HOPS]
        frames = frames_of(power, frontend)
        at = [hop for hop in _READ_AT if hop < len(frames)]
        known.append(frames[at])
        again.append(frames_of(spectra_of(frames[:, : spec.n_mfcc], spec), frontend)[at])
    if not known:
        return np.zeros(spec.n_features, np.bool_)
    one, other = (np.nan_to_num(np.concatenate(side)).astype(np.float64) for side in (known, again))
    spread, other_spread = (np.maximum(side.std(axis=0), 1e-6) for side in (one, other))
    shift = np.abs(other.mean(axis=0) - one.mean(axis=0)) / spread
    together = ((one - one.mean(axis=0)) * (other - other.mean(axis=0))).mean(axis=0) / (spread * other_spread)
    ratio = other_spread / spread
    low, high = _SPREADS
    alike: BoolArray = (together > _LEAST_CORRELATION) & (shift < _MOST_SHIFT) & (ratio > low) & (ratio < high)
    return alike
