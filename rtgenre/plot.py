"""The posterior of a file as a picture (``rtgenre tag --plot``). matplotlib is imported only when it is drawn."""

from __future__ import annotations

import contextlib
import importlib.util
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.errors import OutputError, UsageError
from rtgenre.palette import GREY, genre_colours, ink

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Span = tuple[float, float, str, str | None]

SUFFIXES = (".png", ".svg", ".pdf")
MOST_COLUMNS = 1320
INK, RULE = "#2b3138", "#d7dbe0"
_PALE = "#eceef1"
_LETTERS = 125  # that fit across the picture


def check_drawable(out: Path) -> None:
    """Fail early, before a long file is tagged.

    Raises:
        UsageError: matplotlib is missing, the suffix is none of ``SUFFIXES``, or there is no such folder.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("a picture needs matplotlib, which is not installed", "pip install 'rtgenre[plot]'")
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(f"no picture can be written as {out.name!r}", f"end its name with {', '.join(SUFFIXES)}")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {str(out.parent)!r} for the picture", "make it first")


def posterior_picture(
    times_s: NDArray[np.floating],
    probs: NDArray[np.floating],
    labels: Sequence[str],
    decisions: Sequence[Span],
    out: Path,
    title: str,
) -> None:
    """Draw the posterior over time as a stacked area, with a strip of the decisions below.

    Args:
        times_s: (n_hops,) ascending, seconds.
        probs: (n_hops, n_labels), each row sums to 1.
        labels: genres in the order of the columns.
        decisions: (start in s, end in s, state, genre or None), one after another.
        out: file to write; its suffix says as what.
        title: above the picture, usually the file's name.

    Raises:
        UsageError: see ``check_drawable``; or there is nothing to draw.
        OutputError: the file cannot be written.
    """
    check_drawable(out)
    if times_s.size == 0 or probs.shape != (times_s.size, len(labels)):
        raise UsageError(
            f"nothing to draw: {times_s.size} times, posteriors of shape {probs.shape}, {len(labels)} labels",
            "give one row a time and one column a label",
        )
    # The object interface draws without a display and leaves pyplot's global state alone.
    from matplotlib import rc_context  # noqa: PLC0415 - an extra, and half a second to import
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    colours = genre_colours(labels)
    with rc_context({"svg.hashsalt": "rtgenre", "font.size": 10, "text.color": INK, "axes.labelcolor": INK}):
        figure = Figure(figsize=(11, 4.6), dpi=120, layout="constrained", facecolor="white")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(8, 1))
        _draw_posterior(above, *_thinned(times_s.astype(np.float64), probs.astype(np.float64)), labels, colours)
        above.set_title(title, parse_math=False, loc="left", fontsize=12, fontweight="bold")
        # In order of their share, so that the legend reads like a summary.
        areas, names = above.get_legend_handles_labels()
        order = np.argsort(-probs.mean(axis=0), kind="stable")
        above.legend(
            [areas[i] for i in order],
            [f"{names[i]}  {100 * probs[:, i].mean():.0f} %" for i in order],
            loc="upper left",
            bbox_to_anchor=(1.005, 1.02),
            frameon=False,
        )
        draw_band(below, decisions, decisions, colours, max(float(times_s[-1]), 1e-3) / _LETTERS)
        below.set_xlabel("time, s")
        below.set_xlim(min(0.0, float(times_s[0])), max(float(times_s[-1]), 1e-3))
        try:
            figure.savefig(out)
        except OSError as error:
            with contextlib.suppress(OSError):
                out.unlink()  # half a picture is worse than none
            raise OutputError(f"{out} cannot be written: {error.strerror or error}", "choose another place") from None


def _thinned(
    times_s: NDArray[np.float64], probs: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means over equally long runs, no more than a picture can show."""
    run = -(-times_s.size // MOST_COLUMNS)
    if run == 1:
        return times_s, probs
    starts = np.arange(0, times_s.size, run)
    counts = np.diff(np.append(starts, times_s.size))
    return (
        np.add.reduceat(times_s, starts) / counts,
        np.add.reduceat(probs, starts, axis=0) / counts[:, np.newaxis],
    )


def _draw_posterior(
    axes: Axes, times_s: NDArray[np.float64], probs: NDArray[np.float64], labels: Sequence[str], colours: dict[str, str]
) -> None:
    """Areas from below in the order of the labels; thin light lines keep neighbours apart."""
    axes.stackplot(
        times_s, probs.T, labels=list(labels), colors=[colours[label] for label in labels], edgecolor="white", lw=0.3
    )
    axes.set_ylim(0.0, 1.0)
    axes.set_ylabel("posterior")
    axes.grid(visible=True, axis="y", color="white", lw=0.6, alpha=0.5)
    axes.tick_params(colors=INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)


def draw_band(
    axes: Axes, coloured: Iterable[Span], named: Iterable[Span], colours: Mapping[str, str], a_letter: float
) -> None:
    """Decisions as a band.

    Args:
        axes: its x axis has the unit of the spans.
        coloured: spans to fill: with the genre's colour, pale where there is none.
        named: spans that carry their name, where they are long enough for it.
        colours: genre → colour.
        a_letter: width that a letter takes, in the unit of the spans.
    """
    for start, stop, _, label in coloured:
        axes.axvspan(start, stop, color=colours.get(label, GREY) if label else _PALE, lw=0)
    for start, stop, state, label in named:
        name = label or state.replace("_", " ")
        if stop - start > len(name) * a_letter:
            colour = ink(colours.get(label, GREY)) if label else INK
            axes.text((start + stop) / 2, 0.47, name, color=colour, ha="center", va="center", fontsize=9, clip_on=True)
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([])
    axes.set_ylabel("decided", rotation=0, ha="right", va="center")
    axes.tick_params(colors=INK, length=3)
    axes.spines[:].set_visible(False)
