from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgenre.errors import ConfigError
from rtgenre.frontend import kernels
from rtgenre.frontend.spec import FEATURES, FrontendSpec
from rtgenre.frontend.stream import Frontend
from tests import contract, signals

ALL = FrontendSpec.librosa_default(features=FEATURES, running_s=(1.0,))
REMEMBERING = FrontendSpec(
    running_s=(2.5, 10.0, 40.0), running_deltas=True, correlation_s=(8.0,), modulation_s=(6.0,), age=True
)
SPECS = {
    "default": FrontendSpec(),
    "remembering": REMEMBERING,
    "librosa": FrontendSpec.librosa_default(),
    "everything": ALL,
    "small": FrontendSpec(n_fft=256, hop=100, n_mels=20, n_mfcc=10, n_contrast_bands=4, running_s=(0.5,)),
    "hop_is_window": FrontendSpec(n_fft=1024, hop=1024, n_mels=40),
    "modulation_only": FrontendSpec(
        n_fft=512, hop=300, n_mels=30, features=("flux", "zcr"), running_s=(), modulation_s=(0.5, 3.0), age=True
    ),
}


@pytest.mark.parametrize("name", SPECS)
def test_streaming_contract(name: str) -> None:
    spec = SPECS[name]
    stage = contract.sample_stage(Frontend(spec), spec.hop)  # atol 0: equal bits
    contract.check_streaming(stage, signals.silence_edges(9 * spec.hop + spec.n_fft), single=3 * spec.n_fft)


FRONTEND = Frontend(FrontendSpec.librosa_default(features=("mfcc", "contrast", "flux", "zcr")))
MUSIC = signals.music(22050)
WHOLE = FRONTEND.offline(MUSIC)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 6000), min_size=1, max_size=30))
def test_any_split_is_bit_equal(sizes: list[int]) -> None:
    blocks = contract.split(MUSIC, [*sizes, 1 + sizes[0]])
    state = FRONTEND.init_state()
    assert contract.run(contract.sample_stage(FRONTEND, 512), blocks, state).tobytes() == WHOLE.tobytes()


@pytest.mark.parametrize("name", signals.EXTREME)
@pytest.mark.parametrize("spec", [ALL, REMEMBERING, SPECS["default"]], ids=["everything", "remembering", "default"])
def test_extreme_signals_stay_finite(name: str, spec: FrontendSpec) -> None:
    frames = Frontend(spec).offline(signals.EXTREME[name](3 * 22050))
    assert np.isfinite(frames).all()
    assert np.abs(frames).max() < 20_000.0


def test_next_frame_is_step() -> None:
    frontend = Frontend(ALL)
    x = signals.music(20_000)
    state = frontend.init_state()
    out = np.empty(ALL.n_features, np.float32)
    frames = []
    for block in contract.split(x, 700):
        frontend.feed(block, state)
        while frontend.next_frame(state, out):
            frames.append(out.copy())
            assert state.hop == len(frames) - 1
            assert state.end_sample == ALL.n_fft + (len(frames) - 1) * ALL.hop
            window = x[state.end_sample - ALL.n_fft : state.end_sample]
            assert state.level_power == pytest.approx(np.mean(window.astype(np.float64) ** 2), rel=1e-5)
    assert np.array(frames).tobytes() == frontend.offline(x).tobytes()


def test_buffer_grows_only_for_a_longer_block() -> None:
    frontend = Frontend(SPECS["default"])
    state = frontend.init_state()
    out = np.empty(frontend.spec.n_features, np.float32)
    sizes = set()
    for _ in range(50):
        frontend.feed(signals.noise(30_000), state)
        while frontend.next_frame(state, out):
            pass
        sizes.add(state.samples.size)
    assert len(sizes) == 1
    _, state = frontend.step(signals.noise(1_000_000), frontend.init_state())
    assert state.samples.size <= 32_768


