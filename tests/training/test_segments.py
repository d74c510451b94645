from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend
from rtgenre.training.datasets.corpus import AsCorpus, Corpus, read_corpus
from rtgenre.training.folds import artist_folds
from rtgenre.training.segments import NOTHING, SegmentSettings, cached_segments, frames_of
from tests.training.corpus import HOPS

if TYPE_CHECKING:
    from pathlib import Path

SPEC = FrontendSpec()
SETTINGS = SegmentSettings(copies=2, long_hops=32, middle_hops=24, short_hops=16, joined_long=1.0, seed=3)


@pytest.fixture(scope="module")
def corpus(corpus_file: Path) -> Corpus:
    return read_corpus(corpus_file)


def test_a_clip_gives_a_frame_a_hop_from_a_fresh_state(corpus: Corpus) -> None:
    frontend = Frontend(SPEC)
    frames = frames_of(corpus.power(0, SPEC), frontend)
    assert frames.shape == (HOPS, SPEC.n_features)
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, frames_of(corpus.power(0, SPEC), frontend))


def test_segments_have_their_lengths_labels_cuts_and_seed(corpus: Corpus, tmp_path: Path) -> None:
    made = list(cached_segments(corpus, None, (corpus.split, None), SPEC, SETTINGS, 1, tmp_path / "a"))
    n = len(corpus.names)
    assert [(copy, *part.frames.shape[:2]) for copy, part in made] == [
        (copy, n * count, hops) for copy in (0, 1) for hops, count in ((32, 1), (24, 2), (16, 4))
    ]
    whole, joined = made[0][1], made[3][1]
    assert (whole.cut == 0).all(), "the first copy's long segments are clips as they are"
    np.testing.assert_array_equal(whole.label[:, 0], corpus.label)
    assert ((joined.cut > 0) & (joined.cut < 32)).all()
    for row in range(n):
        assert joined.label[row, joined.cut[row]] == corpus.label[joined.clip[row]]
    again = list(cached_segments(corpus, None, (corpus.split, None), SPEC, SETTINGS, 1, tmp_path / "b"))
    np.testing.assert_array_equal(made[4][1].frames, again[4][1].frames)
    other = dataclasses.replace(SETTINGS, seed=4)
    differs = list(cached_segments(corpus, None, (corpus.split, None), SPEC, other, 1, tmp_path / "b"))
    assert not np.array_equal(made[4][1].frames, differs[4][1].frames)


def test_the_first_copy_is_plain_unless_none_is(corpus: Corpus, tmp_path: Path) -> None:
    whole = dataclasses.replace(SETTINGS, copies=1, long_hops=HOPS)  # nothing but colour can differ
    own = [frames_of(corpus.power(clip, SPEC), Frontend(SPEC)).astype(np.float16) for clip in range(len(corpus.names))]
    for plain in (True, False):
        settings = dataclasses.replace(whole, plain=plain, joined_long=0.0)
        made = list(cached_segments(corpus, None, (corpus.split, None), SPEC, settings, 1, tmp_path))
        same = [np.array_equal(made[0][1].frames[row, : len(own[row])], own[row]) for row in range(len(own))]
        assert same == [plain] * len(own)


def test_the_cache_answers_only_for_what_it_was_made_of(corpus: Corpus, tmp_path: Path) -> None:
    def files() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    list(cached_segments(corpus, None, (corpus.split, None), SPEC, SETTINGS, 1, tmp_path))
    before = files()
    list(cached_segments(corpus, None, (corpus.split, None), SPEC, SETTINGS, 1, tmp_path))
    assert files() == before, "nothing was made again"
    list(cached_segments(corpus, None, (corpus.split, None), FrontendSpec(n_mfcc=13), SETTINGS, 1, tmp_path))
    assert len(files()) == 2 * len(before)


def test_only_clips_of_one_group_are_joined(corpus: Corpus, tmp_path: Path) -> None:
    alone = np.array([f"{label}" for label in corpus.label])  # each genre a group: joins never mix genres
    for _, part in cached_segments(corpus, None, (alone, None), SPEC, SETTINGS, 1, tmp_path):
        valid = np.arange(part.label.shape[1]) < part.hops[:, None]
        assert ((part.label == corpus.label[part.clip][:, None]) | ~valid).all()


def test_what_is_no_music_is_labelled_so_and_made_as_coarse_as_the_music(corpus: Corpus, tmp_path: Path) -> None:
    coarse = AsCorpus(corpus, corpus.fft_bins)
    # A corpus that is made coarse stays what it is: its own levels are steps already.
    np.testing.assert_allclose(coarse.power(3, SPEC), corpus.power(3, SPEC), rtol=1e-5)
    parts = list(cached_segments(corpus, coarse, (corpus.split, corpus.split), SPEC, SETTINGS, 1, tmp_path))
    part = parts[0][1]
    assert len(part.clip) == 2 * len(corpus.names)
    assert (part.label[part.clip >= len(corpus.names)] == NOTHING).all()


def test_folds_part_artists_and_spread_genres() -> None:
    rng = np.random.default_rng(0)
    artist = rng.integers(0, 60, 400)
    label = artist % 4
    fold = artist_folds(label, artist)
    for one in np.unique(artist):
        assert len(set(fold[artist == one])) == 1
    counts = np.array([[((fold == f) & (label == g)).sum() for f in range(5)] for g in range(4)])
    assert counts.min() > 0.5 * counts.mean()
    np.testing.assert_array_equal(fold, artist_folds(label, artist))
