from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.errors import SourceError
from rtgenre.training.literature.clips import UNKNOWN, open_clips
from rtgenre.training.literature.pieces import Maker, read_table
from rtgenre.training.literature.recipe import Inputs
from tests.training.literature.made import ARTISTS, CLIPS, GENRES

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.training.literature.clips import Clips

N = len(GENRES) * ARTISTS * CLIPS


def test_spectra_make_ten_pieces_of_thirty_four_frames(maker: Maker) -> None:
    pieces = maker.pieces(Inputs())
    assert pieces.x.shape == (10 * N, 34, 13)
    assert pieces.missing == 0
    assert np.array_equal(pieces.clip, np.repeat(np.arange(N), 10))
    assert maker.pieces(Inputs(pieces=1)).x.shape == (N, 344, 13)


def test_sound_makes_the_printed_pieces(gtzan: tuple[Path, Path, Path], tmp_path: Path) -> None:
    clips = open_clips(gtzan[0], gtzan[1], quiet=True)
    assert clips.knows_artists  # the file of spectra tells of the same names
    maker = Maker(clips.few(1), None, tmp_path)
    assert maker.pieces(Inputs()).x.shape[1:] == (130, 13)
    every = Inputs(features=("mfcc", "centroid", "chroma", "contrast", "zcr", "rms", "amplitude"))
    assert maker.pieces(every).x.shape[1:] == (130, 40)
    assert maker.pieces(Inputs(kind="statistics")).x.shape[1:] == (57,)


def test_spectra_and_sound_of_a_clip_agree(gtzan: tuple[Path, Path, Path], maker: Maker, tmp_path: Path) -> None:
    sound = open_clips(gtzan[0], gtzan[1], quiet=True)
    heard = Maker(sound, None, tmp_path).pieces(Inputs(kind="moments", pieces=1))
    told = maker.pieces(Inputs(kind="moments", pieces=1))
    names = {str(name): k for k, name in enumerate(maker.clips.names)}
    same = np.array([names[str(name)] for name in sound.names])
    means = np.abs(told.x[same, :13] - heard.x[:, :13])
    assert np.median(means) < 3.0  # dB; steps of 1.5 dB, and half of the bins interpolated


def test_a_folder_without_artists_says_so(gtzan: tuple[Path, Path, Path]) -> None:
    clips = open_clips(None, gtzan[1], quiet=True)
    assert (clips.artist == UNKNOWN).all()
    assert not clips.knows_artists
    assert "artists are not known" in clips.notes[-1]


def test_pieces_that_a_clip_is_too_short_for_are_counted(clips: Clips, tmp_path: Path) -> None:
    short = dataclasses.replace(clips.data, n_frames=np.full(N, 300))
    pieces = Maker(dataclasses.replace(clips, data=short, sha256="other"), None, tmp_path).pieces(Inputs())
    assert pieces.missing == 2 * N
    assert len(pieces.x) == 8 * N


def test_nothing_long_enough_is_one_clear_error(clips: Clips, tmp_path: Path) -> None:
    short = dataclasses.replace(clips.data, n_frames=np.full(N, 20))
    with pytest.raises(SourceError, match="long enough"):
        Maker(dataclasses.replace(clips, data=short, sha256="short"), None, tmp_path).pieces(Inputs())


def test_what_was_made_is_kept_and_a_broken_entry_made_again(clips: Clips, tmp_path: Path) -> None:
    few = clips.few(2)
    first = Maker(few, None, tmp_path).pieces(Inputs()).x
    (entry,) = tmp_path.iterdir()
    assert np.array_equal(Maker(few, None, tmp_path).pieces(Inputs()).x, first)
    entry.write_bytes(b"broken")
    assert np.array_equal(Maker(few, None, tmp_path).pieces(Inputs()).x, first)


def test_the_table_goes_by_names_and_must_know_every_clip(
    clips: Clips, gtzan: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    assert read_table(gtzan[2], clips).shape == (N, 2)
    lines = gtzan[2].read_text().splitlines()
    (tmp_path / "short.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(SourceError, match=r"lacks 1 clips, the first metal\.00007"):
        read_table(tmp_path / "short.csv", clips)
    (tmp_path / "other.csv").write_text("name,value\na,1\n")
    with pytest.raises(SourceError, match="table of clip statistics"):
        read_table(tmp_path / "other.csv", clips)


def test_a_few_clips_are_of_both_parts_and_every_label(clips: Clips) -> None:
    few = clips.few(6)
    for k in range(len(GENRES)):
        parts = few.part[few.label == k].tolist()
        assert len(parts) <= 6
        assert {"train", "valid"} == set(parts)


def test_without_anything_to_learn_from_the_way_is_told() -> None:
    with pytest.raises(SourceError, match=r"--data FILE\.npz"):
        open_clips(None, None)
