"""Pairs are made of what the live frontend makes: who heard what, from where, for how long, and through what."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend
from rtgenre.posterior.split import best_split
from rtgenre.training.colouring import Colouring
from rtgenre.training.datasets.corpus import Corpus, read_corpus
from rtgenre.training.material import Material
from rtgenre.training.pairs import Heard, PairSettings, cached_pairs, kinds_of, make_copy, sets_of
from rtgenre.training.segments import frames_of
from tests.training.corpus import HOPS, STILL

if TYPE_CHECKING:
    from pathlib import Path

SPEC = FrontendSpec()
SETTINGS = PairSettings(
    copies=3, channels=2, starts=4, window=24, least=6, ages=(4, 8, 14), first=10, every=5, longest=HOPS, seed=3
)
NORMAL = np.stack((np.zeros(SPEC.n_features), np.ones(SPEC.n_features))).astype(np.float32)
LEVELS = dataclasses.replace(STILL, gain_db=(-30.0, 0.0))


@pytest.fixture(scope="module")
def corpus(corpus_file: Path) -> Corpus:
    """Nine clips of three genres; the last one is a hop shorter, and one is much too short."""
    whole = read_corpus(corpus_file)
    some = np.arange(len(whole.names) - 36, len(whole.names), 4) + 3
    n_frames = whole.n_frames[some].copy()
    n_frames[4] = 12
    fields = {name: getattr(whole, name)[some] for name in ("power_db", "names", "label", "split", "artist")}
    return dataclasses.replace(whole, n_frames=n_frames, sha256="nine", **fields)


@pytest.fixture(scope="module")
def first(corpus: Corpus) -> Heard:
    return make_copy((corpus,), SPEC, SETTINGS, NORMAL, 0)


def test_a_copy_has_its_shapes(corpus: Corpus, first: Heard) -> None:
    clips, times, ages = len(corpus.names), 7, 3
    assert SETTINGS.times.tolist() == [10, 15, 20, 25, 30, 35, 40]
    assert first.standing.shape == (clips, times, SPEC.n_features)
    assert first.standing_hops.shape == (clips, times)
    assert first.young.shape == (clips, SETTINGS.starts, ages, SPEC.n_features)
    assert first.young_hops.shape == (clips, SETTINGS.starts, ages)
    assert first.begun.shape == (clips, SETTINGS.starts)
    assert first.standing.dtype == first.young.dtype == np.float16
    assert not first.channel.any()


def test_the_standing_state_is_the_frontends_after_so_many_hops(corpus: Corpus, first: Heard) -> None:
    frontend = Frontend(SPEC)
    for clip in (0, len(corpus.names) - 1):
        frames = frames_of(corpus.power(clip, SPEC), frontend)
        for k, hops in enumerate(first.standing_hops[clip]):
            expected = frames[hops - 1] if hops else np.zeros(SPEC.n_features)
            np.testing.assert_array_equal(first.standing[clip, k], expected.astype(np.float16))
    assert first.standing_hops[0].tolist() == SETTINGS.times.tolist()
    assert first.standing_hops[-1].tolist() == [10, 15, 20, 25, 30, 35, 0], "the last clip lacks a hop"


def test_the_young_state_is_that_of_a_frontend_that_began_there(corpus: Corpus, first: Heard) -> None:
    frontend = Frontend(SPEC)
    for clip in range(0, len(corpus.names), 2):
        power = corpus.power(clip, SPEC)
        for i, begin in enumerate(first.begun[clip]):
            for k, age in enumerate(SETTINGS.ages):
                if first.young_hops[clip, i, k]:
                    expected = frames_of(power[begin : begin + age], frontend)[-1].astype(np.float16)
                    np.testing.assert_array_equal(first.young[clip, i, k], expected)
                    assert first.young_hops[clip, i, k] == age


def splits_of(frames: np.ndarray) -> set[int]:
    """Where young states would be begun in a clip, whenever it is asked."""
    ends = range(SETTINGS.window, len(frames) + 1)
    return {e - best_split(frames[e - SETTINGS.window : e], SETTINGS.least, SETTINGS.least) for e in ends}


def test_young_states_begin_anywhere_or_where_the_clip_would_be_split(corpus: Corpus, first: Heard) -> None:
    frontend = Frontend(SPEC)
    for clip in (0, 5):
        frames = frames_of(corpus.power(clip, SPEC), frontend)[:, : SPEC.n_frame_features]
        assert set(first.begun[clip, 1::2].tolist()) <= splits_of(frames.clip(-5.0, 5.0))
        assert (first.begun[clip, 0::2] <= len(frames) - SETTINGS.ages[-1]).all(), "these are heard whole"
        assert (first.young_hops[clip, 0::2] > 0).all()
    assert (first.begun >= 0).all()
    assert len(np.unique(first.begun[:, 0::2])) > 5


def test_what_is_split_is_normalised_and_clipped_as_the_networks_inputs_are(corpus: Corpus) -> None:
    frontend, clips = Frontend(SPEC), (0, 1, 2, 3, 5, 6, 7)
    frames = [frames_of(corpus.power(clip, SPEC), frontend)[:, : SPEC.n_frame_features] for clip in clips]
    mean, std = np.concatenate(frames).mean(axis=0), np.concatenate(frames).std(axis=0) + 1e-3
    normal = NORMAL.copy()
    normal[:, : SPEC.n_frame_features] = mean, std
    normal[0, 1] = np.nan  # all of it counts as the feature's mean
    settings = dataclasses.replace(SETTINGS, clip=0.7, starts=16)
    begun = make_copy((corpus,), SPEC, settings, normal, 0).begun
    unclipped, unnormalised, with_nan = 0, 0, 0
    for clip, own in zip(clips, frames, strict=True):
        z = (own - mean) / std
        without, nan = (np.where(np.arange(len(mean)) == 1, x, z).astype(np.float32) for x in (0.0, np.nan))
        mine = set(begun[clip, 1::2].tolist())
        assert mine <= splits_of(without.clip(-0.7, 0.7))
        unclipped += len(mine - splits_of(without))
        unnormalised += len(mine - splits_of(own.clip(-0.7, 0.7)))
        with_nan += len(mine - splits_of(nan.clip(-0.7, 0.7)))
    assert min(unclipped, unnormalised, with_nan) > 0, "each of them matters"


def test_what_a_clip_is_too_short_for_is_marked_with_no_hops(corpus: Corpus, first: Heard) -> None:
    short = 4
    assert corpus.n_frames[short] == 12
    assert first.standing_hops[short].tolist() == [10, 0, 0, 0, 0, 0, 0]
    assert not first.standing[short, 1:].any()
    assert (first.begun[short] == 0).all()
    assert first.young_hops[short].tolist() == [[4, 8, 0]] * SETTINGS.starts
    assert not first.young[short, :, 2].any()
    ends = first.begun[:, :, None] + first.young_hops
    assert (ends <= np.minimum(corpus.n_frames, HOPS)[:, None, None]).all()


def test_no_more_of_a_clip_is_heard_than_the_longest(corpus: Corpus) -> None:
    settings = dataclasses.replace(SETTINGS, longest=30)
    heard = make_copy((corpus,), SPEC, settings, NORMAL, 0)
    assert heard.standing_hops.max() == 30
    assert (heard.begun[:, :, None] + heard.young_hops).max() <= 30


def test_each_coloured_copy_has_its_channels(corpus: Corpus) -> None:
    settings = dataclasses.replace(SETTINGS, colouring=LEVELS, starts=1)  # a channel is nothing but a level
    spec = FrontendSpec(features=("rms",), running_s=(2.5,))
    normal = np.stack((np.zeros(spec.n_features), np.ones(spec.n_features))).astype(np.float32)
    plain, *coloured = (make_copy((corpus,), spec, settings, normal, copy) for copy in range(4))
    gains = []
    for heard in coloured:
        assert set(heard.channel.tolist()) == {0, 1}
        # What each channel does to the mean level of the first hops; the bins that a corpus lacks are drawn anew.
        gain = 20 * np.log10(heard.standing[:, 0, 1].astype(float) / plain.standing[:, 0, 1].astype(float))
        for channel in range(2):
            mine = gain[heard.channel == channel]
            assert np.ptp(mine) < 1.0
            gains.append(mine.mean())
    assert np.ptp(gains) > 5.0
    assert len(np.unique(np.round(gains, 1))) > 4, "each copy has channels of its own"


def test_whatever_a_clips_length_its_channel_is_the_same(corpus: Corpus) -> None:
    seen: list[tuple[np.ndarray, np.ndarray, str]] = []

    class Spied(Colouring):
        def apply(self, power: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
            draws = str(rng.bit_generator.state)
            seen.append((power, super().apply(power, sample_rate, rng), draws))
            return seen[-1][1]

    longest = HOPS + 7
    heard = make_copy((corpus,), SPEC, dataclasses.replace(SETTINGS, colouring=Spied(), longest=longest), NORMAL, 1)
    frontend = Frontend(SPEC)
    assert len(seen) == len(corpus.names)
    draws: dict[int, set[str]] = {0: set(), 1: set()}
    for clip, (power, coloured, drawn) in enumerate(seen):
        n = int(corpus.n_frames[clip])
        assert power.shape == (longest, SPEC.n_bins)
        np.testing.assert_array_equal(power, np.resize(power[:n], power.shape))
        draws[int(heard.channel[clip])].add(drawn)
        frames = frames_of(coloured[:n], frontend)
        for k, hops in enumerate(heard.standing_hops[clip]):
            assert bool(hops) is (heard.standing_hops[clip, k] <= n and SETTINGS.first + k * SETTINGS.every <= n)
            if hops:
                np.testing.assert_array_equal(heard.standing[clip, k], frames[hops - 1].astype(np.float16))
    assert [len(of_channel) for of_channel in draws.values()] == [1, 1]
    assert draws[0] != draws[1]


def test_a_copy_depends_on_seed_and_number_only(corpus: Corpus, first: Heard) -> None:
    again = make_copy((corpus,), SPEC, SETTINGS, NORMAL, 0)
    for field in dataclasses.fields(Heard):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(first, field.name))
    one, other = (make_copy((corpus,), SPEC, SETTINGS, NORMAL, copy) for copy in (1, 2))
    assert not np.array_equal(one.standing, other.standing)
    reseeded = make_copy((corpus,), SPEC, dataclasses.replace(SETTINGS, seed=4), NORMAL, 0)
    assert not np.array_equal(reseeded.begun, first.begun)
    np.testing.assert_array_equal(reseeded.standing, first.standing)  # without colour the clips are what they are


def test_a_second_set_counts_on(corpus: Corpus, first: Heard) -> None:
    both = make_copy((corpus, corpus), SPEC, SETTINGS, NORMAL, 0)
    n = len(corpus.names)
    assert len(both.begun) == 2 * n
    np.testing.assert_array_equal(both.standing[:n], first.standing)
    np.testing.assert_array_equal(both.standing[n:], first.standing)
    alone, beside = (
        Material(corpus, other, np.zeros(n, np.int64), np.ones(n if other else 0, bool)) for other in (None, corpus)
    )
    assert sets_of(alone) == (corpus,)
    assert sets_of(beside) == (corpus, corpus)
    np.testing.assert_array_equal(kinds_of(alone), corpus.label)
    np.testing.assert_array_equal(kinds_of(beside), [*corpus.label, *[3] * n])


def test_the_cache_answers_only_for_what_it_was_made_of(corpus: Corpus, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, copies=2, starts=1, longest=20)

    def files() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    def heard(settings: PairSettings = settings, spec: FrontendSpec = SPEC, shift: float = 0.0) -> list[Heard]:
        normal = np.stack((np.full(spec.n_features, shift), np.ones(spec.n_features))).astype(np.float32)
        return list(cached_pairs((corpus,), spec, settings, normal, 1, tmp_path))

    made = heard()
    assert len(made) == 2
    direct = make_copy((corpus,), SPEC, settings, NORMAL, 1)
    for field in dataclasses.fields(Heard):
        np.testing.assert_array_equal(getattr(made[1], field.name), getattr(direct, field.name))
    before = files()
    assert len(before) == 2, "nothing but the copies is left"
    heard()
    assert files() == before, "nothing was made again"
    heard(dataclasses.replace(settings, copies=3))
    assert len(files()) == 3, "a copy more is a copy more"
    heard(dataclasses.replace(settings, seed=9))
    heard(spec=FrontendSpec(n_mfcc=13))
    heard(shift=1.0)
    heard(dataclasses.replace(settings, clip=1.0))
    assert len(files()) == 11
    assert before.items() <= files().items()


def test_several_processes_make_the_same(corpus: Corpus, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, copies=2, starts=1, longest=20)
    one = cached_pairs((corpus,), SPEC, settings, NORMAL, 1, tmp_path / "one")
    two = cached_pairs((corpus,), SPEC, settings, NORMAL, 2, tmp_path / "two")
    for mine, theirs in zip(one, two, strict=True):
        for field in dataclasses.fields(Heard):
            np.testing.assert_array_equal(getattr(mine, field.name), getattr(theirs, field.name))
