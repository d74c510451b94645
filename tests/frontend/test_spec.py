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
    }
    assert changes.keys() == FrontendSpec().to_dict().keys()
    prints = {FrontendSpec(**{k: v}).fingerprint() for k, v in changes.items()}
    assert len(prints | {FrontendSpec().fingerprint()}) == len(changes) + 1


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
