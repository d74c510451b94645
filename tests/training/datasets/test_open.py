from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rtgenre.errors import SourceError, UsageError
from rtgenre.training.datasets.clips import SoundFolder
from rtgenre.training.datasets.corpus import Corpus
from rtgenre.training.datasets.open import open_dataset
from tests.training.datasets import trees

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.training.datasets.interface import DataSet


def opened(path: Path) -> DataSet:
    return open_dataset(path, quiet=True, cache=path.parent / "cache")


def test_what_a_path_is_decides(tmp_path: Path, corpus_file: Path) -> None:
    spectra = opened(corpus_file)
    assert isinstance(spectra, Corpus)
    assert len(spectra.part("all")) == len(spectra.names) == len(spectra.part("train")) + len(spectra.part("valid"))
    trees.song(tmp_path / "set" / "rock" / "a.wav")
    folder = opened(tmp_path / "set")
    assert isinstance(folder, SoundFolder)
    assert list(folder.names) == ["rock/a"]
    fma = opened(trees.fma(tmp_path / "fma"))
    assert fma.labels == ("Hip-Hop", "Pop", "Rock")


def test_fma_beside_its_metadata(tmp_path: Path) -> None:
    assert len(opened(trees.fma(tmp_path / "music") / "fma_small").names) == 4


def test_labels_of_a_file_of_spectra_cannot_be_chosen(corpus_file: Path) -> None:
    assert open_dataset(corpus_file, labels=("low", "middle", "high")).labels == ("low", "middle", "high")
    with pytest.raises(UsageError, match="the data set has low, middle, high"):
        open_dataset(corpus_file, labels=("high", "low"))


@pytest.mark.parametrize("name", ["none", "none.npz", "text.csv", "empty"])
def test_anything_else_is_one_error_that_names_the_three_layouts(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.csv").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError) as caught:
        opened(tmp_path / name)
    for layout in ("file of spectra (.npz)", "folder for each label", "FMA (fma_small"):
        assert layout in caught.value.remedy


def test_a_path_or_limit_that_makes_no_sense_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read: File name too long"):
        opened(tmp_path / ("x" * 300))
    trees.song(tmp_path / "set" / "rock" / "a.wav")
    for limit_s in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="leaves no sound"):
            open_dataset(tmp_path / "set", limit_s=limit_s, quiet=True, cache=tmp_path / "cache")
