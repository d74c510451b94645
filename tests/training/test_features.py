from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.errors import UsageError
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend
from rtgenre.training.features import SequenceSettings, cached_sequences, clip_frames, frames_of, make_sequences
from rtgenre.training.spectra import Corpus, read_corpus
from tests.training.corpus import HOPS

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = SequenceSettings(copies=2, hops=32, joined=0.5, seed=3)


@pytest.fixture(scope="module")
def corpus(corpus_file: Path) -> Corpus:
    return read_corpus(corpus_file)


def test_a_clip_gives_a_frame_a_hop_from_a_fresh_state(corpus: Corpus) -> None:
    frontend = Frontend(FrontendSpec())
    frames = clip_frames(corpus, 0, frontend)
    assert frames.shape == (HOPS, FrontendSpec().n_features)
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, frames_of(corpus.power(0, FrontendSpec()), frontend))


def test_sequences_have_their_shape_labels_and_seed(corpus: Corpus) -> None:
    spec, train = FrontendSpec(), corpus.part("train")
    made = make_sequences(corpus, train, spec, SETTINGS, range(2))
    assert made.frames.shape == (2 * len(train), 32, spec.n_features)
    assert made.label.shape == made.frames.shape[:2]
    np.testing.assert_array_equal(made.label[: len(train), -1], corpus.label[train])
    joined = (made.label[:, 0] != made.label[:, -1]).mean()
    assert 0.1 < joined < 0.6
    again = make_sequences(corpus, train, spec, SETTINGS, range(2))
    np.testing.assert_array_equal(made.frames, again.frames)
    other = make_sequences(corpus, train, spec, dataclasses.replace(SETTINGS, seed=4), range(2))
    assert not np.array_equal(made.frames, other.frames)


def test_the_cache_answers_only_for_what_it_was_made_of(corpus: Corpus, tmp_path: Path) -> None:
    spec, train = FrontendSpec(), corpus.part("train")
    made = cached_sequences(corpus, train, spec, SETTINGS, range(2), tmp_path)
    untouched = iter(range(2))
    kept = cached_sequences(corpus, train, spec, SETTINGS, untouched, tmp_path)
    assert next(untouched) == 0, "the cache answered, so nothing was made"
    np.testing.assert_array_equal(made.frames, kept.frames)
    np.testing.assert_array_equal(made.label, kept.label)
    cached_sequences(corpus, train, FrontendSpec(n_mfcc=13), SETTINGS, range(2), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_clips_shorter_than_a_sequence_are_refused(corpus: Corpus) -> None:
    settings = SequenceSettings(hops=HOPS)
    with pytest.raises(UsageError, match="39"):
        make_sequences(corpus, np.array([len(corpus.names) - 1]), FrontendSpec(), settings, range(1))
