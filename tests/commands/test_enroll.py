"""``rtgenre enroll`` as its users meet it: made-up sounds, a made-up model, one's own labels in what is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from rtgenre.model.checkpoint import save
from tests import signals
from tests.in_process import here
from tests.model.small import checkpoint
from tests.test_daemon import one_error, rtgenre

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.real
RATE = 22050


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and six sounds of each of three kinds."""
    root = tmp_path_factory.mktemp("enroll")
    save(checkpoint(), root / "model")
    rng = np.random.default_rng(0)
    for kind in ("hum", "hiss", "tune"):
        (root / kind).mkdir()
        for k in range(6):
            n = RATE * 9
            sound = {
                "hum": lambda k=k, n=n: signals.on_noise(signals.square(n, 50.0 + 2 * k, 0.2), seed=k),
                "hiss": lambda k=k, n=n: signals.noise(n, seed=k, level=float(rng.uniform(0.05, 0.2))),
                "tune": lambda k=k, n=n: signals.music(n, seed=k),
            }[kind]()
            soundfile.write(root / kind / f"{kind}{k}.wav", sound, RATE)
    return root


def run(
    place: Path, folder: Path, *arguments: str, by: Callable[..., subprocess.CompletedProcess[bytes]] = here
) -> subprocess.CompletedProcess[bytes]:
    """A command with the made-up model and own labels in a folder; ``by=rtgenre`` starts a process for it."""
    done = by(
        *arguments, RTGENRE_MODEL__PATH=str(place / "model"), RTGENRE_LABELS__FOLDER=str(folder)
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def report_of(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def last_hop(place: Path, folder: Path, file: Path, *more: str) -> dict[str, Any]:
    return json.loads(run(place, folder, "tag", "--json", str(file), *more).stdout.splitlines()[-1])


def test_labels_are_learned_told_judged_and_forgotten(place: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    tunes = (str(place / "tune" / f"tune{k}.wav") for k in range(4))
    report_of(run(place, own, "enroll", "my tunes", *tunes, by=rtgenre))
    report_of(run(place, own, "enroll", "hiss", str(place / "hiss")))
    first = report_of(run(place, own, "enroll", "--noise", "hum", str(place / "hum")))
    assert {row["name"]: row["files"] for row in first["labels"]} == {"hiss": 6, "hum": 6, "my tunes": 4}
    assert first["accuracy"] >= 0.8, "three kinds of sound that any features tell apart"

    hop = last_hop(place, own, place / "tune" / "tune5.wav")
    assert max(hop["own"], key=hop["own"].__getitem__) == "my tunes"
    assert sum(hop["own"].values()) <= 1.0 + 1e-5
    assert set(hop["probs"]) == set(checkpoint().labels)
    without = last_hop(place, own, place / "tune" / "tune5.wav", "--no-own")
    assert without["own"] == {}
    assert without["probs"] == hop["probs"]

    more = report_of(run(place, own, "enroll", "My Tunes", str(place / "tune" / "tune4.wav")))
    assert {row["name"]: row["files"] for row in more["labels"]}["my tunes"] == 5
    judged = report_of(run(place, own, "enroll", "--report"))
    assert judged["labels"] == more["labels"]
    listed = report_of(run(place, own, "enroll", "--list"))
    assert [(label["name"], label["noise"]) for label in listed["labels"]] == [
        ("hiss", False),
        ("hum", True),
        ("my tunes", False),
    ]
    left = report_of(run(place, own, "enroll", "--remove", "HISS"))
    assert [row["name"] for row in left["labels"]] == ["hum", "my tunes"]
    assert set(last_hop(place, own, place / "tune" / "tune5.wav")["own"]) == {"hum", "my tunes"}
    for name in ("hum", "my tunes"):
        run(place, own, "enroll", "--remove", name)
    assert last_hop(place, own, place / "tune" / "tune5.wav")["own"] == {}
    assert [path for path in own.rglob("*") if path.is_file()] == []


def test_broken_silent_and_known_files_are_skipped_and_said(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sounds"
    folder.mkdir()
    (folder / "a broken.wav").write_bytes(b"RIFF, or not")
    soundfile.write(folder / "b silent.wav", np.zeros(RATE * 9), RATE)
    soundfile.write(folder / "c short.wav", signals.music(RATE * 2), RATE)
    (folder / "notes.txt").write_text("not sound")
    for k in range(2):
        (folder / f"d good{k}.wav").write_bytes((place / "tune" / f"tune{k}.wav").read_bytes())
    (folder / "e again.wav").write_bytes((place / "tune" / "tune0.wav").read_bytes())
    whole = (place / "tune" / "tune2.wav").read_bytes()
    (folder / "f cut off.wav").write_bytes(whole[: len(whole) * 2 // 3])
    done = run(place, tmp_path / "own", "enroll", "tunes", str(folder), str(tmp_path / "missing.wav"), by=rtgenre)
    assert done.returncode == 69, "something was skipped"
    (row,) = json.loads(done.stdout)["labels"]
    assert row["files"] == 3
    told = done.stderr.decode()
    for words in ("a broken.wav", "b silent.wav", "c short.wav", "e again.wav", "f cut off.wav", "missing.wav"):
        assert told.count(words) >= 1, words
    assert "d good" not in told
    assert "notes.txt" not in told


def test_what_cannot_be_is_one_clear_error(place: Path, tmp_path: Path) -> None:
    tunes = [str(place / "tune" / f"tune{k}.wav") for k in range(2)]
    own = tmp_path / "own"
    one_error(run(place, own, "enroll"), 2, "nothing to enrol", "--list")
    one_error(run(place, own, "enroll", "x", *tunes, "--list"), 2, "NAME and --list")
    one_error(run(place, own, "enroll", "x"), 2, "no sound file")
    one_error(run(place, own, "enroll", "Jazz", *tunes), 2, "'jazz' is a label of the model")
    one_error(run(place, own, "enroll", "../x", *tunes), 2, "letters, digits")
    one_error(run(place, own, "enroll", "x", tunes[0]), 2, "single file", "at least 2")
    one_error(run(place, own, "enroll", "--remove", "x"), 2, "no label 'x'")
    assert not own.exists()
    (tmp_path / "file").touch()
    one_error(run(place, tmp_path / "file", "enroll", "x", *tunes), 78, "cannot be written", "--labels")


def test_a_label_stays_of_its_kind(place: Path, tmp_path: Path) -> None:
    def kinds() -> dict[str, bool]:
        return {one["name"]: one["noise"] for one in report_of(run(place, own, "enroll", "--list"))["labels"]}

    own = tmp_path / "own"
    hums, tunes = ([str(place / kind / f"{kind}{k}.wav") for k in range(4)] for kind in ("hum", "tune"))
    report_of(run(place, own, "enroll", "--noise", "hum", *hums[:2]))
    assert b"noise" not in run(place, own, "enroll", "tunes", *tunes[:2]).stderr
    more = run(place, own, "enroll", "Hum", hums[2])
    assert {row["name"]: row["noise"] for row in report_of(more)["labels"]} == {"hum": True, "tunes": False}
    assert more.stderr.count(b"'hum' is noise, and stays it") == 1
    assert b"stays" not in run(place, own, "enroll", "--noise", "hum", hums[3]).stderr
    refused = run(place, own, "enroll", "--noise", "tunes", tunes[2])
    one_error(refused, 2, "'tunes' is a label of music", "leave --noise out", "--remove 'tunes'")
    assert kinds() == {"hum": True, "tunes": False}
    files = {one["name"]: len(one["files"]) for one in report_of(run(place, own, "enroll", "--list"))["labels"]}
    assert files == {"hum": 4, "tunes": 2}


def test_labels_of_other_weights_are_told_and_left_alone(place: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    report_of(run(place, own, "enroll", "tunes", str(place / "tune")))
    (folder,) = own.iterdir()
    folder.rename(own / "small-ffffffffffff")
    done = run(place, own, "tag", "--json", str(place / "tune" / "tune0.wav"))
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1])["own"] == {}
    assert done.stderr.count(b"other weights") == 1
    (own / "small-ffffffffffff").rename(folder)
    (folder / "own.head.npz").unlink()
    done = run(place, own, "tag", "--json", str(place / "tune" / "tune0.wav"))
    assert (done.returncode, b"--refit" in done.stderr) == (0, True)
    report_of(run(place, own, "enroll", "--refit"))
    assert set(last_hop(place, own, place / "tune" / "tune0.wav")["own"]) == {"tunes"}
