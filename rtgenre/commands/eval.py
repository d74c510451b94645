"""``rtgenre eval``: a model measured as it is used, to a table, JSON, and a report with pictures."""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table

from rtgenre import app, logs
from rtgenre.commands.files import make_folder, try_file, write_text
from rtgenre.errors import EX_OK, SourceError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.config import Settings
    from rtgenre.model.checkpoint import Checkpoint
    from rtgenre.pipeline import Pipeline
    from rtgenre.training.datasets.interface import DataSet
    from rtgenre.training.evaluation.run import Measure


JSON_FILE = "eval.json"
REPORT_FILE = "report.md"


def data_path(data: Path | None, audio: Path | None) -> Path:
    """Whichever of the two was given.

    Raises:
        UsageError: neither, or both.
        SourceError: what should be a folder of sound is none.
    """
    if data is not None and audio is None:
        return data
    if audio is None or data is not None:
        raise UsageError(
            "--data and --audio were both given" if data is not None else "there is nothing to measure on",
            "give --data FILE.npz, or --audio FOLDER with a folder of sound for each label",
        )
    if not audio.is_dir():
        raise SourceError(f"there is no folder {str(audio)!r}", "--audio takes a folder with a folder for each label")
    return audio


def default_jobs() -> int:
    """One process for each core that is ours."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def evaluate(
    settings: Settings,
    measure: Measure,
    data: Path,
    *,
    not_music: Path | None = None,
    json_file: Path | None = None,
    folder: Path | None = None,
) -> int:
    """Measure, write, and say how good the model is.

    Args:
        settings: of model and policy.
        measure: what is measured.
        data: any data set.
        not_music: a folder with folders of sound that is no music.
        json_file: where the figures go.
        folder: where the report and its pictures go.

    Raises:
        RtgenreError: the model or the data cannot be used, or a file cannot be written.
    """
    from rtgenre.training.evaluation import pictures, report, run
    from rtgenre.training.evaluation.learned import learned_from

    if folder is not None:
        pictures.check_drawable()
        for name in (JSON_FILE, REPORT_FILE):
            try_file(folder / name)
    if json_file is not None:
        try_file(json_file)
    logs.set_up(settings.log.level, settings.log.format == "json", keep=False)
    # A GPU is no quicker for one stream, and would make the figures depend on the machine.
    device = "cpu" if settings.model.device == "auto" else settings.model.device
    settings = msgspec.structs.replace(settings, model=msgspec.structs.replace(settings.model, device=device))
    checkpoint = app.load_checkpoint(settings.model)
    clips = _opened(data, checkpoint, measure)
    other = None if not_music is None else _opened(not_music, checkpoint, measure)
    measured = run.evaluate(functools.partial(_open_pipeline, settings), clips, measure, other)
    figures = {
        "model": {"id": checkpoint.id, "sha256": checkpoint.sha256, "temperature": checkpoint.temperature},
        "model_learned_from_this": learned_from(checkpoint.training, clips, measured["data"]["split"]),
        **measured,
        "data": {"file": data.resolve().name, **measured["data"]},
    }
    if json_file is not None:
        make_folder(json_file.parent)
        write_text(json_file, report.as_json(figures))
    if folder is not None:
        make_folder(folder)
        write_text(folder / JSON_FILE, report.as_json(figures))
        write_text(folder / REPORT_FILE, report.markdown(figures, pictures.draw(figures, folder)))
        print(f"wrote {folder / REPORT_FILE}", file=sys.stderr)
    if figures["model_learned_from_this"]:
        print(f"rtgenre: {report.LEARNED}", file=sys.stderr)
    if sys.stdout.isatty():
        _print(figures)
    else:
        print(msgspec.json.encode(figures).decode())
    return EX_OK


def _open_pipeline(settings: Settings) -> Pipeline:
    return app.open_pipeline(settings, app.load_checkpoint(settings.model))


def _opened(path: Path, checkpoint: Checkpoint, measure: Measure) -> DataSet:
    from rtgenre.training.datasets.open import open_dataset

    return open_dataset(path, checkpoint.spec, quiet=measure.quiet, limit_s=measure.cut_s)


def _print(figures: dict[str, Any]) -> None:
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("heard", "accuracy", "95 % interval", "decision right", "ECE"):
        table.add_column(heading, justify="right")
    for s, accuracy in figures["accuracy"].items():
        low, high = figures["interval_95"][s]
        decision, ece = figures["decision"]["accuracy"][s], figures["ece_after"][s]
        table.add_row(f"{s} s", f"{accuracy:.3f}", f"{low:.3f} – {high:.3f}", f"{decision:.3f}", f"{ece:.3f}")
    console.print(table)
    console.print(f"{figures['clips']} clips of {figures['artists']} artists")
    for line in _more(figures):
        console.print(line)


def _more(figures: dict[str, Any]) -> list[str]:
    from rtgenre.training.evaluation.report import number, within

    lines = []
    if "track_changes" in figures:
        times, hour = figures["track_changes"]["time_to_right"], figures["after_an_hour"]
        row = hour["without_the_hour"]["accuracy"]
        after = f"{hour['accuracy']:.3f}, without the hour {row:.3f}, from fresh states {hour['accuracy_fresh']:.3f}"
        lines += [
            f"right after a change of track, s (95 %): p50 {within(times, 'p50')}, p90 {within(times, 'p90')}",
            f"flips a minute inside a track: {number(figures['flips_per_minute']['streams_settled'], 2)}",
            f"after an hour without a reset: {after}",
        ]
    if "not_music" in figures:
        other = figures["not_music"]
        lines.append(
            f"not music: AUROC {number(other['auroc'])}; "
            f"music called so: {100 * figures['music_called_not_music']:.1f} % of its hops"
        )
    return lines
