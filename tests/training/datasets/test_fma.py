from __future__ import annotations

import csv
import logging
from typing import TYPE_CHECKING

import pytest

from rtgenre.errors import SourceError
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.training.datasets.fma import open_fma
from tests.training.datasets import trees

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.training.datasets.clips import SoundFolder

SPEC = FrontendSpec()


def opened(path: Path, cache: Path) -> SoundFolder:
    return open_fma(path, SPEC, quiet=True, cache=cache)


@pytest.mark.parametrize("given", [".", "fma_small"])
def test_small(tmp_path: Path, given: str) -> None:
    root = trees.fma(tmp_path / "fma")
    got = opened(root / given, tmp_path / "cache")
    assert got.labels == ("Hip-Hop", "Pop", "Rock")
    assert list(got.names) == ["000002", "000005", "000010", "000140"]
    assert list(got.split) == ["train", "train", "valid", "test"]
    assert got.label.tolist() == [0, 0, 1, 2]
    assert got.artist[0] == got.artist[1]
    assert len(set(got.artist)) == 3
    assert got.skipped == ()
    assert got.power(0, SPEC).shape == (got.n_frames[0], 1025)
    assert csv.field_size_limit() == 131072  # put back


def test_medium_contains_small(tmp_path: Path) -> None:
    got = opened(trees.fma(tmp_path / "fma", "fma_medium"), tmp_path / "cache")
    assert list(got.names) == ["000002", "000005", "000010", "000140", "001041"]


def test_small_and_medium_must_be_told_apart(tmp_path: Path) -> None:
    root = trees.fma(tmp_path / "fma")
    (root / "fma_medium").mkdir()
    with pytest.raises(SourceError, match="fma_small and fma_medium"):
        opened(root, tmp_path / "cache")


def test_broken_and_absent_tracks_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = trees.fma(tmp_path / "fma")
    (root / "fma_small" / "000" / "000005.mp3").write_bytes(b"")
    (root / "fma_small" / "000" / "000010.mp3").unlink()
    with caplog.at_level(logging.WARNING):
        got = opened(root, tmp_path / "cache")
    assert list(got.names) == ["000002", "000140"]
    assert [(s.what, s.why) for s in got.skipped] == [
        ("000/000010.mp3", "in tracks.csv, but not here"),
        ("000/000005.mp3", "is empty"),
    ]
    assert len(caplog.records) == 2


def test_one_clear_error(tmp_path: Path) -> None:
    root = trees.fma(tmp_path / "fma")
    table = root / "fma_metadata" / "tracks.csv"
    with pytest.raises(SourceError, match=r"no tracks\.csv"):
        opened(tmp_path, tmp_path / "cache")
    (root / "fma_small").rename(root / "elsewhere")
    with pytest.raises(SourceError, match="none of the 5 tracks"):
        opened(root, tmp_path / "cache")
    for content in ("", "id,name\n1,x\n", "a,b\n\n"):
        table.write_text(content)
        with pytest.raises(SourceError, match="is not FMA's"):
            opened(root, tmp_path / "cache")
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="cannot be read"):
        opened(root, tmp_path / "cache")
