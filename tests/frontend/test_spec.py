from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgenre.errors import ConfigError
from rtgenre.frontend.spec import FEATURES, FrontendSpec


def test_default_is_the_shipped_model() -> None:
    spec = FrontendSpec()
    assert (spec.sample_rate, spec.n_fft, spec.hop) == (22050, 2048, 1920)
    assert spec.n_frame_features == 27
    assert spec.n_features == 135
    assert spec.hops_per_s == pytest.approx(11.484375)


@given(
    st.lists(st.sampled_from(FEATURES), min_size=1, unique=True).map(tuple),
    st.lists(st.floats(0.5, 30.0), max_size=3).map(tuple),
    st.integers(8, 64),
)
def test_names_and_round_trip(features: tuple[Any, ...], running_s: tuple[float, ...], n_mels: int) -> None:
    spec = FrontendSpec(features=features, running_s=running_s, n_mels=n_mels, n_mfcc=8)
    assert len(spec.feature_names) == spec.n_features
    again = FrontendSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    assert again.fingerprint() == spec.fingerprint()


@given(
    st.booleans(),
    st.lists(st.sampled_from((2.0, 8.0)), max_size=2, unique=True).map(tuple),
    st.lists(st.sampled_from((3.0, 6.0)), max_size=2, unique=True).map(tuple),
    st.booleans(),
    st.integers(0, 7),
    st.integers(1, 12),
)
def test_names_of_what_remembers(
    deltas: bool, correlation_s: Any, modulation_s: Any, age: bool, n_mfcc: int, n_bands: int
) -> None:
    spec = FrontendSpec(
        n_mfcc=8,
        running_deltas=deltas,
        correlation_s=correlation_s,
        n_correlated_mfcc=n_mfcc,
        modulation_s=modulation_s,
        n_modulation_bands=n_bands,
        age=age,
    )
    names = spec.feature_names
    assert len(set(names)) == len(names) == spec.n_features
    again = FrontendSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    assert again.fingerprint() == spec.fingerprint()


def test_order_of_what_remembers() -> None:
    spec = FrontendSpec(
        features=("contrast", "mfcc"),
        n_mfcc=3,
        n_contrast_bands=1,
        running_s=(2.5, 10.0),
        running_deltas=True,
        correlation_s=(8.0,),
        n_correlated_mfcc=2,
        modulation_s=(6.0,),
        n_modulation_groups=2,
        n_modulation_bands=2,
        age=True,
    )
    frame = ("contrast_0", "contrast_1", "mfcc_0", "mfcc_1", "mfcc_2")
    assert spec.feature_names == (
        *frame,
        *(f"{name}_{kind}_{tau}s" for tau in ("2.5", "10") for kind in ("mean", "spread", "delta") for name in frame),
        "corr_8s_mfcc_1_mfcc_2",
        *("corr_8s_mfcc_1_contrast_0", "corr_8s_mfcc_2_contrast_0"),
        *("corr_8s_mfcc_1_contrast_1", "corr_8s_mfcc_2_contrast_1", "corr_8s_contrast_0_contrast_1"),
        *("mod_6s_mel_0_0.15hz", "mod_6s_mel_0_5.5hz", "mod_6s_mel_1_0.15hz", "mod_6s_mel_1_5.5hz"),
        *("age_log", "age_start"),
    )


def test_names_of_a_frame() -> None:
    spec = FrontendSpec(features=("rms", "mfcc"), n_mfcc=2, running_s=(2.5,))
    assert spec.feature_names == (
        *("rms", "mfcc_0", "mfcc_1"),
        *("rms_mean_2.5s", "mfcc_0_mean_2.5s", "mfcc_1_mean_2.5s"),
        *("rms_spread_2.5s", "mfcc_0_spread_2.5s", "mfcc_1_spread_2.5s"),
    )


def test_whole_and_decimal_numbers_are_one_spec() -> None:
    assert FrontendSpec(fmax_hz=8000, running_s=(2, 10)).fingerprint() == (
        FrontendSpec(fmax_hz=8000.0, running_s=(2.0, 10.0)).fingerprint()
    )


