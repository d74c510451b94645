from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.errors import SourceError
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend
from rtgenre.training.datasets import cache as cache_module
from rtgenre.training.datasets import sound
from rtgenre.training.datasets.cache import SpectraCache, decoded, encoded
from tests import signals
from tests.training.datasets import trees

if TYPE_CHECKING:
    from pathlib import Path

SPEC = FrontendSpec()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return trees.song(tmp_path / "songs" / "song.wav")


@pytest.fixture
def cache(tmp_path: Path) -> SpectraCache:
    return SpectraCache(tmp_path / "cache", SPEC)


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the sound was read again")

    monkeypatch.setattr(sound, "read_sound", refuse)


def test_kept_levels_are_within_their_error() -> None:
    rng = np.random.default_rng(0)
    power = (10.0 ** rng.uniform(-32.0, 12.0, (50, 1025))).astype(np.float32)
    power[3] = 0.0
    back = decoded(encoded(power))
    assert back.dtype == np.float32
    assert not back[3].any()
    some = power > 0
    assert np.abs(10 * np.log10(back[some].astype(float) / power[some])).max() <= 0.0051
    np.testing.assert_array_equal(encoded(back), encoded(power))  # once more changes nothing
    assert not decoded(encoded(np.full((1, 2), 1e-38, np.float32))).any()


def test_features_of_kept_spectra_are_those_of_the_sound(path: Path, cache: SpectraCache) -> None:
    frontend = Frontend(SPEC)
    state = frontend.init_state()
    frames = []
    for spectrum in cache.power(path):
        frame, state = frontend.step_power(spectrum, state)
        frames.append(frame)
    live = frontend.offline(sound.from_onset(sound.read_sound(path, SPEC.sample_rate).samples))
    assert len(frames) == cache.facts(path).n_frames
    np.testing.assert_allclose(frames, live, atol=0.02)  # dB and cepstra; they span tens


def test_nothing_is_read_twice(path: Path, cache: SpectraCache, monkeypatch: pytest.MonkeyPatch) -> None:
    facts, power = cache.facts(path), cache.power(path)
    assert facts.n_frames == len(power) > 10
    forbid_reading(monkeypatch)
    assert cache.facts(path) == facts
    np.testing.assert_array_equal(cache.power(path), power)
    other_features = replace(SPEC, features=("centroid", "rms"), running_s=())
    np.testing.assert_array_equal(SpectraCache(cache.folder, other_features).power(path), power)


@pytest.mark.parametrize(
    "other",
    [replace(SPEC, hop=1024), replace(SPEC, window="hann"), replace(SPEC, scaling="spectrum"), None],
    ids=["hop", "window", "scaling", "limit"],
)
def test_another_framing_is_another_entry(path: Path, cache: SpectraCache, other: FrontendSpec | None) -> None:
    power = cache.power(path)
    second = SpectraCache(cache.folder, other or SPEC, None if other else 1.0)
    assert not np.array_equal(second.power(path), power)
    np.testing.assert_array_equal(cache.power(path), power)


def test_a_changed_file_is_read_again(path: Path, cache: SpectraCache) -> None:
    before, power = cache.facts(path), cache.power(path)
    date = path.stat().st_mtime_ns
    trees.song(path, seed=1)
    os.utime(path, ns=(date, date + 1_000_000_000))
    assert cache.facts(path).sha256 != before.sha256
    assert not np.array_equal(cache.power(path), power)


@pytest.mark.parametrize("harm", ["empty", "cut", "garbage", "flipped", "folder"])
def test_a_broken_entry_is_made_anew(path: Path, cache: SpectraCache, harm: str) -> None:
    facts, power = cache.facts(path), cache.power(path)
    (entry,) = cache.folder.rglob("*.npz")
    content = bytearray(entry.read_bytes())
    content[len(content) // 2] ^= 0xFF
    harmed = {"empty": b"", "cut": content[: len(content) // 3], "garbage": b"nothing of the kind", "flipped": content}
    if harm == "folder":
        entry.unlink()
        entry.parent.rmdir()
    else:
        entry.write_bytes(harmed[harm])
    np.testing.assert_array_equal(cache.power(path), power)
    assert cache.facts(path) == facts
    assert [p.suffix for p in cache.folder.rglob("*") if p.is_file()] == [".npz"]  # no half-written ones


def test_a_verdict_is_kept_too(tmp_path: Path, cache: SpectraCache, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = trees.write(tmp_path / "silent.wav", np.zeros(44100, np.float32))
    text = tmp_path / "text.wav"
    text.write_text("no sound at all")
    facts = [cache.facts(silent), cache.facts(text)]
    assert "silent" in facts[0].why_useless
    assert facts[1].why_useless.startswith("is not a sound file")
    with pytest.raises(SourceError, match="is silent"):
        cache.power(silent)
    forbid_reading(monkeypatch)
    assert [cache.facts(silent), cache.facts(text)] == facts


def test_a_file_that_is_gone(path: Path, cache: SpectraCache) -> None:
    cache.power(path)
    path.unlink()
    assert "cannot be read: No such file" in cache.facts(path).why_useless
    with pytest.raises(SourceError, match="No such file"):
        cache.power(path)


def test_where_nothing_can_be_kept_it_still_works(path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    cache = SpectraCache(tmp_path / "file" / "cache", SPEC)
    cache_module._warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert len(cache.power(path)) == cache.facts(path).n_frames > 10
        assert len(cache.power(path)) > 10
    assert len([r for r in caplog.records if "cannot be kept" in r.message]) == 1


def test_a_spec_with_other_bins(tmp_path: Path, path: Path) -> None:
    small = FrontendSpec(n_fft=512, hop=480, n_mels=32, n_contrast_bands=5)
    assert SpectraCache(tmp_path / "cache", small).power(path).shape[1] == 257


def test_silence_before_a_piece_is_passed_over(tmp_path: Path, cache: SpectraCache) -> None:
    x = signals.music(44100)
    plain = trees.write(tmp_path / "a.wav", sound.from_onset(x))
    late = trees.write(tmp_path / "b.wav", np.concatenate((np.zeros(30_000, np.float32), x)))
    np.testing.assert_array_equal(cache.power(plain), cache.power(late))
