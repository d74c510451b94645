"""Each stage by itself, one hop at a time, on the demo's medley: a change of track costs more than noise."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.bench.music import music
from rtgenre.outputs import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rtgenre.pipeline import Pipeline

HOPS = 3000


def measure(pipeline: Pipeline) -> dict[str, NDArray[np.float64]]:
    """Microseconds of each stage, one value a hop.

    Args:
        pipeline: warm.

    Returns:
        ``frontend``, ``model``, ``pipeline`` (both and the policy), ``message`` (composed and encoded).
    """
    spec = pipeline.frontend.spec
    samples = music(spec.n_fft + spec.hop * HOPS, spec.sample_rate)
    blocks = [samples[: spec.n_fft], *np.split(samples[spec.n_fft :], HOPS)]
    frontend = pipeline.frontend.init_state()
    frame = np.empty((1, spec.n_features), np.float32)
    outputs = np.empty((1, pipeline.runtime.n_outputs), np.float32)
    model = pipeline.runtime.init_state()
    state = pipeline.init_state()
    composer = wire.Composer("", "bench", wire.ModelId("", ""), pipeline.runtime.labels, spec.sample_rate)
    posterior = pipeline.step(samples[: spec.n_fft], pipeline.init_state())[0][0]

    def one_frame(block: NDArray[np.float32]) -> None:
        pipeline.frontend.feed(block, frontend)
        pipeline.frontend.next_frame(frontend, frame[0])

    def one_message(_block: NDArray[np.float32]) -> None:
        now_ns = time.monotonic_ns()
        wire.publish(composer.compose(posterior, now_ns, now_ns, now_ns)[0])

    return {
        "frontend": _time(one_frame, blocks),
        "model": _time(lambda _: pipeline.runtime.step(frame, model, outputs), blocks),
        "pipeline": _time(lambda block: pipeline.step(block, state), blocks),
        "message": _time(one_message, blocks),
    }


def _time(stage: Callable[[NDArray[np.float32]], object], blocks: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    taken = np.empty(len(blocks))
    for k, block in enumerate(blocks):
        start = time.perf_counter_ns()
        stage(block)
        taken[k] = time.perf_counter_ns() - start
    return taken[1:] / 1e3