def power_of(x: Any, spec: FrontendSpec) -> Any:
    """The power spectrum of each hop, in double precision and the spec's scaling."""
    window = np.hanning(spec.n_fft) if spec.window == "hanning" else np.hanning(spec.n_fft + 1)[:-1]
    hops = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), spec.n_fft)[:: spec.hop]
    power = np.abs(np.fft.rfft(hops * window)) ** 2
    if spec.scaling == "density":
        power /= (window**2).sum()
        power[:, [0, -1]] /= 2
    return power.astype(np.float32)


@pytest.mark.parametrize("signal", ["music", "noise", "clipped"])
@pytest.mark.parametrize("make", [FrontendSpec, FrontendSpec.librosa_default])
def test_from_power_is_from_samples(make: Any, signal: str) -> None:
    spec = make(features=tuple(f for f in FEATURES if f not in ("zcr", "rms")), running_s=(1.0, 5.0))
    frontend = Frontend(spec)
    x = signals.VARIED[signal](4 * 22050)
    state = frontend.init_state()
    frames = []
    for power in power_of(x, spec):
        frame, state = frontend.step_power(power, state)
        frames.append(frame)
    expected = frontend.offline(x)
    # The spectrum was rounded to float32 once more, nothing else differs.
    np.testing.assert_allclose(frames, expected, rtol=1e-4, atol=0.03)
    assert np.median(np.abs(np.array(frames) - expected)) < 1e-4
    assert state.end_sample == spec.n_fft + (len(expected) - 1) * spec.hop


@pytest.mark.parametrize("signal", ["music", "silence_edges"])
@pytest.mark.parametrize("make", [FrontendSpec, FrontendSpec.librosa_default])
def test_from_its_own_spectra_is_bit_equal(make: Any, signal: str) -> None:
    spec = make(
        features=tuple(f for f in FEATURES if f not in ("zcr", "rms")),
        running_s=(1.0, 5.0),
        running_deltas=True,
        correlation_s=(4.0,),
        modulation_s=(4.0,),
    )
    frontend = Frontend(spec)
    x = signals.music(3 * 22050) if signal == "music" else signals.silence_edges(3 * 22050)
    state = frontend.init_state()
    frames = []
    for power in frontend.spectra(x):
        frame, state = frontend.step_power(power, state)
        frames.append(frame)
    assert np.array(frames).tobytes() == frontend.offline(x).tobytes()


def test_spectra_take_any_memory_and_refuse_other_types() -> None:
    frontend = Frontend(FrontendSpec())
    x = signals.music(10_000)
    frozen = x.copy()
    frozen.flags.writeable = False
    for same in (frozen, np.stack((x, x), axis=1)[:, 0]):
        assert frontend.spectra(same).tobytes() == frontend.spectra(x).tobytes()
    assert frontend.spectra(x[:2047]).shape == (0, 1025)
    assert frontend.spectra(x[:2048]).shape == (1, 1025)
    with pytest.raises(TypeError, match="float64"):
        frontend.spectra(x.astype(np.float64))


@pytest.mark.parametrize("make", [FrontendSpec, FrontendSpec.librosa_default])
def test_level_from_power(make: Any) -> None:
    frontend = Frontend(make(features=("rms",), running_s=()))
    x = signals.noise(20 * 22050, level=0.1)
    state = frontend.init_state()
    powers = []
    for power in power_of(x, frontend.spec):
        _, state = frontend.step_power(power, state)
        powers.append(state.level_power)
    assert np.mean(powers) == pytest.approx(0.01, rel=0.03)  # an estimate from 20 s of noise


def test_no_zero_crossing_rate_from_power() -> None:
    frontend = Frontend(ALL)
    with pytest.raises(ConfigError, match="zero-crossing"):
        frontend.step_power(np.zeros(1025, np.float32), frontend.init_state())


