from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from rtgenre.errors import OutputError, SourceError, UsageError
from rtgenre.training.evaluation import pictures, report, run
from rtgenre.training.evaluation.run import Measure, evaluate
from rtgenre.training.evaluation.workers import listeners
from tests.training.evaluation.made import LABELS, UNREADABLE, Parrot, Scripted, ScriptedSound, parrot

if TYPE_CHECKING:
    from pathlib import Path

MODEL = {"id": "parrot", "sha256": "f" * 64, "temperature": 1.0}
QUICK = Measure(hour_s=60.0, orders=2, quiet=True)
CLIPS = [0, 0, 1, 1, 2, 2, 0, 1, 2]


def whole(measured: dict) -> dict:
    return {"model": MODEL, **measured, "data": {"file": "made.npz", **measured["data"]}}


@pytest.fixture(scope="module")
def figures() -> dict:
    others = Scripted([3, 3], labels=("noise",), split="all")
    others.label[:] = 0
    return whole(evaluate(parrot, Scripted(CLIPS), QUICK, others))


def test_what_is_known_is_measured(figures: dict) -> None:
    assert set(figures["accuracy"]) == {"1", "3", "5", "10", "30"}
    assert figures["accuracy"]["30"] == 1.0
    assert figures["clips"] == 9
    assert figures["artists"] == 5
    assert figures["data"]["heard_as"] == "spectra"
    assert figures["silence"]["p90_s"] < 0.2
    changes = figures["track_changes"]
    assert changes["changes"] == 18, "each clip after two others"
    low, high = changes["time_to_right"]["p50_interval_95_s"]
    assert low <= changes["time_to_right"]["p50_s"] <= high
    # The parrot's belief turns over within eleven hops.
    assert 0.3 < changes["time_to_right"]["p50_s"] < 1.5
    assert changes["detection"]["never"] == 0.0
    assert changes["detection"]["false_alarms_per_minute"] == 0.0
    assert figures["flips_per_minute"]["fresh"] == 0.0
    assert figures["after_an_hour"]["difference"] == 0.0
    assert figures["after_an_hour"]["without_the_hour"]["difference"] == 0.0
    assert figures["in_a_row"]["difference"] == 0.0
    assert figures["after_an_hour"]["hours_before"] * 3600 >= 60.0
    assert figures["not_music"]["auroc"] == 1.0


def test_the_figures_are_json_and_the_same_every_time(figures: dict) -> None:
    others = Scripted([3, 3], labels=("noise",), split="all")
    others.label[:] = 0
    assert report.as_json(whole(evaluate(parrot, Scripted(CLIPS), QUICK, others))) == report.as_json(figures)
    assert json.loads(report.as_json(figures))["ece"] == figures["ece"]


def test_every_figure_is_a_plain_number(figures: dict) -> None:
    assert {"track_changes", "after_an_hour", "in_a_row", "not_music", "silence"} <= figures.keys(), "all sections"
    for section, told in figures.items():
        # msgspec refuses numpy's numbers, which json takes for floats.
        assert json.loads(msgspec.json.encode(told)) == json.loads(json.dumps(told)), section


def test_the_report_holds_the_figures_and_links_the_pictures(figures: dict, tmp_path: Path) -> None:
    drawn = pictures.draw(figures, tmp_path)
    assert set(drawn) == {"over_time", "reliability", "genres", "confusion", "time_to_right"}
    for name in drawn.values():
        pixels = imread(tmp_path / name)
        assert pixels.shape[1] > 400
        assert 0.001 < (pixels[..., :3] < 0.99).any(axis=-1).mean() < 0.9, "neither empty nor full"
    text = report.markdown(figures, drawn)
    assert set(re.findall(r"\]\((.*?)\)", text)) == set(drawn.values())
    assert "| 30 s | 1.000 |" in text
    assert "| noise | 2 |" in text
    assert "parrot" in text
    assert "None" not in text
    assert "nan" not in text


def test_no_figure_is_printed_over_the_title(figures: dict) -> None:
    assert figures["accuracy"]["30"] == 1.0
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    pictures._over_time(figure, figures)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    title = axes.title.get_window_extent()
    told = [text for text in axes.texts if text.get_text() == "1.00"]
    assert told
    assert [text for text in told if text.get_window_extent().overlaps(title)] == []


