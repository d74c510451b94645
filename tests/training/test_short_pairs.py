"""Short clips cut in two: what is kept of both parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.frontend.stream import Frontend
from rtgenre.training.envelopes import spectra_of
from rtgenre.training.recipe import SPEC
from rtgenre.training.segments import frames_of
from rtgenre.training.short_pairs import ShortHeard, ShortSettings, cached_short
from rtgenre.training.spectra import read_corpus
from rtgenre.training.teacher import TeacherSet, read_teacher
from tests.training.teacher_file import write_teacher

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.training.spectra import Corpus

SETTINGS = ShortSettings(cuts=2, ages=(8, 12, 40))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> TeacherSet:
    return read_teacher(write_teacher(tmp_path_factory.mktemp("short") / "teacher.npz", clips=12), SPEC)


@pytest.fixture(scope="module")
def corpus(corpus_file: Path) -> Corpus:
    return read_corpus(corpus_file)


@pytest.fixture(scope="module")
def heard(taught: TeacherSet, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> ShortHeard:
    return cached_short(taught, corpus, SPEC, SETTINGS, folder=tmp_path_factory.mktemp("cache"))


def test_every_clip_is_cut_twice(heard: ShortHeard) -> None:
    assert heard.clip.tolist() == [*range(12), *range(12)]
    assert heard.before.shape == (24, SPEC.n_features)
    assert heard.young.shape == (24, 3, SPEC.n_features)
    assert (heard.young_hops[:, 0] == 8).all(), "wherever it is cut, so much is left"
    assert not heard.young_hops[:, 2].any(), "three seconds are not forty hops"
    assert not np.array_equal(heard.before[:12], heard.before[12:]), "at other places"


def test_the_parts_are_what_the_live_frontend_makes_of_them(taught: TeacherSet, heard: ShortHeard) -> None:
    found = 0
    for phase in range(taught.phases):
        power = spectra_of(taught.mfcc[3, phase :: taught.phases], SPEC)
        for begin in range(SETTINGS.least, len(power) - 8 + 1):
            before = frames_of(power[:begin], Frontend(SPEC))[-1].astype(np.float16)
            if np.array_equal(before, heard.before[3], equal_nan=True):
                young = frames_of(power[begin : begin + 8], Frontend(SPEC))[-1].astype(np.float16)
                np.testing.assert_array_equal(young, heard.young[3, 0])
                found += 1
    assert found == 1


def test_what_was_cut_is_kept(taught: TeacherSet, corpus: Corpus, heard: ShortHeard, tmp_path: Path) -> None:
    first = cached_short(taught, corpus, SPEC, SETTINGS, folder=tmp_path)
    np.testing.assert_array_equal(first.young, heard.young)
    (kept,) = tmp_path.glob("*-short-0.npz")
    before = kept.stat().st_mtime_ns
    again = cached_short(taught, corpus, SPEC, SETTINGS, folder=tmp_path)
    np.testing.assert_array_equal(again.before, first.before)
    assert kept.stat().st_mtime_ns == before
    other = cached_short(taught, corpus, SPEC, ShortSettings(cuts=1, seed=1), folder=tmp_path)
    assert not np.array_equal(other.before, first.before[:12])
