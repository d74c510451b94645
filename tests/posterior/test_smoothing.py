import numpy as np
import pytest

from rtgenre.posterior.calibration import log_softmax
from rtgenre.posterior.smoothing import Smoother
from tests.contract import Stage, check_streaming, run

HOPS_PER_S = 22050 / 1920


def stage(smoother: Smoother) -> Stage:
    def step(rows, state):
        out = []
        for row in rows:
            y, state = smoother.step(row, state)
            out.append(y)
        return np.array(out), state

    def flush(state):
        return np.empty((0,)), state

    def offline(rows):
        return run(Stage(smoother.init_state, step, flush, lambda x: x, 1), [rows], smoother.init_state())

    return Stage(smoother.init_state, step, flush, offline, 1)


def log_posteriors(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([log_softmax(row, 1.0) for row in rng.normal(0, 3, (n, 10)).astype(np.float32)])


@pytest.mark.parametrize("onset_s", [0.0, 4.0])
def test_streaming_contract(onset_s: float) -> None:
    check_streaming(stage(Smoother(10, 6.0, HOPS_PER_S, onset_s)), log_posteriors(400))


def test_it_starts_as_a_plain_mean() -> None:
    smoother = Smoother(10, 6.0, HOPS_PER_S)
    rows = log_posteriors(5)
    got = run(stage(smoother), [rows], smoother.init_state())
    for n in range(1, 6):
        mean = rows[:n].mean(axis=0)
        expected = np.exp(mean) / np.exp(mean).sum()
        np.testing.assert_allclose(got[n - 1], expected, atol=1e-6)


def test_what_was_heard_first_weighs_little() -> None:
    smoother = Smoother(10, 60.0, HOPS_PER_S, onset_s=8 / HOPS_PER_S)
    rows = log_posteriors(12)
    got = run(stage(smoother), [rows], smoother.init_state())
    weights = np.minimum(np.arange(1, 13) / 8, 1.0) ** 3
    for n in range(1, 13):
        mean = np.average(rows[:n], axis=0, weights=weights[:n])
        expected = np.exp(mean) / np.exp(mean).sum()
        np.testing.assert_allclose(got[n - 1], expected, atol=1e-6)


@pytest.mark.parametrize("onset_s", [0.0, 4.0])
def test_its_time_constant_is_the_one_asked_for(onset_s: float) -> None:
    smoother = Smoother(2, 3.0, HOPS_PER_S, onset_s)
    state = smoother.init_state()
    before, after = np.log([0.9, 0.1]), np.log([0.1, 0.9])
    for _ in range(2000):
        smoother.step(before, state)
    n = 0
    while True:
        n += 1
        smoother.step(after, state)
        left = (state.mean[0] - after[0]) / (before[0] - after[0])
        if left <= np.exp(-1.0):
            break
    assert n / HOPS_PER_S == pytest.approx(3.0, abs=1.5 / HOPS_PER_S)


def test_an_hour_of_one_answer_stays_that_answer() -> None:
    smoother = Smoother(10, 6.0, HOPS_PER_S)
    state = smoother.init_state()
    row = log_posteriors(1)[0]
    first, _ = smoother.step(row, state)
    first = first.copy()
    for _ in range(int(3600 * HOPS_PER_S)):
        last, state = smoother.step(row, state)
    np.testing.assert_allclose(last, first, atol=1e-7)
