"""How a training run went, as a picture. matplotlib is imported only when it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CURVES_FILE = "curves.png"


def draw(encoder: Sequence[Mapping[str, Any]], runs: Mapping[str, Mapping[str, Any]], folder: Path) -> Path:
    """Losses of encoder, trunk and LSTM by epoch, and the accuracy of every fit over the seconds heard.

    Args:
        encoder: figures of the encoder's epochs; empty where it was taken from another model.
        runs: figures of each fit, by name.
        folder: where the picture goes.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - half a second, only where a picture is drawn

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    taught, fitted, right = figure.subplots(1, 3)
    taught.plot([row["epoch"] + 1 for row in encoder], [row["loss"] for row in encoder], color="#1f5fa8")
    taught.set(title="encoder: loss", xlabel="epoch")
    for run in runs.values():
        rows = run.get("log", [])
        for member in sorted({row["member"] for row in rows if row["stage"] == "trunk"}):
            losses = [row["loss"] for row in rows if row["stage"] == "trunk" and row["member"] == member]
            fitted.plot(range(1, len(losses) + 1), losses, color="#8a929c", linewidth=0.6)
    fitted.set(title="trunk: loss of every member", xlabel="epoch")
    for name, run in runs.items():
        seconds = [float(s) for s in run["accuracy"]]
        colour, label = ("#d9700a", "artist folds") if name.startswith("fold") else ("#1f5fa8", "train → valid, seeds")
        seen = {line.get_label() for line in right.get_lines()}
        right.plot(
            seconds,
            list(run["accuracy"].values()),
            marker="o",
            markersize=3,
            linewidth=0.8,
            color=colour,
            label=label if label not in seen else "_",
        )
    right.set(title="accuracy on held-out artists", xlabel="seconds heard", xscale="log")
    right.set_xticks([1, 3, 5, 10, 30], ["1", "3", "5", "10", "30"])
    right.minorticks_off()
    if right.get_lines():
        right.legend(frameon=False, fontsize=8)
    path = folder / CURVES_FILE
    figure.savefig(path, dpi=110)
    return path
