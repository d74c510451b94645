"""What flatness and sustain say of sounds whose answer is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend
from tests import signals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

SPEC = FrontendSpec(features=("flatness", "sustain"), running_s=(), floor_below_db=45.0)
BAND = 2  # 400 to 800 Hz
HOPS = 60


def tone(hz: float) -> FloatArray:
    t = np.arange(SPEC.n_fft + HOPS * SPEC.hop) / SPEC.sample_rate
    return (0.3 * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def heard(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Flatness and sustain, (n, 7) each, of all hops but the first."""
    frames = Frontend(SPEC).offline(x)[1:]
    return frames[:, :7], frames[:, 7:]


def test_a_held_tone_is_neither_flat_nor_moving() -> None:
    flatness, sustain = heard(tone(600.0))
    assert (flatness[:, BAND] > 20.0).all()
    assert (sustain[:, BAND] > 0.95).all()


def test_noise_is_flat_and_never_the_same_twice() -> None:
    flatness, sustain = heard(signals.noise(SPEC.n_fft + HOPS * SPEC.hop, seed=3))
    # A periodogram's bins are exponentially distributed: the mean over the geometric mean is e to Euler's constant.
    assert flatness[:, 4:].mean() == pytest.approx(10.0 * np.log10(np.e) * np.euler_gamma, abs=0.1)
    assert 0.4 < sustain[:, 4:].mean() < 0.7


def test_a_melody_is_less_sustained_than_its_notes() -> None:
    notes = [tone(hz)[: 6 * SPEC.hop] for hz in (450.0, 600.0, 750.0, 500.0, 700.0)]
    _, moving = heard(np.concatenate(notes))
    low = moving[:, BAND] < 0.5
    assert 4 <= low.sum() <= 8  # each of four changes lies in one or two hops


@pytest.mark.parametrize("gain_db", [-60.0, -20.0])
def test_neither_tells_how_loud_it_is(gain_db: float) -> None:
    x = signals.music(SPEC.n_fft + HOPS * SPEC.hop, seed=1)
    for here, there in zip(heard(x), heard(x * np.float32(10.0 ** (gain_db / 20.0))), strict=True):
        np.testing.assert_allclose(there, here, rtol=0, atol=2e-3)


def test_what_follows_nothing_is_half_sustained() -> None:
    frontend = Frontend(SPEC)
    state = frontend.init_state()
    frames, state = frontend.step(tone(600.0), state)
    assert (frames[0, 7:] == 0.5).all()
    state = frontend.gap(5000, state)
    frames, state = frontend.step(tone(600.0), state)
    assert (frames[0, 7:] == 0.5).all()
    assert frames[1, 7 + BAND] > 0.95
    frames, _ = frontend.step(tone(600.0), frontend.forget(state))
    assert (frames[0, 7:] == 0.5).all()


def test_silence_is_finite_flat_and_held() -> None:
    flatness, sustain = heard(np.zeros(SPEC.n_fft + HOPS * SPEC.hop, np.float32))
    assert np.allclose(flatness, 0.0, atol=1e-3)
    assert (sustain == 1.0).all()
