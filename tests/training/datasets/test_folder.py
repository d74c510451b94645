from __future__ import annotations

import logging
import pickle
import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rtgenre.errors import SourceError, UsageError
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.training.datasets import folder as folder_module
from rtgenre.training.datasets.corpus import read_corpus
from rtgenre.training.datasets.folder import open_folder
from tests import corpus
from tests.training.datasets import trees

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.training.datasets.clips import SoundFolder

SPEC = FrontendSpec()


def opened(path: Path, **more: Any) -> SoundFolder:
    return open_folder(path, SPEC, quiet=True, cache=path.parent / "cache", **more)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two labels with folders inside, as people keep their music."""
    for i, inside in enumerate(("rock/One/1.wav", "rock/One/2.flac", "rock/Two/1.wav", "jazz/a.ogg", "jazz/b.mp3")):
        trees.song(tmp_path / "set" / inside, i)
    return tmp_path / "set"


def test_a_folder_for_each_label(root: Path) -> None:
    got = opened(root)
    assert got.labels == ("jazz", "rock")
    assert list(got.names) == ["jazz/a", "jazz/b", "rock/One/1", "rock/One/2", "rock/Two/1"]
    assert got.label.tolist() == [0, 0, 1, 1, 1]
    assert set(got.split) == {"all"}
    assert got.artist.tolist() == [0, 1, 2, 3, 4]  # unknown: one for each file
    assert got.skipped == ()
    for clip in got.part("all"):
        power = got.power(int(clip), SPEC)
        assert power.shape == (got.n_frames[clip], 1025)
        assert power.dtype == np.float32
        assert got.samples(int(clip)).ndim == 1
    with pytest.raises(UsageError, match='"valid"'):
        got.part("valid")


def test_a_data_set_travels_to_other_processes(root: Path) -> None:
    got = opened(root)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(got)).power(2, SPEC), got.power(2, SPEC))  # noqa: S301


@pytest.mark.parametrize("top", ["", "genres", "genres_original", "Data/genres_original"])
def test_gtzan(tmp_path: Path, top: str) -> None:
    root = tmp_path / "gtzan"
    for i, name in enumerate(("blues/blues.00000.wav", "blues/blues.00001.wav", "jazz/jazz.00000.wav")):
        trees.song(root / top / name, i)
    (root / top / "jazz" / "jazz.00054.wav").write_bytes(b"\0" * 5000)
    got = opened(root)
    assert got.labels == ("blues", "jazz")
    assert list(got.names) == ["blues.00000", "blues.00001", "jazz.00000"]
    assert [s.what for s in got.skipped] == ["jazz/jazz.00054.wav"]
    assert "known" in got.skipped[0].why
    assert "is not a sound file" in got.skipped[0].why


def test_a_whole_jazz_00054_is_used(tmp_path: Path) -> None:
    trees.song(tmp_path / "gtzan" / "genres" / "jazz" / "jazz.00054.au")
    assert list(opened(tmp_path / "gtzan").names) == ["jazz.00054"]


def test_flat(tmp_path: Path, root: Path) -> None:
    for name in ("rock.00000.flac", "rock.00001.ogg", "hiphop.00007.wav", "notes.wav", "._rock.00000.flac"):
        trees.song(tmp_path / "flat" / "x.wav").rename(tmp_path / "flat" / name)
    got = opened(tmp_path / "flat")
    assert got.labels == ("hiphop", "rock")
    assert list(got.names) == ["hiphop.00007", "rock.00000", "rock.00001"]
    assert [s.what for s in got.skipped] == ["notes.wav"]
    shutil.copy(tmp_path / "flat" / "notes.wav", root / "pop.00000.wav")
    assert [s.what for s in opened(root).skipped] == ["pop.00000.wav"]  # flat beside folders is left aside, and told


def test_what_cannot_be_used_is_skipped_and_told(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    trees.song(root / "rock" / "short.wav", seconds=0.8)
    trees.write(root / "rock" / "silent.wav", np.full(44100, 1e-4, np.float32))
    trees.write(root / "rock" / "nothing.wav", np.zeros(0, np.float32))
    (root / "jazz" / "zero.flac").touch()
    (root / "jazz" / "text.mp3").write_text("<html>not found</html>")
    (root / "jazz" / "phone.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    (root / "jazz" / "gone.wav").symlink_to(root / "nowhere.wav")
    (root / "jazz" / "cover.jpg").touch()
    (root / "jazz" / ".DS_Store").touch()
    cut = trees.song(root / "rock" / "cut.wav", seconds=5)
    cut.write_bytes(cut.read_bytes()[:50_000])
    with caplog.at_level(logging.WARNING):
        got = opened(root)
    why = {s.what: s.why for s in got.skipped}
    assert len(got.names) == 5
    expected = {
        "rock/short.wav": "too short",
        "rock/silent.wav": "is silent",
        "rock/nothing.wav": "holds no sound",
        "jazz/zero.flac": "is empty",
        "jazz/text.mp3": "not a sound file|no sound",
        "jazz/phone.m4a": "not a sound file",
        "jazz/gone.wav": "No such file",
        "1 file in jazz": r"\.jpg",
        "rock/cut.wav": "cut off",
    }
    assert set(why) == set(expected)
    for what, pattern in expected.items():
        assert re.search(pattern, why[what]), (what, why[what])
        assert any(what in record.message for record in caplog.records)
    assert len(caplog.records) == len(expected)
    assert opened(root).skipped == got.skipped  # from the cache too


def test_a_folder_without_any_use_is_one_clear_error(tmp_path: Path) -> None:
    root = tmp_path / "set"
    with pytest.raises(SourceError, match="no folder") as caught:
        opened(root)
    for layout in (".npz", "LABEL/clip.wav", "LABEL.00000.wav", "tracks.csv"):
        assert layout in caught.value.remedy
    root.mkdir()
    with pytest.raises(SourceError, match="no sound files"):
        opened(root)
    trees.song(root / "song.wav")
    with pytest.raises(SourceError, match=r"no labelled sound files.*song\.wav has no label"):
        opened(root)
    trees.song(root / "rock" / "short.wav", seconds=0.5)
    with pytest.raises(SourceError, match="none of 1 sound files can be used") as caught:
        opened(root)
    assert "three layouts" in caught.value.remedy


def test_folders_of_splits(tmp_path: Path) -> None:
    root = tmp_path / "set"
    trees.song(root / "train" / "rock" / "a.wav", 0)
    trees.song(root / "train" / "jazz" / "b.wav", 1)
    trees.song(root / "valid" / "rock" / "a.wav", 2)
    trees.song(root / "test" / "rock.00000.wav", 3)
    trees.song(root / "old" / "c.wav", 4)
    got = opened(root)
    assert got.labels == ("jazz", "rock")
    assert dict(zip(got.names, got.split, strict=True)) == {
        "train/jazz/b": "train",
        "train/rock/a": "train",
        "valid/rock/a": "valid",
        "rock.00000": "test",
    }
    assert [s.what for s in got.skipped] == ["old"]
    assert len(got.part("train")) == 2
    assert len(got.part("all")) == 4


def test_a_label_may_be_called_train(tmp_path: Path) -> None:
    trees.song(tmp_path / "set" / "train" / "steam.wav")
    trees.song(tmp_path / "set" / "tram" / "bell.wav")
    assert opened(tmp_path / "set").labels == ("train", "tram")


SPLITS = """File, split, artist
rock/One/1.wav,train,Ann
2.flac,train,Ann
rock\\Two\\1.wav,valid,Bob
a,valid,
nowhere.wav,train,Cy
"""


def test_splits_csv(root: Path) -> None:
    (root / "splits.csv").write_text("\ufeff" + SPLITS, encoding="utf-8")
    got = opened(root)
    assert dict(zip(got.names, got.split, strict=True)) == {
        "rock/One/1": "train",
        "rock/One/2": "train",
        "rock/Two/1": "valid",
        "jazz/a": "valid",
    }
    artist = dict(zip(got.names, got.artist, strict=True))
    assert artist["rock/One/1"] == artist["rock/One/2"]
    assert len(set(got.artist)) == 3
    assert {(s.what, s.why) for s in got.skipped} == {
        ("nowhere.wav", "named in splits.csv, but not here"),
        ("jazz/b.mp3", "is not in splits.csv"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the columns none"),
        ("name,part\nx,train\n", "the columns name, part"),
        ("file,split\n1.wav,train\n", "line 2: '1.wav' means 2 files"),
        ("file,split\na.ogg,train\njazz/a.ogg,valid\n", "line 3: .* named before"),
        ("file,split\na.ogg,\n", "line 2: file or split is missing"),
        ("file,split\na.ogg,\udcff\n", "cannot be read"),
    ],
)
def test_a_wrong_splits_csv_is_one_clear_error(root: Path, text: str, message: str) -> None:
    (root / "splits.csv").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(SourceError, match=message):
        opened(root)


def test_labels_may_be_given(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        got = opened(root, labels=("rock", "pop", "jazz"))
    assert got.labels == ("rock", "pop", "jazz")
    assert got.label.tolist() == [2, 2, 0, 0, 0]
    assert "no clip of label pop" in caplog.text
    got.require_labels(("rock", "pop", "jazz"))
    with pytest.raises(UsageError, match="the model knows jazz, rock"):
        got.require_labels(("jazz", "rock"))
    with pytest.raises(UsageError, match="'jazz' is not known"):
        opened(root, labels=("rock", "pop"))


def test_the_fingerprint_is_of_the_content(root: Path, tmp_path: Path) -> None:
    before = opened(root).sha256
    shutil.copytree(root, tmp_path / "elsewhere")
    assert opened(tmp_path / "elsewhere").sha256 == before
    assert opened(root, limit_s=1.2).sha256 != before
    (root / "jazz" / "a.ogg").rename(root / "rock" / "a.ogg")
    moved = opened(root).sha256
    assert moved != before
    trees.song(root / "rock" / "a.ogg", 77)
    assert opened(root).sha256 not in (before, moved)


def test_names_stay_unique(tmp_path: Path) -> None:
    trees.song(tmp_path / "set" / "rock" / "rock.00000.wav", 0)
    trees.song(tmp_path / "set" / "rock" / "rock.00000.flac", 1)
    assert set(opened(tmp_path / "set").names) == {"rock/rock.00000.wav", "rock/rock.00000.flac"}


def test_another_framing_or_a_changed_file_is_refused(root: Path) -> None:
    got = opened(root)
    with pytest.raises(UsageError, match="opened for"):
        got.power(0, FrontendSpec(hop=1024))
    trees.song(got.paths[0], 5, seconds=4)
    with pytest.raises(SourceError, match="was changed"):
        got.power(0, SPEC)


def test_an_interrupt_ends_reading(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder_module.SpectraCache, "facts", interrupt)
    with pytest.raises(KeyboardInterrupt):
        opened(root)


@corpus.needs_audio
@corpus.needs_spectra
@pytest.mark.data
def test_real_clips_agree_with_their_published_spectra(tmp_path: Path) -> None:
    names = ("blues.00000.flac", "jazz.00001.ogg", "metal.00002.ogg")
    for name in names:
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / name).symlink_to(corpus.AUDIO / name)
    got, published = opened(tmp_path / "set"), read_corpus(corpus.SPECTRA)
    assert got.labels == ("blues", "jazz", "metal")
    for clip, name in enumerate(got.names):
        (there,) = np.flatnonzero(published.names == name)
        assert got.n_frames[clip] == published.n_frames[there] == 344
        bins = published.fft_bins[published.fft_bins < 600]  # Vorbis has little above
        mine, theirs = got.power(clip, SPEC)[:, bins], published.power(int(there), SPEC)[:, bins]
        both = (mine > 1e-9) & (theirs > 1e-9)
        away = 10 * np.log10(mine[both] / theirs[both])
        assert abs(np.median(away)) < 1.0
        assert np.median(np.abs(away)) < 3.0
