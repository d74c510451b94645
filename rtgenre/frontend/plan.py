"""A spec's constants, packed as the kernels read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.frontend import fft, kernels, tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.frontend.spec import Feature, FrontendSpec

RELATIVE_BANDWIDTH = 0.45  # of a modulation resonator: half-power bandwidth over centre
MODULATION_MEAN_S = 10.0  # time constant of the running mean that is taken off a mel group before its resonators
AGE_CAP_S = 29.0  # endless sound looks no older than this: models are trained on clips of 30 s

_OUT_SLOTS: dict[Feature, int] = {
    "mfcc": kernels.MFCC_OUT,
    "log_mel": kernels.LOG_MEL_OUT,
    "contrast": kernels.CONTRAST_OUT,
    "flatness": kernels.FLATNESS_OUT,
    "sustain": kernels.SUSTAIN_OUT,
    "chroma": kernels.CHROMA_OUT,
    "centroid": kernels.CENTROID_OUT,
    "bandwidth": kernels.BANDWIDTH_OUT,
    "rolloff": kernels.ROLLOFF_OUT,
    "flux": kernels.FLUX_OUT,
    "zcr": kernels.ZCR_OUT,
    "rms": kernels.RMS_OUT,
}


def aligned(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A copy that begins on a cache line (64 bytes): vectors then never straddle two, a tenth of the time."""
    room = np.zeros(values.size + 15, np.float32)
    start = -room.ctypes.data // 4 % 16
    room[start : start + values.size] = values
    return room[start : start + values.size]


@dataclass(frozen=True, slots=True)
class Plan:
    """Constants of one spec; never written after it is made.

    Attributes:
        fft: float32, read by ``hop_power``.
        weights: float32, read by ``frame_of_power``.
        layout: int32, read by ``frame_of_power``.
        memory_size: float32 values that a stream needs of its own.
        memory_kept: of these, the ones from here on are what the kernels remember from frame to frame.
        parseval: (n_bins,) float32; its scalar product with a power spectrum in the spec's scaling
            estimates the mean square of the samples.
    """

    fft: NDArray[np.float32]
    weights: NDArray[np.float32]
    layout: NDArray[np.int32]
    memory_size: int
    memory_kept: int
    parseval: NDArray[np.float32]


class _Slab:
    """Arrays joined end to end, each beginning at a multiple of 16 values."""

    def __init__(self, size: int = 0) -> None:
        self.size = size
        self.parts: list[NDArray[np.float32]] = []

    def reserve(self, size: int) -> int:
        at = self.size
        self.size += (size + 15) // 16 * 16
        return at

    def add(self, values: NDArray[np.float64]) -> int:
        at = self.reserve(values.size)
        part = np.zeros(self.size - at, np.float32)
        part[: values.size] = values.ravel()
        self.parts.append(part)
        return at


