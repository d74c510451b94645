from __future__ import annotations

import numpy as np
import pytest

from rtgenre.frontend import fft
from tests import signals


@pytest.mark.parametrize("n_fft", [256, 512, 1024, 2048, 4096, 8192])
def test_power_is_that_of_a_double_precision_fft(n_fft: int) -> None:
    x = signals.noise(n_fft + 13, seed=n_fft)
    window = np.hanning(n_fft)
    memory = np.zeros(fft.work_offset(n_fft) + fft.work_size(n_fft), np.float32)
    fft.hop_power_kernel(n_fft)(x, 13, fft.fft_tables(window, 0.5, 0.25), memory)
    power = memory[fft.POWER : fft.POWER + n_fft // 2 + 1]
    expected = 0.5 * np.abs(np.fft.rfft(x[13:].astype(np.float64) * window)) ** 2
    expected[[0, -1]] *= 0.25
    # float32 rounding: some units of 6e-8 relative to the largest bin
    np.testing.assert_allclose(power, expected, atol=1e-6 * expected.max(), rtol=0)
    assert memory[fft.MEAN_SQUARE] == pytest.approx(np.mean(x[13:].astype(np.float64) ** 2), rel=1e-6)
    padding = memory[fft.POWER + n_fft // 2 + 1 : fft.work_offset(n_fft)]
    assert len(padding) >= fft.PADDING
    assert not padding.any()


@pytest.mark.parametrize("hz", [60.0, 440.0, 3000.0, 9000.0])
def test_a_loud_tone_leaves_the_other_bins_alone(hz: float) -> None:
    # Packing even and odd samples rounds at bin n_fft/2 - k what is loud at bin k: 140 dB below it.
    x = signals.tone(2048, hz, level=1.0)
    window = np.hanning(2048)
    memory = np.zeros(fft.work_offset(2048) + fft.work_size(2048), np.float32)
    fft.hop_power_kernel(2048)(x, 0, fft.fft_tables(window, 1.0, 1.0), memory)
    exact = np.abs(np.fft.rfft(x.astype(np.float64) * window))
    error = np.abs(np.sqrt(memory[fft.POWER : fft.POWER + 1025]) - exact)
    far = np.abs(np.arange(1025) - exact.argmax()) > 20
    assert error[far].max() <= 1.2e-7 * exact.max()
    assert np.median(error[far]) <= 1e-8 * exact.max()
