"""The figures of an evaluation as PNG. matplotlib is imported only when they are drawn."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np

from rtgenre.errors import OutputError, UsageError
from rtgenre.palette import genre_colours
from rtgenre.training.ink import BLUE, FAINT, INK, ORANGE, RULE, STYLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from matplotlib.figure import Figure

_DPI = 140


def check_drawable() -> None:
    """Fail early, before anything is heard.

    Raises:
        UsageError: matplotlib is missing.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(
            "a report with pictures needs matplotlib, which is not installed", "pip install 'rtgenre[train]'"
        )


def draw(figures: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Draw what the figures hold.

    Args:
        figures: as ``rtgenre eval --json`` writes them.
        folder: where the pictures go; must be there.

    Returns:
        File names by what they show.

    Raises:
        UsageError: matplotlib is missing.
        OutputError: a picture cannot be written.
    """
    check_drawable()
    # The object interface draws without a display (with Agg) and leaves pyplot's global state alone.
    from matplotlib import rc_context  # noqa: PLC0415 - an extra, and half a second to import
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    painters: dict[str, tuple[Callable[[Figure, Mapping[str, Any]], None], tuple[float, float]]] = {
        "over_time": (_over_time, (8.0, 4.2)),
        "reliability": (_reliability, (5.4, 6.4)),
        "genres": (_genres, (8.0, 0.8 + 0.42 * len(figures["genres"]))),
        "confusion": (_confusion, (2.2 + 0.56 * len(figures["labels"]), 1.6 + 0.5 * len(figures["labels"]))),
    }
    if "track_changes" in figures:
        painters["time_to_right"] = (_time_to_right, (8.0, 3.6))
    drawn = {}
    with rc_context(STYLE):
        for what, (paint, size) in painters.items():
            figure = Figure(figsize=size, dpi=_DPI, layout="constrained", facecolor="white")
            paint(figure, figures)
            drawn[what] = f"{what}.png"
            _save(figure, folder / drawn[what])
    return drawn


def _save(figure: Figure, out: Path) -> None:
    try:
        figure.savefig(out, format="png")
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror or error}", "choose another place") from None


def _over_time(figure: Figure, figures: Mapping[str, Any]) -> None:
    axes = figure.subplots()
    curve = figures["over_time"]
    seconds = curve["seconds"]
    axes.fill_between(seconds, curve["low"], curve["high"], color=BLUE, alpha=0.15, lw=0, label="95 %, over artists")
    axes.plot(seconds, curve["accuracy"], color=BLUE, lw=2, label="most probable genre")
    axes.plot(seconds, curve["decision"], color=ORANGE, lw=1.6, ls=(0, (4, 2)), label="decision")
    times = [float(s) for s in figures["accuracy"]]
    values = list(figures["accuracy"].values())
    axes.plot(times, values, "o", color=BLUE, ms=5)
    for s, value in zip(times, values, strict=True):
        axes.annotate(f"{value:.2f}", (s, value), (0, 8), textcoords="offset points", ha="center", fontsize=9)
    axes.set_xlim(0, max(seconds) * 1.04)
    axes.set_ylim(0, 1.1)  # a figure of 1.00 stands above its point, and below the title
    axes.set_yticks(np.arange(0, 1.01, 0.2))
    axes.spines["left"].set_bounds(0, 1)
    axes.set_xticks([0, *times, 15, 20, 25])
    axes.grid(visible=True, axis="y", color=RULE, lw=0.6)
    axes.set_xlabel("heard from a fresh state, s")
    axes.set_ylabel("share of clips right")
    axes.set_title(f"Accuracy over time: {figures['clips']} clips of {figures['artists']} artists")
    axes.legend(loc="lower right", frameon=False)


def _reliability(figure: Figure, figures: Mapping[str, Any]) -> None:
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    rows = [row for row in figures["reliability"] if row["clips"]]
    confidence, right = ([row[key] for row in rows] for key in ("confidence", "accuracy"))
    spans = [_wilson(row["accuracy"], row["clips"]) for row in rows]
    away = [
        [r - low for r, (low, _) in zip(right, spans, strict=True)],
        [h - r for r, (_, h) in zip(right, spans, strict=True)],
    ]
    above.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=(0, (3, 3)), label="perfectly calibrated")
    above.errorbar(confidence, right, away, fmt="o", color=BLUE, elinewidth=1, capsize=3, ms=1, label="one bin, 95 %")
    largest = max(row["clips"] for row in rows)
    above.scatter(confidence, right, [15 + 60 * row["clips"] / largest for row in rows], color=BLUE, zorder=3)
    above.set_xlim(0, 1)
    above.set_ylim(-0.02, 1.02)
    above.grid(visible=True, color=RULE, lw=0.6)
    above.set_ylabel("share of clips right")
    above.legend(loc="lower right", frameon=False)
    last = list(figures["accuracy"])[-1]
    above.set_title(f"Reliability after {last} s, ECE {figures['ece']:.3f}")
    for row in rows:
        middle = (row["low"] + row["high"]) / 2
        below.bar(middle, row["clips"], 0.92 * (row["high"] - row["low"]), color=BLUE, alpha=0.35)
        below.annotate(
            str(row["clips"]), (middle, row["clips"]), (0, 2), textcoords="offset points", ha="center", fontsize=8
        )
    below.set_ylim(0, 1.35 * max(row["clips"] for row in rows))
    below.set_yticks([])
    below.spines["left"].set_visible(False)
    below.set_ylabel("clips")
    below.set_xlabel("highest probability")


def _wilson(share: float, count: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson 1927); unlike the simple one it stays between 0 and 1."""
    z2 = 1.96**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = 1.96 / (1 + z2 / count) * np.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def _genres(figure: Figure, figures: Mapping[str, Any]) -> None:
    axes = figure.subplots()
    genres = figures["genres"]
    colours = genre_colours(figures["labels"])
    order = sorted(genres, key=lambda name: genres[name]["f1"])
    for y, name in enumerate(order):
        g = genres[name]
        axes.barh(y, g["f1"], height=0.62, color=colours[name], edgecolor=INK, lw=0.4)
        axes.plot([g["precision"]], [y], marker="D", color="white", mec=INK, ms=6, mew=1.2, clip_on=False)
        axes.plot([g["recall"]], [y], marker="o", color=INK, mec="white", ms=6.5, mew=0.8, clip_on=False)
        axes.annotate(f"{g['f1']:.2f}", (1.03, y), va="center", fontsize=9, annotation_clip=False)
    axes.plot([], [], marker="s", ls="", color=FAINT, ms=8, label="F1")
    axes.plot([], [], marker="D", ls="", color="white", mec=INK, mew=1.2, label="precision")
    axes.plot([], [], marker="o", ls="", color=INK, label="recall")
    axes.set_yticks(range(len(order)), [f"{name}  ({genres[name]['clips']})" for name in order])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="x", color=RULE, lw=0.6)
    last = list(figures["accuracy"])[-1]
    axes.set_title(f"Genres after {last} s (number of clips)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.08, 1.0), frameon=False)


def _confusion(figure: Figure, figures: Mapping[str, Any]) -> None:
    axes = figure.subplots()
    counted = np.array(figures["confusion"])
    labels = figures["labels"]
    share = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in zip(*np.nonzero(counted), strict=True):
        dark = share[row, column] > 0.5
        axes.text(column, row, str(counted[row, column]), ha="center", va="center", color="white" if dark else INK)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(
        range(len(labels)), [f"{label}  ({n})" for label, n in zip(labels, counted.sum(axis=1), strict=True)]
    )
    axes.set_xticks(np.arange(-0.5, len(labels)), minor=True)
    axes.set_yticks(np.arange(-0.5, len(labels)), minor=True)
    axes.grid(which="minor", color="white", lw=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("said")
    axes.set_ylabel("is (clips)")
    last = list(figures["accuracy"])[-1]
    axes.set_title(f"Confusion after {last} s")


def _time_to_right(figure: Figure, figures: Mapping[str, Any]) -> None:
    axes = figure.subplots()
    changes = figures["track_changes"]
    reached = [t for t in changes["times_s"] if t is not None]
    never = len(changes["times_s"]) - len(reached)
    longest = figures["settings"]["cut_s"]
    heights, _, _ = axes.hist(reached, bins=np.arange(0, longest + 1).tolist(), color=BLUE, edgecolor="white", lw=0.8)
    axes.bar(longest + 2, never, 1.6, color=ORANGE)
    axes.annotate(str(never), (longest + 2, never), (0, 2), textcoords="offset points", ha="center", fontsize=9)
    ticks = np.arange(0, longest + 1, 5)
    axes.set_xticks([*ticks, longest + 2], [*(f"{tick:g}" for tick in ticks), "never"])
    top = 1.18 * max(1.0, float(np.max(heights)), never)
    for name, style in (("p50", "-"), ("p90", (0, (4, 2)))):
        value = changes["time_to_right"][f"{name}_s"]
        if value is not None:
            axes.axvline(value, color=INK, lw=1.2, ls=style)
            axes.annotate(f"{name} {value:.1f} s", (value, 0.96 * top), (5, 0), textcoords="offset points", va="top")
    axes.set_xlim(0, longest + 3.2)
    axes.set_ylim(0, top)
    axes.locator_params(axis="y", integer=True)
    axes.grid(visible=True, axis="y", color=RULE, lw=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"seconds from the cut to a decision that is right, and stays so for {changes['hold_s']:g} s")
    axes.set_ylabel("changes of track")
    axes.set_title(f"After a change of track: {len(changes['times_s'])} changes")