def _mel_rows(weights: NDArray[np.float64]) -> tuple[list[int], NDArray[np.float64]]:
    """Sparse rows: (first bin, number of weights, offset) of each band, and the weights in whole blocks."""
    rows: list[int] = []
    kept: list[NDArray[np.float64]] = []
    offset = 0
    for row in weights:
        used = np.flatnonzero(row)
        first, n_used = int(used[0]), int(used[-1] - used[0]) + 1
        n = -(-n_used // kernels.MEL_BLOCK) * kernels.MEL_BLOCK
        padded = np.zeros(n)
        padded[:n_used] = row[first : first + n_used]
        rows += [first, n, offset]
        kept.append(padded)
        offset += n
    return rows, np.concatenate(kept)


def make_plan(spec: FrontendSpec) -> Plan:
    """Compute every table of a spec (some milliseconds)."""
    window = tables.window_samples(spec.n_fft, periodic=spec.window == "hann")
    energy = float((window**2).sum())
    density = spec.scaling == "density"
    gain, end_gain = (1.0 / energy, 0.5) if density else (1.0, 1.0)
    # Σ|X|² over all n_fft bins is n_fft·Σ(w·x)², and Σ(w·x)² is about Σw² times the mean square.
    parseval = np.full(spec.n_bins, 2.0 / (spec.n_fft * energy * gain))
    parseval[[0, -1]] /= 2.0 * end_gain

    layout = np.zeros(kernels.LAYOUT_SIZE, np.int32)
    slab = _Slab()
    memory = _Slab(fft.work_offset(spec.n_fft))
    rows: list[int] = []
    layout[kernels.N_BINS] = spec.n_bins
    layout[kernels.N_FRAME] = spec.n_frame_features
    layout[kernels.MEAN_SQUARE_M] = fft.MEAN_SQUARE
    layout[kernels.CROSSINGS_M] = fft.ZERO_CROSSINGS
    layout[kernels.POWER_M] = fft.POWER
    layout[kernels.SCRATCH_M] = memory.reserve(fft.work_size(spec.n_fft))
    _place_features(spec, layout)

    layout[kernels.CONSTANTS_W] = slab.add(_constants(spec))

    n_mels = spec.n_mels if spec.uses_mel else 0
    n_bands = spec.n_contrast_bands + 1 if spec.uses_bands else 0
    if n_mels:
        mel_rows, mel = _mel_rows(tables.mel_weights(spec.sample_rate, spec.n_fft, n_mels, spec.fmin_hz, spec.fmax_hz))
        layout[kernels.N_MELS], layout[kernels.N_MFCC] = n_mels, spec.n_mfcc
        layout[kernels.MEL_W] = slab.add(mel)
        layout[kernels.DCT_W] = slab.add(tables.dct_rows(spec.n_mfcc, n_mels))
        layout[kernels.MEL_ROWS] = kernels.LAYOUT_SIZE + len(rows)
        rows += mel_rows
    if n_bands:
        layout[kernels.N_BANDS] = n_bands
        layout[kernels.BAND_ROWS] = kernels.LAYOUT_SIZE + len(rows)
        for band in tables.contrast_bands(
            spec.sample_rate, spec.n_fft, n_bands - 1, spec.contrast_fmin_hz, spec.contrast_quantile
        ):
            rows += band
    if spec.uses_chroma:
        layout[kernels.N_CHROMA] = spec.n_chroma
        layout[kernels.CHROMA_W] = slab.add(tables.chroma_weights(spec.sample_rate, spec.n_fft, spec.n_chroma))
        layout[kernels.CHROMA_M] = memory.reserve(spec.n_chroma * (1 + 3 * len(spec.tonal_s)))
    layout[kernels.EXTREMES_M] = memory.reserve(2 * n_bands)
    if spec.uses_filled:
        layout[kernels.FILLED_M] = memory.reserve(spec.n_bins)
    layout[kernels.LOG_MEL_M] = memory.reserve(n_mels)
    if spec.correlation_s:
        layout[kernels.CORRELATED_ROWS] = kernels.LAYOUT_SIZE + len(rows)
        rows += spec.correlated
    memory_kept = _place_statistics(spec, layout, slab, memory)

    return Plan(
        fft=aligned(fft.fft_tables(window, gain, end_gain)),
        weights=aligned(np.concatenate(slab.parts)),
        layout=np.concatenate([layout, np.array(rows, np.int32)]),
        memory_size=memory.size,
        memory_kept=memory_kept,
        parseval=parseval.astype(np.float32),
    )


def _place_features(spec: FrontendSpec, layout: NDArray[np.int32]) -> None:
    layout[list(_OUT_SLOTS.values())] = -1
    at = 0
    for feature, size in spec.block_sizes.items():
        layout[_OUT_SLOTS[feature]] = at
        at += size


def _constants(spec: FrontendSpec) -> NDArray[np.float64]:
    """Single numbers that the kernels read: floors, shares, scales."""
    constants = np.zeros(kernels.N_CONSTANTS)
    constants[kernels.BIN_HZ] = spec.sample_rate / spec.n_fft
    constants[kernels.LOG_FLOOR] = 10.0 ** (spec.log_floor_db / 10.0)
    constants[kernels.CONTRAST_FLOOR] = 10.0 ** (spec.contrast_floor_db / 10.0)
    constants[kernels.ROLLOFF] = spec.rolloff_fraction
    constants[kernels.AGE_CAP] = round(AGE_CAP_S * spec.hops_per_s)
    if spec.floor_below_db:
        constants[kernels.FLOOR_SHARE] = 10.0 ** (-spec.floor_below_db / 10.0)
        constants[kernels.LEVEL_ALPHA] = _weights_of(spec, (spec.floor_level_s,))[0]
    if spec.level_db:
        constants[kernels.LEVEL_TARGET] = 10.0 ** (spec.level_db / 10.0)
    constants[kernels.CONTRAST_CEILING] = spec.contrast_ceiling_db or np.inf
    return constants


def _mel_groups(n_mels: int, n_groups: int) -> NDArray[np.float64]:
    """Mean over neighbouring mel bands, in groups as equal as can be: (n_groups, n_mels)."""
    edges = [(2 * k * n_mels + n_groups) // (2 * n_groups) for k in range(n_groups + 1)]
    weights = np.zeros((n_groups, n_mels))
    for row, first, end in zip(weights, edges[:-1], edges[1:], strict=True):
        row[first:end] = 1.0 / (end - first)
    return weights


def _resonators(spec: FrontendSpec) -> NDArray[np.float64]:
    """Rows: real and imaginary part of each resonator's pole, its gain, and the energy that it loses in a hop."""
    radians = 2.0 * np.pi * np.array(spec.modulation_hz) / spec.hops_per_s
    log_decay = -0.5 * RELATIVE_BANDWIDTH * radians  # a one-pole resonator B Hz wide decays by exp(-π·B) a second
    loss = -np.expm1(2.0 * log_decay)
    decay = np.exp(log_decay)
    return np.stack([decay * np.cos(radians), decay * np.sin(radians), np.sqrt(loss), loss])


def _fourier_rows(n: int) -> NDArray[np.float64]:
    """Cosine and sine of 1, 2, … n/2 waves around a circle of n points: (2 * (n // 2), n), in turns."""
    turns = 2.0 * np.pi * np.outer(np.arange(1, n // 2 + 1), np.arange(n)) / n
    return np.stack([np.cos(turns), np.sin(turns)], axis=1).reshape(-1, n)


def _weights_of(spec: FrontendSpec, times_s: tuple[float, ...]) -> NDArray[np.float64]:
    """Weight of the newest frame in an exponential mean, for each time constant."""
    return -np.expm1(-1.0 / (spec.hops_per_s * np.array(times_s)))


def _place_statistics(spec: FrontendSpec, layout: NDArray[np.int32], slab: _Slab, memory: _Slab) -> int:
    """Constants, scratch and memory of everything that remembers; returns where in memory the latter begins."""
    n_frame, n_correlated = spec.n_frame_features, len(spec.correlated)
    n_groups, n_bands = spec.n_modulation_groups, spec.n_modulation_bands
    at = n_frame + spec.n_running
    if spec.correlation_s:
        layout[kernels.N_CORRELATED], layout[kernels.N_CORRELATIONS] = n_correlated, len(spec.correlation_s)
        layout[kernels.CORRELATION_W] = slab.add(_weights_of(spec, spec.correlation_s))
        layout[kernels.CORRELATION_OUT] = at
        layout[kernels.CORRELATED_M] = memory.reserve(3 * n_correlated)
    at += spec.n_correlations
    if spec.modulation_s:
        layout[kernels.N_GROUPS], layout[kernels.N_MODULATION_BANDS] = n_groups, n_bands
        layout[kernels.N_MODULATIONS] = len(spec.modulation_s)
        layout[kernels.GROUPS_W] = slab.add(_mel_groups(spec.n_mels, n_groups))
        layout[kernels.RESONATORS_W] = slab.add(np.tile(_resonators(spec), n_groups))
        layout[kernels.MODULATION_W] = slab.add(_weights_of(spec, (MODULATION_MEAN_S, *spec.modulation_s)))
        layout[kernels.MODULATION_OUT] = at
        layout[kernels.GROUPS_M] = memory.reserve(n_groups + 2 * n_groups * n_bands)
    at += spec.n_modulations
    if spec.tonal_s:
        layout[kernels.N_TONAL] = len(spec.tonal_s)
        layout[kernels.TONAL_W] = slab.add(_weights_of(spec, spec.tonal_s))
        layout[kernels.FOURIER_W] = slab.add(_fourier_rows(spec.n_chroma))
        layout[kernels.TONAL_OUT] = at
    at += spec.n_tonal
    layout[kernels.AGE_OUT] = at if spec.age else -1

    kept = memory.size
    layout[kernels.LEVEL_M] = memory.reserve(2)
    if spec.uses_filled:
        layout[kernels.BIN_LEVEL_M] = memory.reserve(2)
        layout[kernels.BINS_BEFORE_M] = memory.reserve(spec.n_bins)
    layout[kernels.BEFORE_M] = memory.reserve(spec.n_mels if spec.uses_mel else 0)
    if spec.running_s:
        layout[kernels.N_RUNNING] = len(spec.running_s)
        layout[kernels.N_KINDS] = 3 if spec.running_deltas else 2
        layout[kernels.RUNNING_W] = slab.add(_weights_of(spec, spec.running_s))
        layout[kernels.RUNNING_M] = memory.reserve(2 * len(spec.running_s) * n_frame)
        if spec.running_deltas:
            layout[kernels.DELTAS_M] = memory.reserve(1 + (1 + len(spec.running_s)) * n_frame)
    if spec.correlation_s:
        layout[kernels.CORRELATION_M] = memory.reserve(len(spec.correlation_s) * n_correlated * (1 + n_correlated))
    if spec.modulation_s:
        layout[kernels.MODULATION_M] = memory.reserve(n_groups + (3 + len(spec.modulation_s)) * n_groups * n_bands)
    if spec.tonal_s:
        layout[kernels.TONAL_M] = memory.reserve(2 * len(spec.tonal_s) * spec.n_chroma)
        layout[kernels.TONAL_DELTAS_M] = memory.reserve(1 + (1 + len(spec.tonal_s)) * spec.n_chroma)
    return kept
