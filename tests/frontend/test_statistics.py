"""Everything that remembers earlier frames: against a reference, over hours, over gaps, after forgetting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rtgenre.frontend import kernels
from rtgenre.frontend.plan import make_plan
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend
from tests import signals
from tests.frontend import statistics_reference as reference

FULL = FrontendSpec(
    running_s=(2.5, 10.0, 40.0),
    running_deltas=True,
    correlation_s=(8.0,),
    modulation_s=(6.0,),
    tonal_s=(2.5, 40.0),
    age=True,
)
SMALL = FrontendSpec(
    n_fft=256,
    hop=200,
    n_mels=20,
    n_mfcc=8,
    n_contrast_bands=4,
    running_s=(0.2, 4.0),
    running_deltas=True,
    correlation_s=(0.5, 3.0),
    n_correlated_mfcc=5,
    modulation_s=(1.0, 5.0),
    n_modulation_groups=3,
    n_modulation_bands=4,
    modulation_min_hz=0.5,
    modulation_max_hz=30.0,
    tonal_s=(0.3, 3.0),
    age=True,
)
SPECS = {
    "full": FULL,
    "small": SMALL,
    "contrast_first": replace(SMALL, features=("contrast", "rms", "mfcc", "flux")),
    "mfcc_correlated": replace(SMALL, correlate_contrast=False),
    "contrast_only": replace(SMALL, features=("contrast",), running_deltas=False),
    "modulation_only": replace(
        SMALL, features=("rms",), running_s=(), running_deltas=False, correlation_s=(), tonal_s=(), age=False
    ),
    "tonal_only": FrontendSpec(features=("rms",), running_s=(), tonal_s=(4.0,), n_chroma=24),
    "tonal_beside_chroma": replace(SMALL, features=("chroma", "mfcc"), correlate_contrast=False),
}


def inside(spec: FrontendSpec) -> FrontendSpec:
    """What lies behind the values that remember: log-mel beside chroma."""
    return FrontendSpec(
        n_fft=spec.n_fft,
        hop=spec.hop,
        n_mels=spec.n_mels,
        n_mfcc=spec.n_mfcc,
        n_chroma=spec.n_chroma,
        features=("log_mel", "chroma"),
        running_s=(),
    )


def assert_near(ours: Any, expected: Any, what: str) -> None:
    """float32 steps against float64 sums: ten times what was seen, 2e-6 of a value plus 10 (dB), after any time."""
    np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=2e-4, err_msg=what)
    assert np.median(np.abs(ours - expected)) < 5e-6, what


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("signal", ["music", "noise", "silence_edges", "clipped"])
def test_equal_to_the_reference(name: str, signal: str) -> None:
    spec = SPECS[name]
    x = signals.VARIED[signal](spec.n_fft + 400 * spec.hop)
    ours = Frontend(spec).offline(x)
    behind = Frontend(inside(spec)).offline(x)
    own = spec.n_frame_features
    for t in (0, 1, 2, 11, 120, 400):
        expected = reference.remembered(ours[: t + 1, :own], behind[: t + 1], spec)
        assert_near(ours[t, own:], expected, f"{signal}, frame {t}")


def powers(spec: FrontendSpec, n: int, seed: int = 0) -> Any:
    """Spectra of music whose level wanders: (n, n_bins)."""
    x = signals.music(spec.n_fft + 199 * spec.hop, seed)
    rng = np.random.default_rng(seed)
    levels = 10.0 ** (rng.normal(-1.0, 0.5, n)[:, None])
    return (Frontend(spec).spectra(x)[rng.integers(0, 200, n)] * levels).astype(np.float32)


def test_two_hours_drift_nowhere() -> None:
    hops = 82_688  # two hours at 11.48 a second
    spec = replace(
        SMALL, sample_rate=2297, fmax_hz=1100.0, contrast_fmin_hz=40.0, running_s=(2.5, 40.0), modulation_max_hz=5.5
    )
    spec = replace(spec, features=("mfcc", "contrast", "log_mel", "chroma"), n_mels=10)
    spec = replace(spec, correlation_s=(8.0,), modulation_s=(6.0,), tonal_s=(2.5, 40.0))
    assert spec.hops_per_s == pytest.approx(11.48, abs=0.01)
    frontend = Frontend(spec)
    state = frontend.init_state()
    frames = np.empty((hops, spec.n_features), np.float32)
    for t, power in enumerate(powers(spec, hops)):
        frames[t], state = frontend.step_power(power, state)
    own = spec.n_frame_features
    errors = []
    for t in (hops // 100, hops // 2, hops - 1):
        behind = frames[: t + 1, own - spec.n_mels - spec.n_chroma : own]
        expected = reference.remembered(frames[: t + 1, :own], behind, spec)
        assert_near(frames[t, own:], expected, f"frame {t}")
        errors.append(np.abs(frames[t, own:] - expected).max())
    assert errors[-1] < 4 * max(errors[0], 1e-4)
    assert np.isfinite(frames).all()


def test_a_gap_adds_no_step_and_keeps_the_rest() -> None:
    spectra = powers(SMALL, 60)
    plain = Frontend(inside(SMALL))
    frontend, state, plain_state = Frontend(SMALL), Frontend(SMALL).init_state(), plain.init_state()
    frames, behind = [], []
    broken = (1, 20, 21, 50)
    for t, power in enumerate(spectra):
        if t in broken:
            state = frontend.gap(777, state)
        frame, state = frontend.step_power(power, state)
        frames.append(frame)
        behind.append(plain.step_power(power, plain_state)[0])
        own = SMALL.n_frame_features
        so_far = tuple(b for b in broken if b <= t)
        expected = reference.remembered(np.array(frames)[:, :own], behind, SMALL, so_far)
        assert_near(frame[own:], expected, f"frame {t}")


@pytest.mark.parametrize("name", SPECS)
def test_forgetting_leaves_nothing(name: str) -> None:
    spec = SPECS[name]
    frontend = Frontend(spec)
    old, new = powers(spec, 200, seed=1), powers(spec, 30, seed=2)
    used, fresh = frontend.init_state(), frontend.init_state()
    for power in old:
        _, used = frontend.step_power(power, used)
    used = frontend.forget(used)
    for power in new:
        after, used = frontend.step_power(power, used)
        expected, fresh = frontend.step_power(power, fresh)
        assert after.tobytes() == expected.tobytes()


def test_age_tells_how_much_was_heard_and_stops() -> None:
    spec = FrontendSpec(features=("rms",), running_s=(), age=True)
    frames = Frontend(spec).offline(signals.noise(spec.n_fft + 600 * spec.hop))
    assert frames[0, 1:] == pytest.approx([np.log(1 / 40), 1.0])
    assert frames[11, 2] == 1.0
    assert frames[23, 1:] == pytest.approx([np.log(24 / 40), 0.0])
    assert (np.diff(frames[:333, 1]) > 0).all()
    assert (frames[332:, 1:] == frames[332, 1:]).all()  # 29 s are 333 hops
    assert spec.feature_names == ("rms", "age_log", "age_start")


@pytest.mark.parametrize("semitones", [1, 5, 7])
def test_tonal_values_are_the_same_in_every_key(semitones: int) -> None:
    # Chords of pure tones between 400 and 1600 Hz, where a bin is less than a semitone and the octave weight is flat.
    def played(transposed: int) -> Any:
        rng, hops = np.random.default_rng(3), 120
        t = np.arange(2048 + hops * 1920) / 22050
        sound = np.zeros_like(t)
        for root in rng.integers(0, 12, 12):
            for third in (0, 4, 7):
                begins = rng.uniform(0.0, t[-1])
                tone = 440.0 * 2 ** ((root + third + transposed) / 12)
                sound += 0.05 * np.sin(2 * np.pi * tone * t) * (np.abs(t - begins) < 2.0)
        return Frontend(spec).offline(sound.astype(np.float32))[-1]

    spec = FrontendSpec(features=("mfcc",), running_s=(), tonal_s=(10.0,))
    names = spec.feature_names[spec.n_mfcc :]
    assert names == tuple(f"tonal_10s_{name}" for name in (1, 2, 3, 4, 5, 6, "level", "spread", "delta"))
    here, there = played(0)[spec.n_mfcc :], played(semitones)[spec.n_mfcc :]
    np.testing.assert_allclose(there, here, atol=0.03)
    assert np.ptp(here[:6]) > 0.1


@pytest.mark.parametrize("spec", [FULL, SMALL, replace(SMALL, log_floor_db=0.0)], ids=["full", "small", "silence_is_0"])
def test_long_silence_leaves_no_denormal_numbers(spec: FrontendSpec) -> None:
    frontend = Frontend(spec)
    state = frontend.init_state()
    silence = np.zeros(spec.n_bins, np.float32)
    for power in [*(1e4 * powers(spec, 100)), *[silence] * 60_000]:
        frame, state = frontend.step_power(power, state)
    kept = np.abs(state.memory[make_plan(spec).memory_kept :])
    assert not ((kept > 0.0) & (kept < np.finfo(np.float32).tiny)).any()
    assert np.isfinite(frame).all()


VALUES = st.floats(-(2.0**12), 2.0**12, width=32)


@settings(deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(2, 6)), elements=VALUES))
def test_correlations_lie_within_one(x: Any) -> None:
    n = x.shape[1]
    statistics, out = np.zeros(n * (1 + n), np.float32), np.empty(n * (n - 1) // 2, np.float32)
    for t, row in enumerate(x):
        kernels.running_correlations(row, np.array([0.05], np.float32), t, np.empty(2 * n, np.float32), statistics, out)
        assert (np.abs(out) <= 1.0).all()
        assert (np.diag(statistics[n:].reshape(n, n)) >= 0.0).all()


def test_correlations_of_what_moves_together() -> None:
    x = np.random.default_rng(4).normal(-300.0, 5.0, 500).astype(np.float32)
    other = np.random.default_rng(5).normal(0.0, 5.0, 500).astype(np.float32)
    rows = np.stack([x, 3 * x + 7, -x, other, np.full(500, 2, np.float32)], axis=1)
    statistics, out = np.zeros(30, np.float32), np.empty(10, np.float32)
    for t, row in enumerate(rows):
        kernels.running_correlations(row, np.array([0.01], np.float32), t, np.empty(10, np.float32), statistics, out)
    same, against, against_too, *independent = out
    assert same == pytest.approx(1.0, abs=1e-4)
    assert (against, against_too) == pytest.approx((-1.0, -1.0), abs=1e-4)
    assert np.abs(independent[:3]).max() < 0.4
    assert (np.array(independent[3:]) == 0.0).all()  # what stands still goes with nothing


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 8), st.floats(0.9, 1.1), st.floats(0.0, 6.3), st.floats(1.0, 20.0))
def test_modulation_peaks_in_the_nearest_band(band: int, detuned: float, phase: float, depth_db: float) -> None:
    centres = np.array(FULL.modulation_hz)
    hz = min(centres[band] * detuned, 5.5)
    plan, n = make_plan(FULL), FULL.n_modulations
    level = -30.0 + depth_db * np.sin(2 * np.pi * hz * np.arange(400) / FULL.hops_per_s + phase)
    resonators = plan.weights[plan.layout[kernels.RESONATORS_W] :]
    alphas = plan.weights[plan.layout[kernels.MODULATION_W] :][:2]
    scratch, bank, out = np.empty(2 * n, np.float32), np.zeros(12 + 4 * n, np.float32), np.empty(n, np.float32)
    for t, now in enumerate(level):
        kernels.modulation_energies(np.full(12, now, np.float32), alphas, resonators, 9, t, scratch, bank, out)
    assert (out.reshape(12, 9).argmax(axis=1) == np.abs(np.log(centres / hz)).argmin()).all()


@pytest.mark.parametrize("band", [2, 4, 6, 8])
def test_modulation_of_sound_peaks_in_its_band(band: int) -> None:
    hz = FULL.modulation_hz[band]
    n = 30 * 22050
    swell_db = 10.0 * np.sin(2 * np.pi * hz * np.arange(n) / 22050)
    x = (signals.noise(n, level=0.05) * 10.0 ** (swell_db / 20)).astype(np.float32)
    last = Frontend(FULL).offline(x)[-1]
    energies = last[FULL.n_frame_features + FULL.n_running + FULL.n_correlations :][: FULL.n_modulations]
    assert (energies.reshape(12, 9)[2:].argmax(axis=1) == band).all()  # the lowest groups are few bins: they flicker
