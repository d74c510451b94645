"""What keeps loudness and a lossy coder's emptied bands out of the features: level, floor, contrast's ceiling."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import librosa
import numpy as np
import pytest

from rtgenre.errors import ConfigError
from rtgenre.frontend import kernels, tables
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend
from tests import signals
from tests.frontend.reference import bands
from tests.frontend.statistics_reference import weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    Float64Array = NDArray[np.float64]

FLOOR = FrontendSpec(features=("log_mel",), running_s=(), floor_below_db=45.0, floor_level_s=2.0, log_floor_db=-160.0)
LEVEL = replace(FLOOR, features=("log_mel", "mfcc", "contrast", "flatness"), level_db=-23.0, contrast_floor_db=-100.0)
CEILING = FrontendSpec(features=("contrast",), running_s=(), contrast_quantile=0.45, contrast_ceiling_db=14.0)


def powers(n: int = 120) -> FloatArray:
    """Spectra (n, n_bins) of music that fades by 100 dB, its bins above 3 kHz emptied in every other frame."""
    x = signals.music(FLOOR.n_fft + (n - 1) * FLOOR.hop)
    power = Frontend(FLOOR).spectra(x) * 10.0 ** np.linspace(0.0, -10.0, n)[:, None]
    power[::2, 280:] *= 1e-9
    return power.astype(np.float32)


def frames(spec: FrontendSpec, power: FloatArray) -> FloatArray:
    frontend = Frontend(spec)
    state = frontend.init_state()
    return np.stack([frontend.step_power(row, state)[0].copy() for row in power])


def mel(spec: FrontendSpec, power: FloatArray) -> Float64Array:
    rows = librosa.filters.mel(
        sr=spec.sample_rate,
        n_fft=spec.n_fft,
        n_mels=spec.n_mels,
        fmin=spec.fmin_hz,
        fmax=spec.fmax_hz,
        dtype=np.float64,
    )
    return power.astype(np.float64) @ rows.T


def floored(spec: FrontendSpec, power: FloatArray) -> Float64Array:
    """Log-mel spectra (n, n_mels): each level a weighted sum over all frames so far, in double precision."""
    bands = mel(spec, power)
    level = [
        weights(t + 1, spec.floor_level_s, spec.hops_per_s) @ bands[: t + 1].mean(axis=1) for t in range(len(bands))
    ]
    noise = np.array(level)[:, None] * 10.0 ** (-spec.floor_below_db / 10.0)
    return 10.0 * np.log10(np.maximum(bands + noise, 10.0 ** (spec.log_floor_db / 10.0)))


@pytest.mark.parametrize(("below_db", "level_s"), [(45.0, 2.0), (20.0, 0.2), (80.0, 30.0)])
def test_the_floor_is_a_share_of_the_running_level(below_db: float, level_s: float) -> None:
    spec, power = replace(FLOOR, floor_below_db=below_db, floor_level_s=level_s), powers()
    ours, bare = frames(spec, power), frames(replace(spec, floor_below_db=0.0), power)
    np.testing.assert_allclose(ours, floored(spec, power), rtol=0, atol=1e-4)  # dB; float32 around −100
    assert (ours >= bare).all()
    assert (ours - bare).max() > 10.0, "the floor was nowhere felt"
    assert (ours - bare)[1].min() < 0.05, "what is as loud as the level stays as it is"


def test_flatness_has_a_floor_below_the_running_level_of_all_bins() -> None:
    spec, power = replace(FLOOR, features=("flatness",)), powers()
    expected = []
    for t, row in enumerate(power.astype(np.float64)):
        level = weights(t + 1, spec.floor_level_s, spec.hops_per_s) @ power[: t + 1].astype(np.float64).mean(axis=1)
        filled = row + level * 10.0 ** (-spec.floor_below_db / 10.0)
        parts = [filled[b.start : b.stop] for b in bands(spec)]
        expected.append([10.0 * np.log10(part.mean()) - 10.0 * np.log10(part).mean() for part in parts])
    np.testing.assert_allclose(frames(spec, power), expected, rtol=0, atol=1e-3)  # dB


def test_without_a_floor_log_mel_is_bare() -> None:
    spec, power = replace(FLOOR, floor_below_db=0.0), powers()
    expected = 10.0 * np.log10(np.maximum(mel(spec, power), 1e-16))
    np.testing.assert_allclose(frames(spec, power), expected, rtol=0, atol=1e-4)


def test_it_does_not_matter_how_loud_the_music_comes_in() -> None:
    power = powers(40)
    loud, quiet = frames(FLOOR, power), frames(FLOOR, power * np.float32(1e-3))
    np.testing.assert_allclose(quiet + 30.0, loud, rtol=0, atol=1e-4)


def test_what_is_forgotten_leaves_no_floor() -> None:
    frontend, power = Frontend(FLOOR), powers(40)
    state = frontend.init_state()
    for row in power[:20]:
        frontend.step_power(row, state)
    state = frontend.forget(state)
    after = np.stack([frontend.step_power(row, state)[0].copy() for row in power[20:]])
    np.testing.assert_array_equal(after, frames(FLOOR, power[20:]))


def test_the_running_level_is_brought_to_a_target() -> None:
    power = powers(60)
    ours, left = frames(LEVEL, power), frames(replace(LEVEL, level_db=0.0), power)
    bands = mel(LEVEL, power).mean(axis=1)
    level = [weights(t + 1, LEVEL.floor_level_s, LEVEL.hops_per_s) @ bands[: t + 1] for t in range(len(bands))]
    gain_db = -23.0 - 10.0 * np.log10(level)
    assert np.ptp(gain_db) > 5.0, "the music was steady"
    expected = left[:, : LEVEL.n_mels] + gain_db[:, None]
    np.testing.assert_allclose(ours[:, : LEVEL.n_mels], expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("gain_db", [-40.0, -12.0, 12.0])
def test_with_a_target_no_feature_tells_how_loud_the_music_comes_in(gain_db: float) -> None:
    power = powers(40)
    there = frames(LEVEL, power * np.float32(10.0 ** (gain_db / 10.0)))
    np.testing.assert_allclose(there, frames(LEVEL, power), rtol=0, atol=1e-3)


def test_silence_is_not_made_louder_without_end() -> None:
    power = np.full((20, LEVEL.n_bins), 1e-14, np.float32)
    assert np.isfinite(frames(LEVEL, power)).all()
    assert (frames(LEVEL, power)[:, : LEVEL.n_mels] < -60.0).all()
    assert np.isfinite(frames(LEVEL, 0.0 * power)).all()


def test_a_target_needs_a_level_to_follow() -> None:
    with pytest.raises(ConfigError, match="floor_below_db"):
        FrontendSpec(level_db=-23.0)
    with pytest.raises(ConfigError, match="mel bands"):
        FrontendSpec(features=("contrast",), level_db=-23.0, floor_below_db=45.0)


def test_follow_level_by_itself() -> None:
    rng, level = np.random.default_rng(0), np.zeros(2, np.float32)
    heard = []
    for t in range(30):
        power = rng.exponential(size=7).astype(np.float32)
        heard.append(power.astype(np.float64).mean())
        raised = power.copy()
        kernels.follow_level(raised, np.float32(0.01), np.float32(0.2), np.float32(0.5), t, level)
        mean = 0.0
        for k, value in enumerate(heard):
            mean += max(1.0 / (k + 1), 0.2) * (value - mean)
        assert level[0] == pytest.approx(mean, rel=1e-6)
        np.testing.assert_allclose(raised, (power + 0.01 * mean) * 0.5 / mean, rtol=1e-6)
        assert level[1] == pytest.approx(0.5 / mean, rel=1e-6)


@pytest.mark.parametrize("ceiling_db", [14.0, 6.0, 0.0])
def test_contrast_ends_at_the_ceiling(ceiling_db: float) -> None:
    """A sort of each band's magnitudes; ``tables.contrast_bands`` is held against librosa's elsewhere."""
    spec, power = replace(CEILING, contrast_ceiling_db=ceiling_db), powers()
    magnitude, expected = np.sqrt(power.astype(np.float64)), []
    for start, stop, k in tables.contrast_bands(spec.sample_rate, spec.n_fft, spec.n_contrast_bands, 200.0, 0.45):
        ordered = np.sort(magnitude[:, start:stop], axis=1)
        extremes = np.stack((ordered[:, -k:].mean(axis=1), ordered[:, :k].mean(axis=1)))
        peak, valley = 10.0 * np.log10(np.maximum(extremes, 10.0 ** (spec.contrast_floor_db / 10.0)))
        expected.append(peak - valley)
    bare = np.stack(expected, axis=1)
    ours = frames(spec, power)
    np.testing.assert_allclose(ours, np.minimum(bare, ceiling_db or np.inf), rtol=0, atol=1e-4)
    over = bare > ceiling_db
    assert over.any(), "the ceiling was nowhere reached"
    assert ceiling_db == 0.0 or not over.all(), "nothing but the ceiling was compared"
