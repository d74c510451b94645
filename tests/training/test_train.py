from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rtgenre.errors import CheckpointError, UsageError
from rtgenre.frontend.stream import Frontend
from rtgenre.model import checkpoint as checkpoints
from rtgenre.model.checkpoint import Architecture
from rtgenre.model.runtime import offline, open_runtime
from rtgenre.training import evaluate, report, train
from rtgenre.training.evaluate import EvalSettings
from rtgenre.training.features import SequenceSettings, clip_frames
from rtgenre.training.fit import FitSettings
from rtgenre.training.spectra import read_corpus
from rtgenre.training.train import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

SHIPPED = Path(__file__).parents[2] / "models" / "gtzan-lstm"


def small(corpus_file: Path, out: Path, seed: int = 1) -> TrainSettings:
    return TrainSettings(
        data=corpus_file,
        out=out,
        seed=seed,
        id="small",
        architecture=Architecture(hidden=16, layers=1, input_clip=5.0),
        sequences=SequenceSettings(copies=2, hops=32),
        fit=FitSettings(epochs=6, batch=8, learning_rate=1e-2, averaging=0.5, threads=1),
        cache=out / "cache",
        quiet=True,
    )


@pytest.fixture(scope="module")
def trained(corpus_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, Any]]:
    out = tmp_path_factory.mktemp("trained")
    return out, train.run(small(corpus_file, out))


def test_a_run_learns_what_there_is_to_learn(trained: tuple[Path, Mapping[str, Any]]) -> None:
    _, metrics = trained
    assert metrics["accuracy"]["30"] > 0.9, "three genres that differ plainly"
    assert metrics["clips"] == 18
    assert metrics["artists"] == 6
    low, high = metrics["interval_95"]["30"]
    assert low <= metrics["accuracy"]["30"] <= high


def test_a_run_leaves_a_whole_folder(trained: tuple[Path, Mapping[str, Any]]) -> None:
    out, metrics = trained
    model = checkpoints.load(out)
    assert json.loads((out / train.METRICS_FILE).read_text())["accuracy"] == metrics["accuracy"]
    assert (out / train.CARD_FILE).read_text() == report.model_card(metrics, model)
    epochs = [json.loads(line) for line in (out / train.LOG_FILE).read_text().splitlines()]
    assert [epoch["epoch"] for epoch in epochs] == list(range(len(epochs)))
    assert model.training["split"] == "train"


def test_one_seed_gives_one_model(trained: tuple[Path, Mapping[str, Any]], corpus_file: Path, tmp_path: Path) -> None:
    again = train.run(small(corpus_file, tmp_path / "again"))
    other = train.run(small(corpus_file, tmp_path / "other", seed=2))
    assert again["model"]["sha256"] == trained[1]["model"]["sha256"]
    assert other["model"]["sha256"] != trained[1]["model"]["sha256"]


def test_evaluation_repeats_what_training_said(
    trained: tuple[Path, Mapping[str, Any]], corpus_file: Path, tmp_path: Path
) -> None:
    out, metrics = trained
    settings = EvalSettings(data=corpus_file, model=out, split="valid", json=tmp_path / "a" / "eval.json", quiet=True)
    result = evaluate.run(settings)
    assert settings.json is not None
    assert json.loads(settings.json.read_text()) == json.loads(json.dumps(result))
    for key in ("accuracy", "clips", "ece", "log_loss", "confusion"):
        assert result[key] == metrics[key]


def test_evaluation_hears_the_stream_as_offline_does(
    trained: tuple[Path, Mapping[str, Any]], corpus_file: Path
) -> None:
    model, corpus = checkpoints.load(trained[0]), read_corpus(corpus_file)
    heard = evaluate.hear(corpus, "valid", model)
    first = corpus.part("valid")[0]
    logits = offline(open_runtime(model, "cpu"), clip_frames(corpus, first, Frontend(model.spec)))
    np.testing.assert_array_equal(heard.smoothed[30][0], evaluate.smooth_logits(logits, model)[-1])


def test_an_unknown_split_and_a_missing_model_are_clear_errors(
    trained: tuple[Path, Mapping[str, Any]], corpus_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match='"test"'):
        evaluate.run(EvalSettings(data=corpus_file, model=trained[0], split="test", quiet=True))
    with pytest.raises(CheckpointError):
        evaluate.run(EvalSettings(data=corpus_file, model=tmp_path / "none", quiet=True))


def test_an_artist_in_both_parts_is_refused(corpus_file: Path, tmp_path: Path) -> None:
    with np.load(corpus_file) as arrays:
        changed = dict(arrays)
    changed["artist_id"][:] = 7
    np.savez(tmp_path / "leaky.npz", **changed)
    with pytest.raises(UsageError, match="artist 7"):
        train.run(small(tmp_path / "leaky.npz", tmp_path / "out"))


def test_the_shipped_model_card_is_what_its_metrics_say() -> None:
    model = checkpoints.load(SHIPPED)
    metrics = json.loads((SHIPPED / train.METRICS_FILE).read_text())
    assert metrics["model"]["sha256"] == model.sha256
    assert (SHIPPED / train.CARD_FILE).read_text() == report.model_card(metrics, model)
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 2_000_000
