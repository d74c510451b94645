"""``rtgenre eval`` as its users meet it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtgenre.model import checkpoint as checkpoints
from rtgenre.posterior.decision import PolicySettings
from rtgenre.training.datasets.open import open_dataset
from rtgenre.training.evaluation import run
from tests import corpus, signals
from tests.in_process import here
from tests.test_daemon import one_error, rtgenre
from tests.training.corpus import write_corpus

SHIPPED = Path(__file__).parents[2] / "models" / "gtzan-lstm"
pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up corpus of genres that the shipped model knows."""
    path = write_corpus(tmp_path_factory.mktemp("known") / "known.npz")
    with np.load(path) as arrays:
        changed = dict(arrays)
    names = dict(zip(("low", "middle", "high"), ("blues", "jazz", "rock"), strict=True))
    changed["genre"] = np.array([names[name] for name in changed["genre"]])
    changed["genres"] = np.array([names[name] for name in changed["genres"]])
    np.savez_compressed(path, **changed)
    return path


def test_a_file_of_spectra_becomes_figures_and_a_report(known: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    done = rtgenre(
        "eval", "--data", str(known), "--split", "valid", "--json", str(tmp_path / "a" / "b.json"),
        "--out", str(out), "--limit", "6", "--no-streams", "--quiet",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "a" / "b.json").read_text())
    assert json.loads(done.stdout) == figures
    assert set(figures["accuracy"]) == {"1", "3", "5", "10", "30"}
    assert 0.0 <= figures["ece"] <= 1.0
    assert figures["clips"] == 6
    assert figures["data"]["file"] == "known.npz"
    assert figures["settings"]["policy"]["smoothing_s"] == PolicySettings().smoothing_s
    assert json.loads((out / "eval.json").read_text()) == figures
    assert {path.suffix for path in out.iterdir()} == {".json", ".md", ".png"}


def test_a_model_measured_on_what_it_learned_from_says_so(known: Path, tmp_path: Path) -> None:
    model = checkpoints.load(SHIPPED)
    taught = {"corpus_sha256": open_dataset(known).sha256, "splits": ["train"]}
    checkpoints.save(dataclasses.replace(model, training=taught), tmp_path / "model")
    for split, learned in (("train", True), ("valid", False)):
        done = here(
            "eval", "--data", str(known), "--split", split, "--model", str(tmp_path / "model"),
            "--out", str(tmp_path / split), "--limit", "3", "--no-streams", "-q",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["model_learned_from_this"] is learned
        assert done.stderr.count(b"learned from these very clips") == learned
        assert ("learned from these very clips" in (tmp_path / split / "report.md").read_text("utf-8")) == learned


def test_a_folder_of_sound_with_a_broken_file(tmp_path: Path) -> None:
    for k, label in enumerate(("blues", "rock")):
        (tmp_path / "sound" / label).mkdir(parents=True)
        soundfile.write(tmp_path / "sound" / label / "a.wav", signals.music(22050 * 4, seed=k), 22050)
    (tmp_path / "sound" / "rock" / "b.wav").write_bytes(b"RIFF, or not")
    (tmp_path / "other" / "noise").mkdir(parents=True)
    soundfile.write(tmp_path / "other" / "noise" / "n.wav", signals.noise(22050 * 2), 22050)
    done = rtgenre(
        "eval", "--audio", str(tmp_path / "sound"), "--not-music", str(tmp_path / "other"), "--no-streams", "-q",
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["clips"] == 2
    assert figures["data"]["heard_as"] == "sound"
    assert [one["name"] for one in figures["data"]["skipped"]] == ["rock/b.wav"]
    assert figures["not_music"]["files"] == 1
    assert b"rock/b.wav" in done.stderr
    assert b"Traceback" not in done.stderr


def test_what_cannot_be_measured_is_one_clear_error(known: Path, tmp_path: Path) -> None:
    one_error(rtgenre("eval"), 2, "--data", "--audio")
    one_error(here("eval", "--data", str(known), "--audio", str(tmp_path)), 2, "both")
    one_error(here("eval", "--data", str(tmp_path / "none.npz")), 69, "none.npz")
    one_error(here("eval", "--audio", str(tmp_path / "none")), 69, "no folder")
    one_error(here("eval", "--data", str(known), "--split", "test"), 2, '"test"', "train, valid")
    strange = write_corpus(tmp_path / "strange.npz", clips=1)
    one_error(here("eval", "--data", str(strange), "-q"), 2, "high, low, middle", "blues")
    one_error(here("eval", "--data", str(known), "--model", str(tmp_path / "none")), 78, "none")
    (tmp_path / "file").touch()
    one_error(here("eval", "--data", str(known), "--out", str(tmp_path / "file")), 69, "cannot be made")


def test_what_cannot_be_written_is_known_before_the_work(
    known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[object] = []
    monkeypatch.setattr(run, "evaluate", lambda *_: heard.append(1))
    (tmp_path / "folder").mkdir()
    (tmp_path / "out" / "report.md").mkdir(parents=True)
    data = ("eval", "--data", str(known), "--no-streams", "-q")
    one_error(here(*data, "--json", str(tmp_path / "folder")), 69, "folder cannot be written", "choose another place")
    one_error(here(*data, "--json", "/proc/x/y.json"), 69, "'/proc/x' cannot be made", "choose another place")
    one_error(here(*data, "--out", str(tmp_path / "out")), 69, "report.md cannot be written", "choose another place")
    assert not heard
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.md"]


def test_trying_leaves_nothing_behind(known: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.json").write_text("kept")
    (tmp_path / "link.json").symlink_to(tmp_path / "nowhere.json")
    for name in ("a/b/new.json", "kept.json", "link.json"):
        files = ("--json", str(tmp_path / name), "--out", str(tmp_path / "a" / "report"))
        one_error(here("eval", "--data", str(known), "--split", "none", "-q", *files), 2, "none")
    assert (tmp_path / "kept.json").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.json", "link.json"]


@corpus.needs_spectra
@pytest.mark.data
def test_real_spectra_are_heard() -> None:
    done = rtgenre("eval", "--data", str(corpus.SPECTRA), "--limit", "20", "--no-streams", "--jobs", "1", "-q")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["accuracy"]["30"] > 0.3, "ten genres, a trained model"
    assert figures["silence"]["p90_s"] <= 1.0
    assert len({clip["label"] for clip in figures["per_clip"]}) == 10, "a limit is spread over the genres"
