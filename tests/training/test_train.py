from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rtgenre.errors import UsageError
from rtgenre.model import checkpoint as checkpoints
from rtgenre.model.architecture import Architecture
from rtgenre.model.same_track import SameTrack
from rtgenre.training import outcome, report, train
from rtgenre.training.channels import ChannelSettings
from rtgenre.training.curves import CURVES_FILE
from rtgenre.training.distil import DistilSettings
from rtgenre.training.fit import FitSettings, StageSettings
from rtgenre.training.fit_adapter import AdapterSettings
from rtgenre.training.fit_same_track import SameTrackSettings
from rtgenre.training.pairs import PairSettings
from rtgenre.training.recipe import SPEC
from rtgenre.training.segments import SegmentSettings
from rtgenre.training.settings import TrainSettings
from tests import signals
from tests.training.datasets import trees
from tests.training.teacher_file import write_teacher

if TYPE_CHECKING:
    from collections.abc import Mapping

SHIPPED = Path(__file__).parents[2] / "models" / "gtzan-lstm"
SMALL = Architecture(
    encoder_inputs=20,
    encoder_width=16,
    encoder_layers=2,
    pooling_s=3.0,
    encoder_head=16,
    embedding=136,
    embedding_s=10.0,
    trunk=32,
    hidden=16,
    layers=1,
    input_clip=5.0,
    adapter=8,
    adapters=2,
)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def teacher_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_teacher(tmp_path_factory.mktemp("teacher") / "teacher.npz")


def small(corpus_file: Path, teacher_file: Path | None, out: Path, **changes: Any) -> TrainSettings:
    stage = StageSettings(epochs=4, batch=64, learning_rate=1e-2, averaging=0.9)
    pairs = PairSettings(
        copies=2, channels=2, starts=2, window=24, least=6, ages=(4, 8, 14), first=10, every=10, longest=40
    )
    return TrainSettings(
        data=corpus_file,
        out=out,
        id="small",
        architecture=SMALL,
        distil=DistilSettings(epochs=2, batch=64, threads=1),
        segments=SegmentSettings(copies=2, long_hops=40, middle_hops=32, short_hops=16),
        fit=FitSettings(members=2, trunk=stage, lstm=StageSettings(epochs=1, batch=8, learning_rate=1e-3), threads=1),
        channels=ChannelSettings(copies=1, hops=40),
        adapter=AdapterSettings(gate_hops=500),
        pairs=pairs,
        same_track=SameTrackSettings(steps=5, report_every=5),
        jobs=1,
        quiet=True,
        **{"seed": 1, "hour_s": 60.0, "teacher": teacher_file, **changes},
    )


@pytest.fixture(scope="module")
def trained(
    corpus_file: Path, teacher_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Mapping[str, Any]]:
    out = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
        return out, train.run(small(corpus_file, teacher_file, out, seeds=2, folds=True, final=True))


def test_a_run_learns_what_there_is_to_learn(trained: tuple[Path, Mapping[str, Any]]) -> None:
    _, metrics = trained
    assert metrics["accuracy"]["30"] > 0.9, "three genres that differ plainly"
    assert metrics["seeds"]["n"] == 2
    assert metrics["seeds"]["mean"]["30"] > 0.9
    assert metrics["seeds"]["live"]["mean"]["30"] > 0.9, "each seed through the live path"
    assert metrics["folds"]["clips"] == 36
    assert metrics["folds"]["accuracy"]["30"] > 0.8
    assert metrics["cross_validated"]["clips"] == 36, "each by the live path of its fold"
    assert metrics["cross_validated"]["accuracy"]["30"] > 0.8
    assert len(metrics["cross_validated"]["temperatures"]) == 5
    assert metrics["clips"] == 18


def test_a_run_leaves_a_whole_folder(trained: tuple[Path, Mapping[str, Any]]) -> None:
    out, metrics = trained
    model = checkpoints.load(out)
    assert json.loads((out / outcome.METRICS_FILE).read_text())["accuracy"] == metrics["accuracy"]
    assert (out / outcome.CARD_FILE).read_text() == report.model_card(metrics, model)
    assert (out / CURVES_FILE).read_bytes().startswith(b"\x89PNG")
    assert model.training["splits"] == ["train", "valid"]
    assert SameTrack.of(model) is not None
    assert model.training["pairs"]["copies"] == 2
    assert model.training["same_track"]["steps"] == 5
    runs = {line["name"]: line for line in map(json.loads, (out / outcome.RUNS_FILE).read_text().splitlines())}
    assert list(runs) == ["train-seed1", "train-seed2", *(f"fold{k}" for k in range(5))]
    assert runs["train-seed1"]["live"]["accuracy"] == metrics["accuracy"]
    mean = (metrics["accuracy"]["30"] + runs["train-seed2"]["live"]["accuracy"]["30"]) / 2
    assert metrics["seeds"]["live"]["mean"]["30"] == pytest.approx(mean)


def test_a_run_goes_on_where_it_was_broken_off(
    trained: tuple[Path, Mapping[str, Any]], corpus_file: Path, teacher_file: Path
) -> None:
    out, metrics = trained
    fits = Path(os.environ["XDG_CACHE_HOME"]) / "rtgenre" / "fits"
    for gone in ("fold3", "fold3-base", "fold4", "fold2-same-track"):
        (path,) = fits.glob(f"*-{gone}.npz")
        path.unlink()
    said: list[str] = []
    again = train.run(small(corpus_file, teacher_file, out, seeds=2, folds=True, final=True), said.append)

    def fitted(what: str) -> set[str]:
        return {line.split(":")[0] for line in said if what in line}

    assert fitted("trunk") == fitted("lstm") == {"fold3"}, "what was kept is not fitted again"
    assert fitted("gate") == fitted("stage adapter") == {"fold3", "fold4"}
    assert fitted("same track") == {"fold2"}
    assert again["model"]["sha256"] == metrics["model"]["sha256"]
    assert again["folds"] == metrics["folds"]
    assert again["cross_validated"] == metrics["cross_validated"]


