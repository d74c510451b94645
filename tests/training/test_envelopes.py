"""Spectra from MFCCs alone: what survives the way there and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rtgenre.frontend.stream import Frontend
from rtgenre.training.envelopes import spectra_of, survives
from rtgenre.training.recipe import SPEC
from rtgenre.training.segments import frames_of
from rtgenre.training.spectra import read_corpus

if TYPE_CHECKING:
    from pathlib import Path


def smooth_mfcc(hops: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    falling = 40.0 / (1.0 + np.arange(SPEC.n_mfcc)) ** 1.5
    mfcc = rng.normal(size=(hops, SPEC.n_mfcc)) * falling
    mfcc[:, 0] -= 180.0  # about -22 dB in every band
    return mfcc.astype(np.float32)


def test_spectra_have_the_mfccs_that_they_were_made_of() -> None:
    mfcc = smooth_mfcc(60)
    power = spectra_of(mfcc, SPEC)
    assert power.shape == (60, SPEC.n_bins)
    assert power.dtype == np.float32
    again = frames_of(power, Frontend(SPEC))[:, : SPEC.n_mfcc]
    for k in range(1, SPEC.n_mfcc):  # the level is brought to a target
        assert np.corrcoef(mfcc[:, k], again[:, k])[0, 1] > 0.95, k


def test_what_envelopes_tell_survives_and_what_peaks_tell_does_not(corpus_file: Path) -> None:
    known = dict(zip(SPEC.feature_names, survives(read_corpus(corpus_file), SPEC), strict=True))
    assert all(known[f"mfcc_{k}"] for k in range(SPEC.n_mfcc))
    of_peaks = [alike for name, alike in known.items() if name.startswith(("contrast_", "sustain_"))]
    assert np.mean(of_peaks) < 0.25
    assert known["age_log"]


def test_clips_too_short_to_compare_tell_nothing() -> None:
    class Short:
        names = ("one",)

        def power(self, _clip: int, _spec: object) -> np.ndarray:
            return spectra_of(smooth_mfcc(8), SPEC)

    assert not survives(Short(), SPEC).any()  # type: ignore[arg-type]  # as far as it is asked, it is one
