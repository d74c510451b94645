"""Several streams through one pipeline, stepped as one batch: each hears itself alone, and keeps the contract."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import pytest

from rtgenre.model.together import SharedRuntime
from tests import signals
from tests.contract import Stage, check_streaming
from tests.test_pipeline import CHECKPOINT, RATE, as_array, make

if TYPE_CHECKING:
    from rtgenre.pipeline import Pipeline, PipelineState
    from rtgenre.records import Posterior

# Of one sound make three, sample by sample.
SHAPES = (lambda x: x, lambda x: np.sign(x) * np.sqrt(np.abs(x)), lambda x: np.clip(x, -0.1, 0.1))
EAGER = {"cut_bias": 2.0, "change_adopt": 0.6, "change_window_s": 3.0, "not_music_enter": 0.3}


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return make(**EAGER)


@dataclass
class Together:
    states: list[PipelineState]

    def copy(self) -> Self:
        return type(self)([state.copy() for state in self.states])


def step_all(pipeline: Pipeline, blocks: list[np.ndarray], states: list[PipelineState]) -> list[list[Posterior]]:
    for block, state in zip(blocks, states, strict=True):
        pipeline.feed(block, state)
    answers: list[list[Posterior]] = [[] for _ in states]
    while any(hops := pipeline.next_hops(states)):
        for answer, hop in zip(answers, hops, strict=True):
            answer.extend([hop] if hop is not None else [])
    return answers


def test_streams_of_a_batch_keep_the_streaming_contract(pipeline: Pipeline) -> None:
    def init() -> Together:
        return Together([pipeline.init_state() for _ in SHAPES])

    def step(x: np.ndarray, state: Together) -> tuple[np.ndarray, Together]:
        answers = step_all(pipeline, [shape(x) for shape in SHAPES], state.states)
        rows = [as_array(hops) for hops in answers]
        return (np.concatenate(rows, axis=1) if rows[0].size else rows[0]), state

    def flush(state: Together) -> tuple[np.ndarray, Together]:
        return np.empty((0,)), state

    # Bit-equal: the compiled model computes the streams of a batch one after the other.
    stage = Stage(init, step, flush, lambda x: step(x, init())[0], CHECKPOINT.spec.hop)
    sound = signals.music(RATE * 6)
    loud = int(np.argmax(np.abs(sound) > 0.1))  # so that the three begin at the same sample
    check_streaming(stage, sound[loud:], steps=6000)


@pytest.mark.parametrize("shared", [False, True])
def test_each_stream_hears_what_it_would_hear_alone(shared: bool) -> None:
    """Different music, silences and onsets, so that hops of the streams lie at different places; gaps; a reset."""
    pipeline = make(**EAGER, change_every_s=0.2)
    if shared:
        pipeline.runtime = SharedRuntime(pipeline.runtime)
    quiet = np.zeros(RATE * 3, np.float32)
    sounds = [
        np.concatenate([signals.music(RATE * 4, seed=1), quiet, signals.music(RATE * 5, seed=2)]),
        np.concatenate([quiet[: RATE // 3], signals.music(RATE * 8, seed=3), signals.noise(RATE * 4)])[: RATE * 12],
        np.concatenate([signals.music(RATE * 12, seed=4)]),
    ]
    rng = np.random.default_rng(0)
    cuts = np.cumsum(rng.integers(1, 9000, 80))
    cuts = [0, *cuts[cuts < RATE * 12].tolist(), RATE * 12]
    spans = list(itertools.pairwise(cuts))

    def disturb(i: int, k: int, state: PipelineState) -> None:
        if i == 20 + k:
            pipeline.gap(1000 * (k + 1), state)
        if i == 30 and k == 1:
            pipeline.reset(state)

    alone: list[list[Posterior]] = [[] for _ in sounds]
    together: list[list[Posterior]] = [[] for _ in sounds]
    states, lone = ([pipeline.init_state() for _ in sounds] for _ in range(2))
    for i, (start, stop) in enumerate(spans):
        blocks = [sound[start:stop] for sound in sounds]
        for k in range(len(sounds)):
            disturb(i, k, states[k])
            disturb(i, k, lone[k])
            alone[k].extend(pipeline.step(blocks[k], lone[k])[0])
        for k, hops in enumerate(step_all(pipeline, blocks, states)):
            together[k].extend(hops)
    for one, other in zip(together, alone, strict=True):
        assert len(one) > 80
        np.testing.assert_array_equal(as_array(one), as_array(other))
        assert [hop.decision for hop in one] == [hop.decision for hop in other]
        assert [hop.track_start for hop in one] == [hop.track_start for hop in other]
    assert sum(hop.track_change for hops in together for hop in hops) > 6, "hardly a change of track was heard"