def test_without_streams_there_is_less(figures: dict, tmp_path: Path) -> None:
    lean = whole(evaluate(parrot, Scripted(CLIPS), Measure(with_streams=False, quiet=True)))
    assert "track_changes" not in lean
    assert lean["accuracy"] == figures["accuracy"]
    assert "time_to_right" not in pictures.draw(lean, tmp_path)
    assert "![" not in report.markdown(lean, {})


def test_a_model_that_tells_less_is_measured_all_the_same(tmp_path: Path) -> None:
    told = whole(evaluate(lambda: Parrot(tells=False), Scripted(CLIPS), QUICK, Scripted([0], split="all")))
    assert told["track_changes"]["detection"] is None
    assert told["false_changes_per_minute"] is None
    assert told["not_music"]["auroc"] is None
    assert "AUROC" in report.markdown(told, pictures.draw(told, tmp_path))


def test_what_cannot_be_read_is_reported_and_skipped(figures: dict) -> None:
    told = evaluate(parrot, Scripted([*CLIPS, UNREADABLE]), QUICK)
    assert told["data"]["skipped"] == [{"name": "clip.9", "why": "this one is broken"}]
    assert told["clips"] == 9
    assert told["track_changes"] == figures["track_changes"]
    with pytest.raises(SourceError, match="none of the 1 clips"):
        evaluate(parrot, Scripted([UNREADABLE]), QUICK)


def test_a_clip_too_short_for_an_answer_is_skipped() -> None:
    clips = Scripted(CLIPS)
    clips.n_frames[4] = 0
    told = evaluate(parrot, clips, QUICK)
    assert [one["name"] for one in told["data"]["skipped"]] == ["clip.4"]
    assert told["clips"] == 8


def test_sound_is_heard_as_sound() -> None:
    told = evaluate(parrot, ScriptedSound(CLIPS), QUICK)
    assert told["data"]["heard_as"] == "sound"
    assert told["accuracy"]["30"] == 1.0
    assert told["after_an_hour"]["difference"] == 0.0


def test_labels_are_matched_by_name() -> None:
    assert run.known_labels(("Hip-Hop", "folk"), ("blues", "hiphop")).tolist() == [1, -1]
    shuffled = Scripted([2, 1, 0, 1], labels=("Rock", "Jazz", "Blues"))
    shuffled.code = [2 - k for k in shuffled.code]
    assert evaluate(parrot, shuffled, Measure(with_streams=False, quiet=True))["accuracy"]["30"] == 1.0
    with pytest.raises(UsageError, match="also has polka"):
        evaluate(parrot, Scripted([0, 1], labels=("blues", "polka")), QUICK)
    # A label that no clip of the part has does no harm.
    evaluate(parrot, Scripted([0, 1], labels=(*LABELS, "polka")), Measure(with_streams=False, quiet=True))


def test_the_only_part_there_is_need_not_be_named() -> None:
    assert evaluate(parrot, Scripted(CLIPS, split="all"), QUICK)["data"]["split"] == "all"


def test_a_limit_is_spread_over_the_part() -> None:
    part = np.arange(100)
    assert run.spread(part, 5).tolist() == [0, 25, 50, 74, 99]
    assert run.spread(part, 200) is part
    assert evaluate(parrot, Scripted(CLIPS), Measure(limit=3, with_streams=False, quiet=True))["clips"] == 3


@pytest.mark.real
def test_processes_answer_in_order() -> None:
    clips = Scripted([0, 1, UNREADABLE, 2])
    tasks = [run.Task((k,)) for k in range(4)]
    done: list[int] = []
    with listeners(parrot, clips, 30.0, jobs=2) as hear:
        there = hear(tasks, lambda: done.append(1))
    with listeners(parrot, clips, 30.0, jobs=1) as hear:
        here = hear(tasks, lambda: None)
    assert len(done) == 4
    for one, other in zip(there, here, strict=True):
        if isinstance(one, SourceError):
            assert str(one) == str(other) == "this one is broken\n  → mend it"
        else:
            np.testing.assert_array_equal(one.probs, other.probs)
            np.testing.assert_array_equal(one.end_sample, other.end_sample)


def test_pictures_need_matplotlib_and_a_place(figures: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match=r"over_time\.png cannot be written"):
        pictures.draw(figures, tmp_path / "none")
    monkeypatch.setattr(pictures.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 'rtgenre\[train\]'"):
        pictures.check_drawable()