def test_a_gap_is_told_and_never_spanned() -> None:
    spec = FrontendSpec.librosa_default(features=("mfcc", "flux"), running_s=(1.0,))
    frontend = Frontend(spec)
    x = signals.music(40_000)
    out = np.empty(spec.n_features, np.float32)
    before, state = frontend.step(x[:10_000], frontend.init_state())
    hop_before, heard = state.hop, state.heard
    waiting = 10_000 - len(before) * 512
    state = frontend.gap(5_000, state)
    assert state.discarded_samples == waiting - (2048 - 512)
    assert frontend.step(x[:2047], state.copy())[0].shape == (0, spec.n_features)
    frontend.feed(x[20_000:30_000], state)
    assert frontend.next_frame(state, out)
    assert state.gap_samples == 5_000
    assert state.end_sample == 10_000 + 5_000 + 2048
    assert state.hop == 15_000 // 512 > hop_before + 1
    assert state.heard == heard + 1
    fresh = frontend.offline(x[20_000 : 20_000 + 2048])[0]
    assert out[:20].tobytes() == fresh[:20].tobytes()
    assert out[20] == 0.0  # flux: nothing directly before
    assert not np.allclose(out[21:], fresh[21:])  # running statistics go on
    assert frontend.next_frame(state, out)
    assert state.gap_samples == 0
    assert state.lost_samples == 5_000


def test_gaps_add_up() -> None:
    frontend = Frontend(SPECS["default"])
    state = frontend.gap(0, frontend.init_state())
    assert state.position == state.pending_gap == 0
    state = frontend.gap(30, frontend.gap(70, state))
    _, state = frontend.step(signals.noise(2048), state)
    assert (state.gap_samples, state.end_sample) == (100, 2148)
    with pytest.raises(ValueError, match="negative"):
        frontend.gap(-1, state)


def test_flush_counts_the_tail_and_retires() -> None:
    frontend = Frontend(SPECS["default"])
    frames, state = frontend.step(signals.noise(2048 + 1000), frontend.init_state())
    tail, state = frontend.flush(state)
    assert frames.shape == (1, 135)
    assert tail.shape == (0, 135)
    assert state.discarded_samples == 1000
    with pytest.raises(ValueError, match="flushed"):
        frontend.feed(signals.noise(10), state)


def test_refuses_what_is_not_a_block() -> None:
    frontend = Frontend(SPECS["default"])
    state = frontend.init_state()
    for bad in (np.zeros(10), np.zeros((10, 2), np.float32), np.zeros(10, np.int16)):
        with pytest.raises(TypeError, match="float32"):
            frontend.step(bad, state)
    with pytest.raises(ValueError, match="1025"):
        frontend.step_power(np.zeros(1024, np.float32), state)
    with pytest.raises(ConfigError, match="batch"):
        frontend.init_state(batch=2)


def test_blocks_may_be_strided() -> None:
    stereo = signals.noise(40_000).reshape(-1, 2)
    frontend = Frontend(SPECS["default"])
    assert frontend.offline(stereo[:, 1]).tobytes() == frontend.offline(stereo[:, 1].copy()).tobytes()


def test_states_know_their_fields() -> None:
    state = Frontend(SPECS["default"]).init_state()
    _, state = Frontend(SPECS["default"]).step(signals.noise(9000), state)
    copy = state.copy()
    for name in type(state).__slots__:
        a, b = getattr(state, name), getattr(copy, name)
        assert np.array_equal(a, b), name
        if isinstance(a, np.ndarray):
            assert a is not b


def test_properties() -> None:
    frontend = Frontend(SPECS["default"])
    assert frontend.latency_samples == 0
    assert frontend.receptive_field == 2048


def test_warm_makes_compiled_true() -> None:
    frontend = Frontend(SPECS["default"])
    frontend.warm()
    assert frontend.compiled()


def test_one_compiled_kernel_serves_every_spec() -> None:
    # ``compiled`` asks for the window length only; so whatever else a spec wants must not need a compiler.
    Frontend(SPECS["default"]).warm()
    Frontend(REMEMBERING).warm()
    assert len(kernels.frame_of_power.signatures) == 1
    assert Frontend(REMEMBERING).compiled()


def test_forgetting_leaves_no_trace_in_what_is_said_of_samples() -> None:
    frontend = Frontend(SPECS["remembering"])
    x = signals.music(20 * 1920 + 2048)
    _, state = frontend.step(x, frontend.init_state())
    state = frontend.forget(state)
    more = signals.noise(30 * 1920)
    after, _ = frontend.step(more, state)
    assert after.tobytes() == frontend.offline(np.concatenate([x[-(2048 - 1920) :], more])).tobytes()
