"""How long one step of the model takes: the compiled cell and torch, side by side in one run.

Writes one JSON line for each runtime and network, and one with the ratio of their medians.

    python benchmarks/model.py [--steps N] [--model FOLDER]
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.frontend.spec import FrontendSpec
from rtgenre.model import checkpoint as checkpoints
from rtgenre.model.checkpoint import Architecture, Checkpoint
from rtgenre.model.runtime import cuda_device_count, open_runtime

if TYPE_CHECKING:
    from rtgenre.model.interface import Runtime

ROOT = Path(__file__).parents[1]


def random_checkpoint(hidden: int, layers: int) -> Checkpoint:
    spec, rng = FrontendSpec(), np.random.default_rng(0)
    architecture = Architecture(hidden=hidden, layers=layers, input_clip=5.0)
    shapes = architecture.tensor_shapes(spec.n_features, 10)
    return Checkpoint(
        spec=spec,
        labels=tuple("abcdefghij"),
        mean=np.zeros(spec.n_features, np.float32),
        std=np.ones(spec.n_features, np.float32),
        tensors={name: (0.1 * rng.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()},
        architecture=architecture,
        temperature=1.0,
        id=f"random {layers}x{hidden}",
    )


def timed(runtime: Runtime, steps: int) -> tuple[float, np.ndarray]:
    """Seconds of the first step, and of each of the steps after it."""
    frames = np.random.default_rng(1).standard_normal((64, 1, runtime.n_features)).astype(np.float32)
    out, state = np.empty((1, len(runtime.labels)), np.float32), runtime.init_state()
    start = time.perf_counter()
    _, state = runtime.step(frames[0], state, out)
    first = time.perf_counter() - start
    taken = np.empty(steps)
    for i in range(-steps // 10, steps):  # the first tenth warms caches and clocks and is overwritten
        start = time.perf_counter()
        _, state = runtime.step(frames[i % 64], state, out)
        taken[i] = time.perf_counter() - start
    return first, taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "gtzan-lstm")
    arguments = parser.parse_args()
    machine = {"machine": platform.machine(), "system": platform.system(), "python": platform.python_version()}
    for model in (checkpoints.load(arguments.model), random_checkpoint(128, 2)):
        medians = {}
        for device in ("cpu", "torch", *(("cuda",) if cuda_device_count() else ())):
            runtime = open_runtime(model, device)
            first, taken = timed(runtime, arguments.steps if device == "cpu" else arguments.steps // 10)
            p50, p95, p99 = np.percentile(taken, (50, 95, 99)) * 1e6
            medians[device] = p50
            figures = {"p50_us": p50, "p95_us": p95, "p99_us": p99, "max_us": taken.max() * 1e6}
            line = {"benchmark": "model.step", "model": model.id, "device": runtime.device, "steps": len(taken)}
            rounded = {name: round(float(value), 2) for name, value in figures.items()}
            print(json.dumps({**line, **rounded, "first_step_ms": round(first * 1e3, 2), **machine}), flush=True)
        for device, p50 in medians.items():
            if device != "cpu":
                ratio = round(float(p50 / medians["cpu"]), 1)
                line = {"benchmark": "model.ratio", "model": model.id, "of": device, "to": "cpu", "p50_ratio": ratio}
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
