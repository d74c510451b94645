from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.training import channels
from rtgenre.training.channels import ChannelSettings, Through, cached_channels
from rtgenre.training.datasets.corpus import read_corpus
from rtgenre.training.segments import NOTHING, frames_of
from tests.training.test_segments import SPEC

if TYPE_CHECKING:
    from pathlib import Path

HZ = np.linspace(0.0, 11025.0, 1025)
FLAT = np.full((400, 1025), 1e-4, np.float32)


def test_a_narrow_channel_takes_away_what_lies_beyond_either_end() -> None:
    telephone = ChannelSettings(from_hz=(300.0, 300.0), to_hz=(3400.0, 3400.0), db_per_octave=(12.0, 48.0))
    slopes = []
    for seed in range(10):
        out = telephone.through("narrow", FLAT[:3], 22050, np.random.default_rng(seed))
        gain_db = 10.0 * np.log10(out[0] / FLAT[0])
        np.testing.assert_allclose(gain_db[(HZ > 301) & (HZ < 3399)], 0.0, atol=0.01)
        slopes += [-gain_db[np.abs(HZ - edge).argmin()] for edge in (150.0, 6800.0)]  # an octave beyond
    assert 11.0 < min(slopes) < 16.0
    assert 36.0 < max(slopes) < 49.0


@pytest.mark.parametrize("slope_db", [0.0, 6.0])
def test_noise_is_as_loud_and_as_dark_as_is_said(slope_db: float) -> None:
    room = ChannelSettings(noise_db=(-10.0, -10.0), noise_slope_db=(slope_db, slope_db))
    added = room.through("noisy", FLAT, 22050, np.random.default_rng(0)) - FLAT
    assert added.min() > -1e-9
    assert 10.0 * np.log10(added.sum() / FLAT.sum()) == pytest.approx(-10.0, abs=0.1)
    level_db = 10.0 * np.log10(added.mean(axis=0))
    octave = [level_db[(low < HZ) & (1.1 * low > HZ)].mean() for low in (1000.0, 2000.0)]
    assert octave[0] - octave[1] == pytest.approx(slope_db, abs=0.5)


def test_every_copy_is_the_same_music_hop_for_hop(corpus_file: Path, tmp_path: Path) -> None:
    corpus, settings = read_corpus(corpus_file), ChannelSettings(copies=2, hops=24)
    made = list(cached_channels([corpus, corpus], SPEC, settings, folder=tmp_path))
    assert [through for through, _ in made] == [
        Through(None, 0), Through("narrow", 0), Through("narrow", 1), Through("noisy", 0), Through("noisy", 1)
    ]  # fmt: skip
    (_, plain), n = made[0], len(corpus.names)
    assert plain.frames.shape == (2 * n, 24, SPEC.n_features)
    assert (plain.label[:n, 0] == corpus.label).all()
    assert (plain.label[n:] == NOTHING).all(), "only clips of the first set have genres"
    for through, part in made[1:]:
        assert not np.array_equal(part.frames, plain.frames), through
        np.testing.assert_array_equal(part.clip, plain.clip)
    # What one of them is, told apart from the cache: the clip from some start on, through the channel of its own draw.
    clip, row = 4, n + 4
    start = np.random.default_rng((0, row)).integers(corpus.n_frames[clip] - 24 + 1)
    power = corpus.power(clip, SPEC)[start : start + 24]
    noisy = settings.through("noisy", power, SPEC.sample_rate, np.random.default_rng((0, row, 1, 1)))
    for (_, part), spectra in ((made[0], power), (made[4], noisy)):
        expected = frames_of(spectra, channels.Frontend(SPEC)).astype(np.float16)
        np.testing.assert_array_equal(part.frames[row], expected)


def test_what_was_made_is_kept_and_another_copy_is_added(
    corpus_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, settings = read_corpus(corpus_file), ChannelSettings(copies=1, hops=12)
    first = [np.array(part.frames) for _, part in cached_channels([corpus], SPEC, settings, folder=tmp_path)]
    made: list[Through] = []
    write = channels._write

    def spy(*args: object) -> None:
        made.append(args[3][args[4]])  # type: ignore[index]  # all_of, k
        write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(channels, "_write", spy)
    more = dataclasses.replace(settings, copies=2)
    again = {through: part.frames for through, part in cached_channels([corpus], SPEC, more, folder=tmp_path)}
    assert made == [Through("narrow", 1), Through("noisy", 1)]
    np.testing.assert_array_equal(again[Through("noisy", 0)], first[2])
    list(cached_channels([corpus], SPEC, dataclasses.replace(settings, noise_db=(-9.0, -9.0)), folder=tmp_path))
    assert len(made) == 2 + 3, "other channels are other files"
