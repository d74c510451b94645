"""How long one hop takes: ours against librosa and numpy's FFT in the same run, as JSON lines.

Times include everything a caller pays: copying the block into the buffer and both calls from Python.
Compare the ratios between machines, not the microseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
import warnings
from typing import TYPE_CHECKING, Any

import librosa
import numpy as np

from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend

if TYPE_CHECKING:
    from collections.abc import Callable


def quantiles(call: Callable[[int], object], n: int) -> dict[str, float]:
    """Run ``call(i)`` n times after a warm-up; p50, p95, p99 and max in microseconds."""
    for i in range(min(n, 200)):
        call(i)
    times = np.empty(n)
    clock = time.perf_counter_ns
    for i in range(n):
        start = clock()
        call(i)
        times[i] = clock() - start
    p50, p95, p99 = np.percentile(times, [50, 95, 99]) / 1000.0
    return {
        "p50_us": round(p50, 2),
        "p95_us": round(p95, 2),
        "p99_us": round(p99, 2),
        "max_us": round(times.max() / 1e3, 1),
    }


def ours(spec: FrontendSpec, x: Any, n: int) -> dict[str, Any]:
    start = time.perf_counter()
    frontend = Frontend(spec)
    was_compiled = frontend.compiled()
    frontend.warm()
    warm_s = time.perf_counter() - start
    state = frontend.init_state()
    out = np.empty(spec.n_features, np.float32)
    blocks = x[: len(x) // spec.hop * spec.hop].reshape(-1, spec.hop)
    frontend.feed(x[: spec.n_fft - spec.hop], state)

    def hop(i: int) -> None:
        frontend.feed(blocks[i % len(blocks)], state)
        if not frontend.next_frame(state, out):
            raise AssertionError("a hop of samples gave no frame")

    times = quantiles(hop, n)
    load = times["p50_us"] * 1e-6 * spec.hops_per_s
    return {**times, "load_of_one_core": round(load, 6), "warm_s": round(warm_s, 3), "was_compiled": was_compiled}


def librosa_hop(spec: FrontendSpec, x: Any) -> Callable[[int], object]:
    """The same features of one window, as a caller of librosa would write it."""
    rate = spec.sample_rate

    def hop(i: int) -> object:
        y = x[i * 100 % 20_000 :][: spec.n_fft]
        s = np.abs(librosa.stft(y, n_fft=spec.n_fft, hop_length=spec.hop, center=False))
        mel = librosa.feature.melspectrogram(S=s**2, sr=rate, n_mels=spec.n_mels, fmax=spec.fmax_hz)
        blocks = [
            librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), n_mfcc=spec.n_mfcc),
            librosa.feature.spectral_contrast(S=s, sr=rate, quantile=spec.contrast_quantile),
        ]
        if "chroma" in spec.features:
            blocks += [
                librosa.feature.chroma_stft(S=s**2, sr=rate, tuning=0.0),
                librosa.feature.spectral_centroid(S=s, sr=rate),
                librosa.feature.rms(y=y, frame_length=spec.n_fft, hop_length=spec.hop, center=False),
                librosa.feature.zero_crossing_rate(y, frame_length=spec.n_fft, hop_length=spec.hop, center=False),
            ]
        return np.vstack(blocks)

    return hop


def numpy_hop(spec: FrontendSpec, x: Any) -> Callable[[int], object]:
    """Nothing but window, FFT and power with numpy."""
    window = np.hanning(spec.n_fft).astype(np.float32)

    def hop(i: int) -> object:
        s = np.fft.rfft(x[i * 100 % 20_000 :][: spec.n_fft] * window)
        return s.real**2 + s.imag**2

    return hop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hops", type=int, default=20_000, help="hops of ours to time")
    parser.add_argument("--librosa-hops", type=int, default=100, help="hops of librosa to time; 0 leaves it out")
    arguments = parser.parse_args()
    x = (0.1 * np.random.default_rng(0).standard_normal(20 * 22050)).astype(np.float32)
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "numpy": np.__version__,
    }
    remembering = FrontendSpec(
        running_s=(2.5, 10.0, 40.0), running_deltas=True, correlation_s=(8.0,), modulation_s=(6.0,), age=True
    )
    specs = {"librosa-like": FrontendSpec.librosa_default(), "default": FrontendSpec(), "remembering": remembering}
    for name, spec in specs.items():
        base = {"benchmark": "frontend", "spec": name, "n_features": spec.n_features, "n_fft": spec.n_fft}
        mine = ours(spec, x, arguments.hops)
        print(json.dumps({**base, "what": "rtgenre", **mine, **machine}), flush=True)
        if spec is remembering:
            continue  # no rival keeps such a memory; the spectrum's are those of the default
        rivals = {"numpy FFT only": (numpy_hop(spec, x), arguments.hops // 4)}
        if arguments.librosa_hops:
            rivals["librosa, hop by hop"] = (librosa_hop(spec, x), arguments.librosa_hops)
        for rival, (hop, n) in rivals.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # librosa warns of empty or short input; not measured here
                theirs = quantiles(hop, n)
            ratio = round(theirs["p50_us"] / mine["p50_us"], 2)
            print(json.dumps({**base, "what": rival, **theirs, "times_ours_p50": ratio}), flush=True)


if __name__ == "__main__":
    main()
