"""``rtgenre train`` as its users meet it, up to where training begins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rtgenre.training import train
from tests.in_process import here
from tests.test_daemon import one_error
from tests.training.datasets import trees

if TYPE_CHECKING:
    import subprocess

    from rtgenre.training.settings import TrainSettings

pytestmark = pytest.mark.real


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Enough files of two labels, and of three others too few, whichever of them happens to be held out."""
    for name, files in (("folk", 5), ("ska", 6), ("polka", 1), ("tango", 2), ("waltz", 4)):
        for k in range(files):
            trees.song(tmp_path / "music" / name / f"{k}.wav", seed=k)
    return tmp_path / "music"


def run(tmp_path: Path, music: Path, out: Path) -> subprocess.CompletedProcess[bytes]:
    cache = str(tmp_path / "cache")
    return here("train", "--data", str(music), "--out", str(out), "-q", XDG_CACHE_HOME=cache)


def test_every_label_with_too_few_clips_is_named_and_nothing_is_left_behind(tmp_path: Path, music: Path) -> None:
    done = run(tmp_path, music, tmp_path / "some" / "model")
    one_error(done, 2, "polka (1), tango (2), waltz (4)", "at least five files")
    assert b"folk (" not in done.stderr
    assert b"ska (" not in done.stderr
    assert not (tmp_path / "some").exists()


def test_a_part_without_a_label_names_it(tmp_path: Path) -> None:
    for split, names in (("train", ("folk", "ska", "tango")), ("valid", ("folk", "ska")), ("test", ("folk", "waltz"))):
        for name in names:
            trees.song(tmp_path / "music" / split / name / f"{split}.wav")
    one_error(run(tmp_path, tmp_path / "music", tmp_path / "model"), 2, "tango (1), waltz (1)", "train and in valid")
    assert not (tmp_path / "model").exists()


def test_where_nothing_can_be_written_is_known_at_once(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "run", lambda *_: pytest.fail("the work has begun"))
    (tmp_path / "file").touch()
    for out, words in ((tmp_path / "file" / "model", "Not a directory"), (tmp_path / "file", "File exists")):
        one_error(run(tmp_path, music, out), 69, f"'{out}' cannot be made: {words}", "choose another place")
    one_error(run(tmp_path, music, Path("/proc/x")), 69, "'/proc/x' cannot be made", "choose another")


def test_an_interruption_says_that_the_same_command_goes_on(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "run", interrupted)
    done = run(tmp_path, music, tmp_path / "model")
    assert done.returncode == 130
    told = done.stderr.decode().strip().splitlines()
    assert told == ["rtgenre: interrupted: what was finished is kept, and the same command goes on from there"]
    assert done.stdout == b""


def test_a_model_is_called_after_its_folder_unless_told(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def begun(settings: TrainSettings, _: object) -> dict[str, object]:
        asked.append((settings.id, settings.streams))
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "run", begun)
    for more in ((), ("--name", "mine", "--no-streams")):
        here("train", "--data", str(music), "--out", str(tmp_path / "tango nights"), *more)
    assert asked == [("tango nights", True), ("mine", False)]
