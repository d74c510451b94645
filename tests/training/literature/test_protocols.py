"""What may lie on both sides: the whole point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.training.literature.clips import UNKNOWN
from rtgenre.training.literature.pieces import Pieces
from rtgenre.training.literature.protocols import PROTOCOLS, VALID, rounds, split
from rtgenre.training.literature.recipe import Shares

if TYPE_CHECKING:
    from rtgenre.training.literature.protocols import Protocol

N_CLIPS, PER_CLIP = 120, 10


def pieces(unknown: int = 0) -> Pieces:
    """Three genres of ten artists of four clips of ten pieces."""
    clip = np.repeat(np.arange(N_CLIPS), PER_CLIP)
    artist = clip // 4
    part = np.where(artist % 10 < 7, "train", "valid")
    artist = np.where(clip < unknown, UNKNOWN, artist)
    return Pieces(np.zeros((len(clip), 1)), clip, clip // 40, artist, part, 0, 3)


ALL = [(protocol, name) for protocol in PROTOCOLS for name in rounds(protocol, Shares())]


@pytest.mark.parametrize(("protocol", "name"), ALL)
def test_no_piece_is_in_two_parts(protocol: Protocol, name: str) -> None:
    parted = split(protocol, name, Shares(), pieces(), seed=1)
    together = np.concatenate((parted.train, parted.valid, parted.test))
    assert len(np.unique(together)) == len(together)
    assert min(map(len, (parted.train, parted.valid, parted.test))) > 0


def test_as_published_nearly_every_clip_is_on_both_sides() -> None:
    p = pieces()
    parted = split("published", "run0", Shares(test=0.3), p, seed=0)
    assert len(parted.test) == 360
    assert len(np.intersect1d(p.clip[parted.train], p.clip[parted.test])) > 0.9 * N_CLIPS


def test_clip_wise_no_clip_is_but_artists_are() -> None:
    p = pieces()
    parted = split("clips", "run0", Shares(test=0.3), p, seed=0)
    learned = np.concatenate((parted.train, parted.valid))
    assert not len(np.intersect1d(p.clip[learned], p.clip[parted.test]))
    assert not len(np.intersect1d(p.clip[parted.train], p.clip[parted.valid]))
    assert len(np.intersect1d(p.artist[learned], p.artist[parted.test]))
    assert len(parted.test) == 360


@pytest.mark.parametrize("name", rounds("artists", Shares()))
def test_artist_filtered_no_artist_is(name: str) -> None:
    p = pieces()
    parted = split("artists", name, Shares(), p, seed=0)
    for one, other in ((parted.train, parted.test), (parted.valid, parted.test), (parted.train, parted.valid)):
        assert not len(np.intersect1d(p.artist[one], p.artist[other]))
    if name == VALID:
        assert set(p.part[parted.test]) == {"valid"}
        assert set(p.part[np.concatenate((parted.train, parted.valid))]) == {"train"}


def test_folds_answer_every_piece_once() -> None:
    p = pieces()
    for protocol, shares in (("artists", Shares()), ("published", Shares(folds=5))):
        names = [name for name in rounds(protocol, shares) if name.startswith("fold")]  # type: ignore[arg-type]
        tested = np.concatenate([split(protocol, name, shares, p, seed=0).test for name in names])  # type: ignore[arg-type]
        assert sorted(tested) == list(range(len(p.clip)))


def test_clips_of_unknown_artists_stay_out_where_artists_are_parted() -> None:
    p = pieces(unknown=10)
    for name in rounds("artists", Shares()):
        parted = split("artists", name, Shares(), p, seed=0)
        assert (p.artist[np.concatenate((parted.train, parted.valid, parted.test))] != UNKNOWN).all()


def test_the_test_part_is_the_same_whatever_is_learned_from() -> None:
    p = pieces()
    for protocol, name in (("published", "run0"), ("artists", VALID)):
        whole = split(protocol, name, Shares(), p, seed=0)  # type: ignore[arg-type]
        half = split(protocol, name, Shares(), p, seed=0, amount=0.5)  # type: ignore[arg-type]
        assert np.array_equal(whole.test, half.test)
        assert len(half.train) == pytest.approx(len(whole.train) / 2, rel=0.2)
        assert len(np.unique(p.label[half.train])) == 3


def test_seeds_and_runs_draw_differently_and_the_same_again() -> None:
    p = pieces()
    first = split("published", "run0", Shares(runs=2), p, seed=0)
    assert np.array_equal(first.test, split("published", "run0", Shares(runs=2), p, seed=0).test)
    assert not np.array_equal(first.test, split("published", "run1", Shares(runs=2), p, seed=0).test)
    assert not np.array_equal(first.test, split("published", "run0", Shares(runs=2), p, seed=1).test)
