from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from rtgenre.errors import OutputError
from rtgenre.training.literature.runs import Runs

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_run_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "runs.jsonl"
    runs = Runs(path)
    runs.add({"key": "a", "value": 1})
    runs.add({"key": "b", "value": 2})
    runs.add({"key": "a", "value": 3})
    again = Runs(path)
    assert again.all() == [{"key": "a", "value": 3}, {"key": "b", "value": 2}]
    assert "a" in again
    assert "c" not in again
    assert again.get("c") is None


def test_a_line_that_was_broken_off_is_told_and_run_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text('{"key": "a"}\n{"key": "b", "val')
    with caplog.at_level(logging.WARNING):
        runs = Runs(path)
    assert "line 2" in caplog.text
    assert "b" not in runs
    runs.add({"key": "b", "value": 2})
    assert [run["key"] for run in Runs(path).all()] == ["a", "b"]


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another place"):
        Runs(tmp_path / "file" / "runs.jsonl").add({"key": "a"})
