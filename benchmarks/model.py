"""How long one step of the model takes: the compiled step and torch, side by side in one run.

Writes one JSON line for each runtime and network, and one with the ratio of their medians. Besides the shipped
model, two networks of random weights are timed: one of the recipe's sizes, and a small one.

    python benchmarks/model.py [--steps N] [--model FOLDER]
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from rtgenre.errors import CheckpointError
from rtgenre.model import checkpoint as checkpoints
from rtgenre.model.checkpoint import Checkpoint
from rtgenre.model.runtime import cuda_device_count, open_runtime
from rtgenre.training.recipe import ARCHITECTURE, SPEC

if TYPE_CHECKING:
    from rtgenre.model.architecture import Architecture
    from rtgenre.model.interface import Runtime

ROOT = Path(__file__).parents[1]

SMALL = msgspec.structs.replace(ARCHITECTURE, encoder_width=64, encoder_layers=3, encoder_head=128, trunk=128)


def random_checkpoint(name: str, architecture: Architecture) -> Checkpoint:
    rng = np.random.default_rng(0)
    shapes = architecture.tensor_shapes(SPEC.n_features, 10)
    return Checkpoint(
        spec=SPEC,
        labels=tuple("abcdefghij"),
        mean=np.zeros(SPEC.n_features, np.float32),
        std=np.ones(SPEC.n_features, np.float32),
        tensors={key: (0.05 * rng.standard_normal(shape)).astype(np.float32) for key, shape in shapes.items()},
        architecture=architecture,
        temperature=1.0,
        id=name,
    )


def models(shipped: Path) -> list[Checkpoint]:
    made = [random_checkpoint("random, shipped sizes", ARCHITECTURE), random_checkpoint("random, small", SMALL)]
    try:
        return [checkpoints.load(shipped), *made]
    except CheckpointError as error:
        print(f"not timed: {error.message}", file=sys.stderr)
        return made


def timed(runtime: Runtime, steps: int) -> tuple[float, np.ndarray]:
    """Seconds of the first step, and of each of the steps after it."""
    frames = np.random.default_rng(1).standard_normal((64, 1, runtime.n_features)).astype(np.float32)
    out, state = np.empty((1, runtime.n_outputs), np.float32), runtime.init_state()
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
    for model in models(arguments.model):
        weights = sum(tensor.size for tensor in model.tensors.values())
        medians = {}
        for device in ("cpu", "torch", *(("cuda",) if cuda_device_count() else ())):
            runtime = open_runtime(model, device)
            first, taken = timed(runtime, arguments.steps if device == "cpu" else arguments.steps // 10)
            p50, p95, p99 = np.percentile(taken, (50, 95, 99)) * 1e6
            medians[device] = p50
            figures = {"p50_us": p50, "p95_us": p95, "p99_us": p99, "max_us": taken.max() * 1e6}
            line = {"benchmark": "model.step", "model": model.id, "weights": weights, "device": runtime.device}
            line["steps"] = len(taken)
            rounded = {name: round(float(value), 2) for name, value in figures.items()}
            print(json.dumps({**line, **rounded, "first_step_ms": round(first * 1e3, 2), **machine}), flush=True)
        for device, p50 in medians.items():
            if device != "cpu":
                ratio = round(float(p50 / medians["cpu"]), 1)
                line = {"benchmark": "model.ratio", "model": model.id, "of": device, "to": "cpu", "p50_ratio": ratio}
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
