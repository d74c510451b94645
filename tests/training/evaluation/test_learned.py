from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from rtgenre.training.datasets.open import open_dataset
from rtgenre.training.evaluation.learned import learned_from
from tests.training.datasets import trees

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("train", "valid", "test")


def clips(*split: str, sha256: str = "aa") -> Any:
    return SimpleNamespace(sha256=sha256, split=split)


@pytest.mark.parametrize(
    ("splits", "known"),
    [(["train"], {"train", "all"}), (["train", "valid"], {"train", "valid", "all"})],
)
def test_the_parts_that_taught_are_known(splits: list[str], known: set[str]) -> None:
    training = {"corpus_sha256": "aa", "splits": splits}
    assert {split for split in (*PARTS, "all") if learned_from(training, clips(*PARTS), split)} == known
    assert not learned_from(training, clips(*PARTS, sha256="bb"), "train"), "another data set"


def test_without_parts_of_its_own_most_of_it_taught() -> None:
    training = {"corpus_sha256": "aa", "splits": ["train"]}
    assert learned_from(training, clips("all"), "all")
    assert learned_from(training, clips("test"), "test")


def test_a_model_that_does_not_tell_is_believed() -> None:
    assert not learned_from({}, clips(*PARTS), "train")


def test_of_sound_it_does_not_matter_how_much_is_heard(tmp_path: Path) -> None:
    for name in ("folk", "ska"):
        trees.song(tmp_path / "music" / name / "a.wav", seconds=2.0)
    taught = open_dataset(tmp_path / "music", quiet=True, cache=tmp_path / "cache")
    heard = open_dataset(tmp_path / "music", quiet=True, cache=tmp_path / "cache", limit_s=1.5)
    assert taught.sha256 != heard.sha256
    assert learned_from({"corpus_sha256": taught.sha256, "splits": ["train"]}, heard, "all")
