"""Shares of bands: what a narrow channel takes away is made up for, and music as it is is left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rtgenre.errors import ConfigError
from rtgenre.frontend.kernels import LIFT_DB, LIFT_RISE_S
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend
from tests import signals
from tests.frontend.statistics_reference import weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    Float64Array = NDArray[np.float64]

LEAST = (-49, -36, -29, -29, -22, -20, -23, -24, -26, -26, -28, -32, -37, -43, -48, -53)
USUAL = (-22, -19, -14, -16, -14, -15, -16, -16, -17, -18, -18, -21, -23, -26, -30, -36)
SHARES = FrontendSpec(
    features=("log_mel", "contrast", "flatness"),
    contrast_quantile=0.45,
    contrast_ceiling_db=14.0,
    floor_below_db=45.0,
    level_db=-23.0,
    running_s=(2.5,),
    least_shares_db=LEAST,
    usual_shares_db=USUAL,
    least_shares_s=1.0,
)
AS_IT_COMES = replace(SHARES, least_shares_db=(), usual_shares_db=())
HZ = np.arange(SHARES.n_bins) * SHARES.sample_rate / SHARES.n_fft


def spectra(n: int = 60, *, low_hz: float = 0.0, high_hz: float = 1e9) -> FloatArray:
    """Spectra (n, n_bins) of music through a channel that falls by 24 dB an octave beyond its band."""
    x = signals.music(SHARES.n_fft + (n - 1) * SHARES.hop, seed=4)
    beyond = np.maximum(np.log2(max(low_hz, 1e-9) / np.maximum(HZ, 1.0)), 0.0)
    beyond += np.maximum(np.log2(np.maximum(HZ, 1.0) / high_hz), 0.0)
    return (Frontend(SHARES).spectra(x) * 10.0 ** (-2.4 * beyond)).astype(np.float32)


def frames(spec: FrontendSpec, power: FloatArray) -> FloatArray:
    frontend = Frontend(spec)
    state = frontend.init_state()
    return np.stack([frontend.step_power(row, state)[0].copy() for row in power])


def lifted(spec: FrontendSpec, power: FloatArray) -> Float64Array:
    """What the spectra should become, in double precision, from sums over all frames so far."""
    centre = np.round(np.array(spec.lifted_hz) * spec.n_fft / spec.sample_rate)
    band = np.searchsorted(np.array(spec.lifted_hz[:-1]) * 2**0.25, HZ, side="right")
    within = power.astype(np.float64) @ (band[:, None] == np.arange(len(centre)))
    rows = []
    for t in range(len(power)):
        level = weights(t + 1, spec.least_shares_s, spec.hops_per_s) @ within[: t + 1]
        share_db = 10.0 * np.log10(level / level.sum())
        lack_db = np.clip(np.array(LEAST) - share_db, 0.0, 20.0).sum()
        made_up = np.clip((lack_db - 15.0) / 25.0, 0.0, 1.0) * min(1.0, (t + 1) / (LIFT_RISE_S * spec.hops_per_s))
        gain_db = np.interp(np.arange(spec.n_bins), centre, made_up * np.clip(np.array(USUAL) - share_db, 0.0, LIFT_DB))
        rows.append(power[t] * 10.0 ** (gain_db / 10.0))
    return np.stack(rows)


@pytest.mark.parametrize("channel", [{"low_hz": 300.0, "high_hz": 6000.0}, {"high_hz": 400.0}, {"low_hz": 4000.0}])
def test_bands_that_lack_power_are_lifted_by_what_they_lack(channel: dict[str, float]) -> None:
    power = spectra(**channel)
    expected = lifted(SHARES, power)
    assert not np.allclose(expected, power)
    np.testing.assert_allclose(
        frames(SHARES, power), frames(AS_IT_COMES, expected.astype(np.float32)), rtol=1e-3, atol=0.01
    )


def test_a_narrow_channel_changes_less() -> None:
    whole, narrow = spectra(), spectra(low_hz=300.0, high_hz=6000.0)
    settled = slice(20, None)
    n = SHARES.n_mels
    with_shares = np.abs(frames(SHARES, whole) - frames(SHARES, narrow))[settled, :n].mean()
    without = np.abs(frames(AS_IT_COMES, whole) - frames(AS_IT_COMES, narrow))[settled, :n].mean()
    assert with_shares < 0.8 * without


def test_music_that_lacks_nothing_or_one_band_is_heard_as_it_comes() -> None:
    power = np.random.default_rng(2).exponential(1e-5, (60, SHARES.n_bins)).astype(np.float32)
    band = np.searchsorted(np.array(SHARES.lifted_hz[:-1]) * 2**0.25, HZ, side="right")
    power /= np.bincount(band)[band]  # the same power in every band
    np.testing.assert_array_equal(frames(SHARES, power), frames(AS_IT_COMES, power))
    power[:, band == len(USUAL) - 1] *= 10.0**-5.2  # no hi-hat: 11 dB less than music has at least
    np.testing.assert_array_equal(frames(SHARES, power), frames(AS_IT_COMES, power))


@pytest.mark.parametrize("gain_db", [-30.0, 20.0])
def test_loudness_does_not_matter(gain_db: float) -> None:
    power = spectra(low_hz=300.0, high_hz=6000.0)
    louder = power * np.float32(10.0 ** (gain_db / 10.0))
    np.testing.assert_allclose(frames(SHARES, louder), frames(SHARES, power), rtol=1e-3, atol=0.01)


@pytest.mark.parametrize("power", [np.zeros, np.ones], ids=["nothing", "noise"])
def test_nothing_is_made_of_nothing(power: Any) -> None:
    row = power(SHARES.n_bins).astype(np.float32)
    row[100:] = 0.0
    assert np.isfinite(frames(SHARES, np.stack([row] * 5))).all()


def test_what_is_heard_again_is_lifted_once() -> None:
    frontend, power = Frontend(SHARES), spectra(low_hz=300.0, high_hz=6000.0)
    state = frontend.init_state()
    rows, first = [], []
    for row in power:
        frame, state = frontend.step_power(row, state)
        first.append(frame.copy())
        rows.append(frontend.spectrum_row(state).copy())
    again, other = frontend.init_state(), np.empty(SHARES.n_features, np.float32)
    for row, frame in zip(rows, first, strict=True):
        frontend.hear_again(row, again, other)
        np.testing.assert_array_equal(other, frame)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"least_shares_db": (-20.0, 3.0), "usual_shares_db": (-10.0, -9.0)}, "from -120 to 0 dB"),
        ({"least_shares_db": (-20.0, -3.0), "usual_shares_db": (-10.0, 9.0)}, "usual_shares_db"),
        ({"least_shares_db": (-20.0, -3.0), "usual_shares_db": (-10.0,)}, "one for each"),
        ({"least_shares_db": (-20.0,) * 17, "usual_shares_db": (-10.0,) * 17}, "half the sample rate"),
        ({"least_shares_db": ("loud",)}, "numbers of dB"),
        ({"least_shares_db": (-20.0,), "usual_shares_db": (-10.0,), "least_shares_s": 0.0}, "from a hop"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError) as error:
        FrontendSpec(**change)
    assert word in str(error.value)
