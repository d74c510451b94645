from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.errors import SourceError
from rtgenre.training.arrays import read_arrays

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.npz"
    np.savez_compressed(path, a=np.arange(500), b=np.array(["x", "yy"]), c=np.zeros(3))
    return path


def test_the_wanted_arrays_come_with_the_hash_of_the_file(file: Path) -> None:
    arrays, sha256 = read_arrays(file, ("a", "b"), "thing")
    assert sorted(arrays) == ["a", "b"]
    np.testing.assert_array_equal(arrays["a"], np.arange(500))
    assert sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_what_is_missing_is_named(file: Path) -> None:
    with pytest.raises(SourceError, match=r"not a corpus of things: 'd ") as caught:
        read_arrays(file, ("a", "d"), "corpus of things")
    assert caught.value.remedy == "it must be an .npz with a, d"
    with pytest.raises(SourceError, match=r"cannot read .*none.npz: No such file"):
        read_arrays(file.with_name("none.npz"), ("a",), "thing")


def test_pickled_objects_are_not_unpacked(tmp_path: Path) -> None:
    np.savez(tmp_path / "odd.npz", a=np.array([{}], object))
    with pytest.raises(SourceError, match="not a thing"):
        read_arrays(tmp_path / "odd.npz", ("a",), "thing")


@pytest.mark.filterwarnings("ignore:Reading `.npy`")  # numpy's remark on a damaged header that it could still read
def test_a_damaged_file_is_one_clear_error_or_is_read(file: Path) -> None:
    good, rng, said = file.read_bytes(), np.random.default_rng(0), []
    for _ in range(1000):
        bad = bytearray(good)
        bad[rng.integers(len(bad))] = rng.integers(256)
        file.write_bytes(bad)
        try:
            read_arrays(file, ("a", "b", "c"), "thing")
        except SourceError as error:
            said.append(error.message)
    assert len(said) > 500
    assert all(str(file) in message for message in said)
    np.save(file.with_name("single.npy"), np.arange(3))
    with pytest.raises(SourceError, match="not a thing"):
        read_arrays(file.with_name("single.npy"), ("a",), "thing")