def test_every_number_is_in_the_fingerprint() -> None:
    changes: dict[str, Any] = {
        "sample_rate": 24000,
        "n_fft": 4096,
        "hop": 512,
        "window": "hann",
        "scaling": "spectrum",
        "features": ("mfcc",),
        "n_mels": 40,
        "fmin_hz": 30.0,
        "fmax_hz": 7000.0,
        "log_floor_db": -90.0,
        "n_mfcc": 13,
        "n_contrast_bands": 5,
        "contrast_fmin_hz": 150.0,
        "contrast_quantile": 0.1,
        "contrast_floor_db": -50.0,
        "n_chroma": 24,
        "rolloff_fraction": 0.9,
        "running_s": (3.0,),
        "running_deltas": True,
        "correlation_s": (8.0,),
        "n_correlated_mfcc": 10,
        "correlate_contrast": False,
        "modulation_s": (6.0,),
        "n_modulation_groups": 8,
        "n_modulation_bands": 7,
        "modulation_min_hz": 0.2,
        "modulation_max_hz": 5.0,
        "tonal_s": (5.0,),
        "age": True,
        "floor_below_db": 60.0,
        "floor_level_s": 3.0,
        "level_db": -30.0,
        "contrast_ceiling_db": 50.0,
    }
    assert changes.keys() == FrontendSpec().to_dict().keys()
    switched_on: dict[str, Any] = {"correlation_s": (4.0,), "modulation_s": (4.0,), "floor_below_db": 50.0}
    prints = {FrontendSpec(**{**switched_on, k: v}).fingerprint() for k, v in changes.items()}
    assert len(prints | {FrontendSpec(**switched_on).fingerprint()}) == len(changes) + 1


@pytest.mark.parametrize("off", [{"n_correlated_mfcc": 3}, {"n_modulation_bands": 4}, {"modulation_max_hz": 5.0}])
def test_what_is_switched_off_is_not_in_the_fingerprint(off: dict[str, Any]) -> None:
    assert FrontendSpec(**off).fingerprint() == FrontendSpec().fingerprint()


def test_fingerprint_is_stable() -> None:
    # Checkpoints carry it: if this fails on purpose, raise DEFINITION and retrain.
    assert FrontendSpec().fingerprint().startswith("070a621d5472aae2")


@pytest.mark.parametrize(
    "change",
    [
        {"sample_rate": 22050.0},
        {"sample_rate": 0},
        {"n_fft": 2000},
        {"n_fft": 16384},
        {"n_fft": True},
        {"hop": 0},
        {"hop": 2049},
        {"window": "hamming"},
        {"window": 3},
        {"scaling": "power"},
        {"features": ()},
        {"features": ["mfcc"]},
        {"features": ("mfcc", "mfcc")},
        {"n_mels": 0},
        {"n_mfcc": 65},
        {"fmin_hz": 9000.0},
        {"fmax_hz": 11026.0},
        {"fmax_hz": float("nan")},
        {"log_floor_db": 1.0},
        {"n_contrast_bands": 0},
        {"n_contrast_bands": 7},
        {"contrast_fmin_hz": 10.0},
        {"contrast_quantile": 0.0},
        {"contrast_quantile": 0.51},
        {"contrast_floor_db": 5.0},
        {"n_chroma": 13},
        {"rolloff_fraction": 1.0},
        {"running_s": (0.01,)},
        {"running_s": ("2",)},
        {"running_s": (float("inf"),)},
        {"running_deltas": 1},
        {"running_deltas": True, "running_s": ()},
        {"correlation_s": (0.01,)},
        {"correlation_s": [8.0]},
        {"correlation_s": (8.0,), "features": ("rms",)},
        {"n_correlated_mfcc": 20, "correlation_s": (8.0,)},
        {"n_correlated_mfcc": -1, "correlation_s": (8.0,)},
        {"n_correlated_mfcc": 5.0},
        {"modulation_s": (True,)},
        {"modulation_s": (4000.0,)},
        {"n_modulation_groups": 65, "modulation_s": (6.0,)},
        {"n_modulation_groups": 0, "modulation_s": (6.0,)},
        {"n_modulation_bands": 0, "modulation_s": (6.0,)},
        {"modulation_min_hz": 0.0, "modulation_s": (6.0,)},
        {"modulation_min_hz": 5.5, "modulation_s": (6.0,)},
        {"modulation_max_hz": 5.75, "modulation_s": (6.0,)},
        {"modulation_max_hz": float("nan")},
        {"age": "yes"},
    ],
)
def test_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        FrontendSpec(**change)
    assert next(iter(change)) in str(caught.value)
    assert caught.value.remedy


def test_empty_mel_bands_are_refused() -> None:
    with pytest.raises(ConfigError, match="without any bin"):
        FrontendSpec(n_fft=256, hop=128, n_mels=100, contrast_fmin_hz=200.0, features=("mfcc",))


def test_unknown_feature_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="contrast"):
        FrontendSpec(features=("contrasts",))  # type: ignore[arg-type]


def test_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="n_mels"):
        FrontendSpec.from_dict({"n_mel": 64})
