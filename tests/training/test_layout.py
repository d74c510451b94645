from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rtgenre.errors import SourceError
from rtgenre.training.datasets.open import open_dataset
from rtgenre.training.recipe import SPEC
from rtgenre.training.teacher import read_teacher
from tests.training.teacher_file import write_teacher

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Arrays = dict[str, Any]

CORPUS: dict[str, tuple[Callable[[Arrays], Any], list[str]]] = {
    "names": (lambda a: a["names"][:3], ["names has shape (3,)", "expected 36 clips, as power_db has"]),
    "genre": (lambda a: a["genre"][:-1], ["genre has shape (35,)", "expected 36 clips"]),
    "split": (lambda a: a["split"][:, None], ["split has shape (36, 1)", "expected split (clips,)"]),
    "artist_id": (lambda a: np.append(a["artist_id"], 0), ["artist_id has shape (37,)", "expected 36 clips"]),
    "power_db": (lambda a: a["power_db"][0], ["power_db has shape (515, 40)", "power_db (clips, bins, hops)"]),
    "n_frames": (lambda a: a["n_frames"] + 9, ["n_frames is 49 for clip 0", "0 to 40", "40 hops"]),
    "fft_bins": (lambda a: a["fft_bins"][1:], ["fft_bins has shape (514,)", "expected 515 bins, as power_db has"]),
    "genres": (lambda a: a["genres"][:0], ["genres has shape (0,)", "no labels"]),
}


def told(path: Path, arrays: Arrays) -> SourceError:
    np.savez(path, **arrays)
    with pytest.raises(SourceError) as caught:
        open_dataset(path)
    return caught.value


@pytest.fixture
def arrays(corpus_file: Path) -> Arrays:
    with np.load(corpus_file) as opened:
        return dict(opened)


@pytest.mark.parametrize("name", CORPUS)
def test_an_array_that_does_not_fit_is_named(arrays: Arrays, tmp_path: Path, name: str) -> None:
    changed, words = CORPUS[name]
    error = told(tmp_path / "odd.npz", arrays | {name: changed(arrays)})
    assert error.message.startswith(f"{tmp_path / 'odd.npz'} is not a corpus of spectra: ")
    assert [word for word in words if word not in error.message] == [], error.message
    assert "power_db (clips, bins, hops)" in error.remedy
    assert "genres (labels,)" in error.remedy


def test_no_clips_at_all(arrays: Arrays, tmp_path: Path) -> None:
    of_clips = ("power_db", "n_frames", "names", "genre", "split", "artist_id")
    error = told(tmp_path / "odd.npz", arrays | {name: arrays[name][:0] for name in of_clips})
    assert "power_db has shape (0, 515, 40): there are no clips in it" in error.message


def test_other_values_than_are_counted_on(arrays: Arrays, tmp_path: Path) -> None:
    error = told(tmp_path / "odd.npz", arrays | {"power_db": arrays["power_db"].astype(np.float32)})
    assert "power_db holds float32, expected unsigned bytes" in error.message
    error = told(tmp_path / "odd.npz", arrays | {"artist_id": arrays["names"]})
    assert "artist_id holds <U10, expected integers" in error.message
    error = told(tmp_path / "odd.npz", arrays | {"fft_bins": arrays["fft_bins"][::-1].astype(np.uint32)})
    assert "each above the one before" in error.message
    error = told(tmp_path / "odd.npz", arrays | {"n_frames": -arrays["n_frames"]})
    assert "n_frames is -40 for clip 0" in error.message


def test_a_teachers_arrays_are_looked_at_too(tmp_path: Path) -> None:
    path = write_teacher(tmp_path / "teacher.npz", clips=10)
    with np.load(path) as opened:
        arrays = dict(opened)
    np.savez(path, **arrays | {"vggish": arrays["vggish"][:3]})
    with pytest.raises(SourceError, match=r"vggish has shape \(3, 128\), expected 10 clips, as mfcc has"):
        read_teacher(path, SPEC)
