import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtgenre.posterior.calibration import log_softmax

logits = arrays(np.float32, 10, elements=st.floats(-1e4, 1e4, width=32))


@given(logits, st.floats(0.05, 20.0))
def test_it_is_a_log_posterior(values: np.ndarray, temperature: float) -> None:
    got = log_softmax(values, temperature)
    assert np.isfinite(got).all()
    assert np.exp(got).sum() == np.float64(1.0) or abs(np.exp(got).sum() - 1.0) < 1e-12


@given(logits)
def test_temperature_keeps_the_order_and_flattens(values: np.ndarray) -> None:
    cold, hot = log_softmax(values, 1.0), log_softmax(values, 4.0)
    best = values.argmax()
    assert cold[best] == cold.max()
    assert hot[best] == hot.max()
    assert hot.max() <= cold.max() + 1e-12
