from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.errors import LabelError
from rtgenre.labels.head import learn
from rtgenre.labels.store import HEAD_FILE, Store
from tests.labels.made import background, examples

if TYPE_CHECKING:
    from pathlib import Path

SHA = "0123456789abcdef" * 4
WIDTH = 24


def store(root: Path, sha256: str = SHA, width: int = WIDTH) -> Store:
    return Store(root, "gtzan-lstm", sha256, width)


def test_labels_and_head_come_back_as_they_were(tmp_path: Path) -> None:
    kept = store(tmp_path / "not" / "there yet")
    assert kept.names() == []
    assert kept.read_head() is None
    labels = [examples("dub techno", np.zeros(WIDTH)), examples("Kühlschrank", np.ones(WIDTH), noise=True, seed=1)]
    head, _ = learn(labels, background())
    for label in labels:
        kept.write(label)
    kept.write_head(head)
    assert kept.folder.name == "gtzan-lstm-0123456789ab"
    assert kept.names() == ["dub techno", "Kühlschrank"]
    assert kept.known("DUB techno") == "dub techno"
    back = kept.read_all()
    for label, found in zip(labels, back, strict=True):
        assert (found.name, found.noise, found.files, found.sha256) == (
            label.name, label.noise, label.files, label.sha256,
        )  # fmt: skip
        np.testing.assert_array_equal(found.windows, label.windows)
        np.testing.assert_array_equal(found.file, label.file)
    again = kept.read_head()
    assert again is not None
    assert (again.names, again.noise) == (("dub techno", "Kühlschrank"), (False, True))
    x = np.random.default_rng(0).standard_normal((5, WIDTH)).astype(np.float32)
    np.testing.assert_array_equal(again.log_posterior(x), head.log_posterior(x))


def test_more_files_are_added(tmp_path: Path) -> None:
    both = examples("a", np.zeros(WIDTH), files=2).with_more(examples("a", np.ones(WIDTH), files=3, seed=1))
    assert len(both.files) == 5
    assert sorted(set(both.file.tolist())) == [0, 1, 2, 3, 4]
    kept = store(tmp_path)
    kept.write(both)
    assert len(kept.read("a").windows) == len(both.windows)


def test_what_was_learned_with_other_weights_is_seen_but_not_used(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.write(examples("dub", np.zeros(WIDTH)))
    other = store(tmp_path, "f" * 64)
    assert other.names() == []
    assert other.read_head() is None
    assert other.others() == [kept.folder.name]
    assert kept.others() == []
    kept.folder.rename(other.folder)  # somebody moves it by hand
    with pytest.raises(LabelError, match="belongs to weights 0123456789ab"):
        other.read("dub")


def test_broken_files_are_one_clear_error(tmp_path: Path) -> None:
    kept = store(tmp_path)
    label = examples("dub", np.zeros(WIDTH))
    kept.write(label)
    with pytest.raises(LabelError, match="--refit"):
        kept.read_head()
    kept.write_head(learn([label, examples("other", np.ones(WIDTH))], background())[0])
    with pytest.raises(LabelError, match="not learned from the labels beside it"):
        kept.read_head()
    for content in (b"", b"PK\x03\x04 half a zip", b"nothing of the kind"):
        (kept.folder / HEAD_FILE).write_bytes(content)
        with pytest.raises(LabelError, match="is broken"):
            kept.read_head()
        (kept.folder / "dub.npz").write_bytes(content)
        with pytest.raises(LabelError, match="is broken"):
            kept.read("dub")
    np.savez(kept.folder / "dub.npz", format=np.array(1), weights_sha256=np.array(SHA), noise=np.array(False))
    with pytest.raises(LabelError, match="is broken"):
        kept.read("dub")
    np.savez(kept.folder / "dub.npz", evil=np.array([object()], dtype=object))
    with pytest.raises(LabelError, match="is broken"):
        kept.read("dub")
    narrow = store(tmp_path, width=WIDTH - 1)
    kept.write(label)
    with pytest.raises(LabelError, match="do not belong together"):
        narrow.read("dub")


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabelError, match="cannot be written"):
        store(tmp_path / "file").write(examples("dub", np.zeros(WIDTH)))
