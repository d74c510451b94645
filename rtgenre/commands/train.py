"""``rtgenre train``: from the command line to the training room and back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table

from rtgenre import logs
from rtgenre.errors import EX_OK, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def train(data: Path, out: Path, seed: int, name: str) -> int:
    """Train and say how well it went.

    Raises:
        RtgenreError: the corpus cannot be used.
    """
    _need("torch", "sklearn")
    from rtgenre.training.train import TrainSettings, run

    logs.set_up("info", as_json=False, keep=False)
    _print(run(TrainSettings(data=data, out=out, seed=seed, id=name)))
    return EX_OK


def _need(*modules: str) -> None:
    import importlib.util

    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"training needs {', '.join(missing)}", "pip install 'rtgenre[train]'")


def _print(figures: dict[str, Any]) -> None:
    if not sys.stdout.isatty():
        print(msgspec.json.encode(figures).decode())
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
