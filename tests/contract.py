"""The streaming contract, checked in one place for every stage.

A stage keeps the contract when ``check_streaming`` passes for it. Wrap the stage in a ``Stage`` record:
one whose input is samples with ``sample_stage``, one whose input is frames with ``frame_stage``.
"""

from __future__ import annotations

import gc
import itertools
import sys
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


Array = Any  # NDArray of any dtype; the first axis is time
State = Any  # whatever the stage calls its state; it has copy()

PRIMES = (7, 127, 997, 4999)


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage as the contract sees it.

    Attributes:
        init: makes a complete fresh state.
        step: (n, ...) input of any length n >= 0 and a state → (k, ...) output and the state to keep.
        flush: ends the stream: remaining output and the retired state.
        offline: the whole input at once → the whole output.
        hop: inputs per output; splits near it are where framing goes wrong.
        atol: largest allowed difference between two ways of splitting; 0 asks for equal bits.
            Whoever passes more says why beside it.
    """

    init: Callable[[], State]
    step: Callable[[Array, State], tuple[Array, State]]
    flush: Callable[[State], tuple[Array, State]]
    offline: Callable[[Array], Array]
    hop: int
    atol: float = 0.0


def sample_stage(stage: Any, hop: int, atol: float = 0.0) -> Stage:
    """Wrap a stage whose ``step`` takes blocks of any length (frontend, resampler, conditioner)."""
    return Stage(stage.init_state, stage.step, stage.flush, stage.offline, hop, atol)


def frame_stage(stage: Any, batch: int = 1, atol: float = 0.0) -> Stage:
    """Wrap a stage whose ``step`` takes one frame at a time (model, smoother).

    The input of the checks is then (n_frames, ...), each row in the shape that ``step`` takes. A stage
    without an ``offline`` of its own gets init → step → flush; without a ``flush``, one that adds nothing.
    """

    def step(x: Array, state: State) -> tuple[Array, State]:
        rows = []
        for row in x:
            y, state = stage.step(row, state)
            rows.append(np.array(y, copy=True))
        return np.array(rows), state

    def flush(state: State) -> tuple[Array, State]:
        own = getattr(stage, "flush", None)
        tail = own(state) if own is not None else None
        # A frame stage has no tail; its flush may say so with nothing at all.
        return np.empty((0,)), tail[-1] if isinstance(tail, tuple) else state

    def offline(x: Array) -> Array:
        own = getattr(stage, "offline", None)
        if own is not None:
            return own(x)
        return step(x, stage.init_state(batch))[0]

    return Stage(lambda: stage.init_state(batch), step, flush, offline, 1, atol)


def run(stage: Stage, blocks: Iterable[Array], state: State, *, flush: bool = True) -> Array:
    """Stream blocks through a stage and join what comes out; only the returned state is kept."""
    outputs = []
    for block in blocks:
        y, state = stage.step(block, state)
        outputs.append(np.array(y, copy=True))  # a stage may reuse its output
    if flush:
        outputs.append(np.array(stage.flush(state)[0], copy=True))
    kept = [y for y in outputs if len(y)]
    return np.concatenate(kept) if kept else np.empty((0,))


def split(x: Array, sizes: int | Sequence[int]) -> list[Array]:
    """Cut an input into blocks of one size, or of the given sizes over and over."""
    cycle = itertools.cycle([sizes] if isinstance(sizes, int) else sizes)
    blocks, at = [], 0
    while at < len(x):
        size = next(cycle)
        blocks.append(x[at : at + size])
        at += size
    return blocks


def assert_same(a: Array, b: Array, atol: float, what: str) -> None:
    """Equal shape and, within ``atol`` (0: bit by bit), equal values."""
    assert a.shape == b.shape, f"{what}: {a.shape} against {b.shape}"
    if atol == 0.0:
        assert a.tobytes() == b.tobytes(), f"{what}: differ by up to {np.abs(a - b).max()}"
    else:
        np.testing.assert_allclose(a, b, rtol=0, atol=atol, err_msg=what)


def check_streaming(stage: Stage, x: Array, *, steps: int = 10_000, single: int = 20_000) -> None:
    """Assert every point of the streaming contract.

    Args:
        stage: the stage, wrapped.
        x: (n, ...) input, long enough for several outputs; varied, so that faults show.
        steps: steps over which allocations must not grow.
        single: at most this many inputs are fed one by one.
    """
    whole = stage.offline(x)
    assert len(whole) >= 3, "the input is too short to show anything"
    assert np.isfinite(whole).all()
    check_splits(stage, x, whole)
    check_splits(stage, x[:single], stage.offline(x[:single]), sizes=[1])
    check_two_runs(stage, x, whole)
    check_no_reset_differs(stage, x, whole)
    check_causal(stage, x)
    check_snapshot(stage, x)
    check_no_growth(stage, x, steps)


def check_splits(stage: Stage, x: Array, whole: Array, sizes: Sequence[int] | None = None) -> None:
    """Any way of cutting the input into blocks gives the offline result; so do empty blocks."""
    hop = stage.hop
    plans: list[int | list[int]] = (
        [*sizes] if sizes is not None else [max(1, hop - 1), hop, hop + 1, *PRIMES, len(x), [3, 0, hop, 1]]
    )
    if sizes is None:
        rng = np.random.default_rng(11)
        plans += [[*rng.integers(0, 3 * hop + 2, 50).tolist(), 1] for _ in range(3)]
    for plan in plans:
        y = run(stage, split(x, plan), stage.init())
        assert_same(y, whole, stage.atol, f"blocks of {plan}")


def check_two_runs(stage: Stage, x: Array, whole: Array) -> None:
    """A second run is equal, and two streams that share the stage do not hear each other."""
    assert_same(stage.offline(x), whole, 0.0, "second offline run")
    one, other = stage.init(), stage.init()
    ours = []
    for mine, theirs in zip(split(x, stage.hop), split(x[::-1], stage.hop), strict=True):
        y, one = stage.step(mine, one)
        ours.append(np.array(y, copy=True))
        _, other = stage.step(theirs, other)
    ours.append(np.array(stage.flush(one)[0], copy=True))
    y = np.concatenate([o for o in ours if len(o)])
    assert_same(y, whole, stage.atol, "interleaved with another stream")


def check_no_reset_differs(stage: Stage, x: Array, whole: Array) -> None:
    """Without a fresh state the second pass must differ: otherwise nothing is carried at all."""
    state = stage.init()
    _, state = stage.step(x, state)
    second = run(stage, [x], state)
    assert second.shape != whole.shape or not np.array_equal(second, whole), "no state is carried"


def check_causal(stage: Stage, x: Array) -> None:
    """What came out before input t is unchanged whatever follows from t on."""
    for t in sorted({len(x) // 3, len(x) // 2 + 1, len(x) - 2}):
        before = run(stage, [x[:t]], stage.init(), flush=False)
        changed = x.copy()
        changed[t:] = -0.5 * changed[t:] + 0.25
        after = run(stage, [changed], stage.init())
        assert_same(after[: len(before)], before, stage.atol, f"output before input {t}")


def check_snapshot(stage: Stage, x: Array) -> None:
    """A copy of the state continues bit-equal, and using one leaves the other alone."""
    for t in (len(x) // 4, len(x) // 2 + 1):
        _, state = stage.step(x[:t], stage.init())
        snapshot = state.copy()
        rest = split(x[t:], stage.hop + 1)
        first = run(stage, rest, state)
        assert_same(run(stage, rest, snapshot), first, 0.0, f"restored at input {t}")


def check_no_growth(stage: Stage, x: Array, steps: int) -> None:
    """Memory held does not grow with the number of steps: neither Python's objects nor numpy's arrays.

    Objects are counted by the interpreter's own allocator: tracemalloc does not see all that compiled code frees.
    """
    endless = itertools.cycle([b for b in split(x, stage.hop) if len(b) == stage.hop])
    state = stage.init()

    def walk(n: int, state: State) -> State:
        for block in itertools.islice(endless, n):
            _, state = stage.step(block, state)
        gc.collect()
        return state

    # Interpreter and libraries keep some hundreds of objects for themselves, fewer with every walk; what leaks is there
    # in each of them.
    stretch, grown = steps // 3, []
    for _ in range(5):
        objects = sys.getallocatedblocks()
        state = walk(stretch, state)
        grown.append(sys.getallocatedblocks() - objects)
        if grown[-1] <= stretch // 40:
            break
    assert min(grown) <= stretch // 40, f"{grown} objects more after {stretch} steps each"

    tracemalloc.start()
    try:
        state = walk(steps // 10, state)
        held = _array_bytes()
        state = walk(steps // 10, state)
        more = _array_bytes() - held
    finally:
        tracemalloc.stop()
    assert more <= 0, f"{more} bytes of arrays more after {steps // 10} steps"


def _array_bytes() -> int:
    arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([arrays]).traces)
