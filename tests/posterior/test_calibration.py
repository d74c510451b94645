import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtgenre.posterior.calibration import Calibration, log_softmax
from tests.model.small import checkpoint

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


@given(st.floats(-1e6, 1e6), st.floats(0.01, 100.0), st.floats(-100.0, 100.0))
def test_music_and_change_are_probabilities_whatever_the_logit(logit: float, scale: float, bias: float) -> None:
    calibration = Calibration(music_scale=scale, music_bias=bias, change_scale=scale, change_bias=bias)
    log_music = calibration.log_music(logit)
    assert np.isfinite(log_music).all()
    assert abs(np.exp(log_music).sum() - 1.0) < 1e-12
    assert abs(calibration.change(logit) - np.exp(log_music[0])) < 1e-12
    assert 0.0 <= calibration.change(logit) <= 1.0


def test_a_calibration_is_that_of_its_checkpoint() -> None:
    model = checkpoint()
    calibration = Calibration.of(model)
    assert calibration.temperature == model.temperature
    assert calibration.change(0.7) == 1.0 / (1.0 + np.exp(-(model.change_scale * 0.7 + model.change_bias)))
    odds = model.music_scale * 0.7 + model.music_bias
    np.testing.assert_allclose(calibration.log_music(0.7), -np.log1p(np.exp([-odds, odds])))
