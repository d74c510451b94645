"""``rtgenre train``: from the command line to the training room and back."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from rtgenre import app, logs
from rtgenre.commands.files import try_folder
from rtgenre.errors import EX_INTERRUPT, EX_OK, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtgenre.training.settings import TrainSettings


def train(settings_of: Callable[[], TrainSettings]) -> int:
    """Train and say how well it went.

    Args:
        settings_of: makes the settings once it is known that they can be made. Without a teacher, the encoder is the
            shipped model's.

    Returns:
        0, or 130 where it was interrupted.

    Raises:
        RtgenreError: the data cannot be used, or the folder cannot be written.
    """
    need("torch", "sklearn", "matplotlib")
    import dataclasses

    from rtgenre.config import ModelSettings
    from rtgenre.training.train import run

    logs.set_up("info", as_json=False, keep=False)
    settings = settings_of()
    try_folder(settings.out)  # left as it was: a run that fails leaves no empty folder
    if settings.teacher is None and settings.encoder_from is None:
        settings = dataclasses.replace(settings, encoder_from=app.model_folder(ModelSettings()))
    begun = time.monotonic()
    console = Console(stderr=True, highlight=False)

    def note(line: str) -> None:
        if not settings.quiet:
            console.print(f"[dim]{time.monotonic() - begun:6.0f} s[/dim]  {line}", soft_wrap=True)

    try:
        figures = run(settings, note)
    except KeyboardInterrupt:
        print(
            "rtgenre: interrupted: what was finished is kept, and the same command goes on from there", file=sys.stderr
        )
        return EX_INTERRUPT
    _print(figures)
    return EX_OK


def need(*modules: str) -> None:
    """Refuse to begin without what training needs.

    Raises:
        UsageError: a module is missing.
    """
    import importlib.util

    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"training needs {', '.join(missing)}", "pip install 'rtgenre[train]'")


def _print(figures: dict[str, Any]) -> None:
    if not sys.stdout.isatty():
        print(json.dumps(figures))
        return
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("heard", "accuracy", "95 % interval"):
        table.add_column(heading, justify="right")
    for seconds, accuracy in figures["accuracy"].items():
        low, high = figures["interval_95"][seconds]
        table.add_row(f"{seconds} s", f"{accuracy:.3f}", f"{low:.3f} – {high:.3f}")
    console.print(table)
    console.print(f"calibration error {figures['ece']:.3f}, {figures['clips']} clips of {figures['artists']} artists")