def test_one_seed_gives_one_model(
    corpus_file: Path, teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = train.run(small(corpus_file, teacher_file, tmp_path / "one"))
    other = train.run(small(corpus_file, teacher_file, tmp_path / "other", seed=2))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))  # nothing kept: encoder, features and fit anew
    two = train.run(small(corpus_file, teacher_file, tmp_path / "two"))
    assert one["model"]["sha256"] == two["model"]["sha256"]
    assert other["model"]["sha256"] != one["model"]["sha256"]


def test_what_is_said_on_the_way_can_be_read_and_streams_can_be_left_out(
    corpus_file: Path, teacher_file: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    metrics = train.run(small(corpus_file, teacher_file, tmp_path, seed=5, streams=False), said.append)
    assert "track_changes" not in metrics
    assert "after_an_hour" not in metrics
    assert (tmp_path / outcome.CARD_FILE).exists()
    assert any(line.startswith("train-seed5: stage trunk, member ") for line in said), said
    assert not any("{" in line for line in said)


def test_an_encoder_may_be_another_models(
    trained: tuple[Path, Mapping[str, Any]], corpus_file: Path, tmp_path: Path
) -> None:
    name = "encoder.embedding.bias"
    one = checkpoints.load(trained[0])
    checkpoints.save(replace(one, tensors={**one.tensors, name: one.tensors[name] + 1.0}), tmp_path / "other")
    for encoder in (trained[0], tmp_path / "other"):  # one after the other: what was kept of the first is not taken
        train.run(small(corpus_file, None, tmp_path / "out", encoder_from=encoder))
        old, new = checkpoints.load(encoder), checkpoints.load(tmp_path / "out")
        rounded = checkpoints.in_half_precision(old.tensors)
        np.testing.assert_array_equal(rounded[name], new.tensors[name])
    with pytest.raises(UsageError, match="no encoder"):
        train.run(small(corpus_file, None, tmp_path / "none"))


def test_an_artist_in_both_parts_is_refused(corpus_file: Path, teacher_file: Path, tmp_path: Path) -> None:
    with np.load(corpus_file) as arrays:
        changed = dict(arrays)
    changed["artist_id"][:] = 7
    np.savez(tmp_path / "leaky.npz", **changed)
    with pytest.raises(UsageError, match="artist 7"):
        train.run(small(tmp_path / "leaky.npz", teacher_file, tmp_path / "out"))


def test_a_plain_folder_of_sound_is_enough(teacher_file: Path, tmp_path: Path) -> None:
    for k, name in enumerate(("calm", "loud", "odd")):
        for file in range(5):
            sound = signals.tone(66_150, hz=200.0 * 4**k + file) + signals.noise(66_150, seed=5 * k + file)
            trees.write(tmp_path / "music" / name / f"{file}.wav", sound / 2)
    metrics = train.run(small(tmp_path / "music", teacher_file, tmp_path / "out", hour_s=10.0))
    assert metrics["data"]["split"] == "valid"
    assert metrics["clips"] == 3, "one fold of five is measured on, and nothing else"
    assert checkpoints.load(tmp_path / "out").training["clips"] == 12
    assert json.loads((tmp_path / "out" / outcome.METRICS_FILE).read_text())["clips"] == 3


def test_platt_finds_what_is_there() -> None:
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, 20_000).astype(np.float32)
    truth = (rng.random(20_000) < 1 / (1 + np.exp(-(1.5 * logit - 0.7)))).astype(float)
    slope, offset = outcome.platt(logit, truth, balanced=False)
    assert slope == pytest.approx(1.5, abs=0.1)
    assert offset == pytest.approx(-0.7, abs=0.1)


def test_the_card_shows_no_figure_where_none_was_measured() -> None:
    metrics = json.loads((SHIPPED / outcome.METRICS_FILE).read_text())
    found = metrics["cross_validated"]
    found["false_changes_per_minute"] = found["flips_per_minute"]["fresh_settled"] = None
    found["track_changes"]["time_to_right"] |= {"p90_s": None, "p90_interval_95_s": None}
    card = report.model_card(metrics, checkpoints.load(SHIPPED))
    assert "| false changes of track a minute | – |" in card
    assert "| flips a minute, single clips and in a row | –, " in card
    assert "| … nine of ten | – |" in card


def test_the_card_leaves_out_rows_that_were_not_heard() -> None:
    metrics = json.loads((SHIPPED / outcome.METRICS_FILE).read_text())
    found = metrics["cross_validated"]
    del found["track_changes"], found["in_a_row"], found["flips_per_minute"]["streams_settled"]
    card = report.model_card(metrics, checkpoints.load(SHIPPED))
    assert "after a change of track, median" not in card
    assert "against alone" not in card
    assert ", – |\n| false changes" in card


def test_the_shipped_model_card_is_what_its_metrics_say() -> None:
    model = checkpoints.load(SHIPPED)
    metrics = json.loads((SHIPPED / outcome.METRICS_FILE).read_text())
    assert metrics["model"]["sha256"] == model.sha256
    assert (SHIPPED / outcome.CARD_FILE).read_text() == report.model_card(metrics, model)
    assert model.spec == SPEC
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 10_000_000
