"""The pictures of the page. matplotlib is imported only when they are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rtgenre.errors import OutputError
from rtgenre.palette import genre_colours
from rtgenre.training.ink import BLUE, FAINT, INK, ORANGE, RULE, STYLE
from rtgenre.training.literature import score

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from rtgenre.training.literature.contents import Contents

_LEAK, _CLIPS, _HONEST, _OURS = ORANGE, "#c9b037", BLUE, "#16a06b"
_DPI = 130
_SHIPPED = "shipped, streaming"
_ABREAST = 7  # confusion matrices in a line


def draw(contents: Contents, folder: Path) -> dict[str, str]:
    """Draw what there is.

    Args:
        contents: what was run.
        folder: where the pictures go; must be there.

    Returns:
        File names by what they show.

    Raises:
        OutputError: a picture cannot be written.
    """
    # The object interface draws without a display (with Agg) and leaves pyplot's global state alone.
    from matplotlib import rc_context  # noqa: PLC0415 - an extra, and half a second to import
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    n = len(contents.rows)
    painters: dict[str, tuple[Callable[[Figure, Contents], None], tuple[float, float]]] = {
        "fall": (_fall, (9.0, 1.6 + 0.27 * (n + 1)))
    }
    if any("valid" in row.clips for row in contents.rows):
        painters["genres"] = (_genres, (8.0, 1.8 + 0.24 * n))
        painters["confusions"] = (_confusions, (9.0, 1.0 + 1.45 * -(-(n + 1) // _ABREAST)))
    if contents.ablation:
        painters["ablation"] = (_ablation, (9.0, 4.6))
    if contents.amounts:
        painters["amounts"] = (_amounts, (9.0, 3.8))
    if contents.trace is not None:
        painters["trace"] = (_trace, (9.0, 5.4))
    drawn = {}
    with rc_context(STYLE):
        for what, (paint, size) in painters.items():
            figure = Figure(figsize=size, dpi=_DPI, layout="constrained", facecolor="white")
            paint(figure, contents)
            drawn[what] = f"{what}.png"
            try:
                figure.savefig(folder / drawn[what], format="png", metadata={"Software": None})
            except OSError as error:
                raise OutputError(
                    f"{folder / drawn[what]} cannot be written: {error.strerror or error}", "choose another place"
                ) from None
    return drawn


def _fall(figure: Figure, contents: Contents) -> None:
    axes = figure.subplots()
    rows = sorted(contents.rows, key=lambda row: row.pieces["valid"].accuracy if "valid" in row.pieces else 0.0)
    marks = (("published", _LEAK, "o", "its protocol, run here"), ("clips", _CLIPS, "s", "no clip on both sides"))
    for y, row in enumerate(rows):
        found = [cell.accuracy for name, cell in row.pieces.items() if name != "folds"]
        printed = row.recipe.printed.accuracy
        if found:
            axes.plot([min(found), max(found)], [y, y], color=RULE, lw=2.5, zorder=1, solid_capstyle="round")
        if printed is not None:
            axes.plot([printed], [y], marker="|", color=INK, ms=12, mew=2, zorder=4)
        for name, colour, mark, _ in marks:
            if name in row.pieces:
                axes.plot([row.pieces[name].accuracy], [y], marker=mark, color=colour, ms=6, zorder=3)
        if "valid" in row.pieces:
            low, high = row.pieces["valid"].interval
            axes.plot([low, high], [y, y], color=_HONEST, lw=1.1, alpha=0.6, zorder=2)
            axes.plot([row.pieces["valid"].accuracy], [y], marker="D", color=_HONEST, ms=6, zorder=3)
        if "valid" in row.clips:
            axes.plot([row.clips["valid"].accuracy], [y], marker="D", color="white", mec=_HONEST, ms=5, zorder=3)
    axes.set_yticks(range(len(rows)), [row.recipe.name for row in rows])
    _ours(axes, contents, len(rows))
    for _, colour, mark, words in marks:
        axes.plot([], [], mark, color=colour, label=words)
    axes.plot([], [], "D", color=_HONEST, label="no artist on both sides (95 %)")
    axes.plot([], [], "D", color="white", mec=_HONEST, label="the same, whole clips")
    axes.plot([], [], "|", color=INK, ms=12, mew=2, label="as printed in the paper")
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.8, len(rows) + 0.8)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="x", color=RULE, lw=0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("accuracy, piece by piece")
    axes.set_title("What is left of a figure when the leak is closed")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)


def _ours(axes: Axes, contents: Contents, y: int) -> None:
    """The shipped model's line, above all others."""
    if contents.shipped is None:
        return
    after, spans = contents.shipped["accuracy"], contents.shipped["interval_95"]
    for seconds, face in (("3", _OURS), ("30", "white")):
        axes.plot(spans[seconds], [y, y], color=_OURS, lw=1.1, alpha=0.6)
        axes.plot([after[seconds]], [y], marker="D", color=face, mec=_OURS, ms=7, zorder=5)
    axes.axvline(after["30"], color=_OURS, lw=0.8, ls=(0, (3, 3)), zorder=0)
    axes.set_yticks([*axes.get_yticks(), y], [*(t.get_text() for t in axes.get_yticklabels()), _SHIPPED])
    axes.plot([], [], "D", color=_OURS, label="shipped model after 3 s (filled) and 30 s")


def _genres(figure: Figure, contents: Contents) -> None:
    axes = figure.subplots()
    labels, ranked = contents.data["labels"], _ranked(contents)
    names = [name for name, _ in ranked]
    shown = np.stack([score.of_labels(counted)[1] for _, counted in ranked])
    axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (y, x), value in np.ndenumerate(shown):
        axes.text(
            x, y, f"{100 * value:.0f}", ha="center", va="center", fontsize=8, color="white" if value > 0.55 else INK
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks(range(len(labels)), labels)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.set_title("Share of each genre's clips named right, artists parted, %")


def _ranked(contents: Contents) -> list[tuple[str, NDArray[np.int64]]]:
    """Confusion of *valid*'s whole clips, of the shipped model and of every system from the best on."""
    rows = sorted((row for row in contents.rows if "valid" in row.clips), key=lambda row: -row.clips["valid"].accuracy)
    ranked = [(row.recipe.name, row.clips["valid"].confusion) for row in rows]
    if contents.shipped is not None and list(contents.shipped["labels"]) == list(contents.data["labels"]):
        ranked.insert(0, (_SHIPPED, np.array(contents.shipped["confusion"])))
    return ranked


def _confusions(figure: Figure, contents: Contents) -> None:
    """Small matrices, side by side: a row a genre, a column what it is taken for."""
    labels, shown = contents.data["labels"], _ranked(contents)
    lines = -(-len(shown) // _ABREAST)
    panels = figure.subplots(lines, _ABREAST, squeeze=False)
    for panel in panels.flat:
        panel.set_axis_off()
    for k, (name, counted) in enumerate(shown):
        axes = panels.flat[k]
        axes.set_axis_on()
        axes.imshow(counted / np.maximum(counted.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
        axes.set_title(name, fontsize=6.5, fontweight="normal", color=_OURS if name == _SHIPPED else INK)
        first, last = k % _ABREAST == 0, k + _ABREAST >= len(shown)
        axes.set_yticks(range(len(labels)), labels if first else [""] * len(labels), fontsize=5.5)
        axes.set_xticks(range(len(labels)), labels if last else [""] * len(labels), fontsize=5.5, rotation=90)
        axes.tick_params(length=0)
        axes.spines[:].set_color(RULE)
    figure.suptitle("What each genre's clips (rows) are taken for (columns), artists parted", fontsize=9)


def _ablation(figure: Figure, contents: Contents) -> None:
    systems = list(dict.fromkeys(one.system for one in contents.ablation))
    panels = np.atleast_1d(figure.subplots(1, len(systems), sharex=True))
    for axes, system in zip(panels, systems, strict=True):
        mine = [one for one in contents.ablation if one.system == system][::-1]
        for y, one in enumerate(mine):
            for colour, only, without in (
                (_LEAK, one.only, one.without),
                (_HONEST, one.only_honest, one.without_honest),
            ):
                shift = 0.14 if colour == _LEAK else -0.14
                if only is not None:
                    axes.barh(y + shift, only, 0.26, color=colour, alpha=0.75)
                if without is not None:
                    axes.plot([without], [y + shift], "|", color=INK, ms=9, mew=1.8)
        for colour, whole in ((_LEAK, mine[0].whole), (_HONEST, mine[0].whole_honest)):
            if whole is not None:
                axes.axvline(whole, color=colour, lw=1, ls=(0, (3, 3)))
        axes.set_yticks(range(len(mine)), [one.words for one in mine])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("accuracy")
        axes.set_title(system)
    panels[0].barh([0], [0], color=_LEAK, alpha=0.75, label="alone, random clips")
    panels[0].barh([0], [0], color=_HONEST, alpha=0.75, label="alone, artists parted")
    panels[0].plot([], [], "|", color=INK, ms=9, mew=1.8, label="all but this one")
    panels[0].plot([], [], color=FAINT, ls=(0, (3, 3)), label="all features")
    figure.legend(loc="outside lower center", ncols=4, frameon=False)


def _amounts(figure: Figure, contents: Contents) -> None:
    panels = figure.subplots(1, 2, sharey=True)
    ways = (("published", "as published: clips on both sides"), ("artists", "artists parted: train → valid"))
    for axes, (protocol, title) in zip(panels, ways, strict=True):
        for name, runs in contents.amounts.items():
            split = "valid" if protocol == "artists" else next(r["split"] for r in runs if r["protocol"] == protocol)
            mine = [r for r in runs if r["protocol"] == protocol and r["split"] == split]
            points = sorted((r["parts"][0], r["pieces"]["accuracy"]) for r in mine)
            axes.plot(*zip(*points, strict=True), marker="o", ms=4, lw=1.4, label=name)
        axes.set_xscale("log")
        axes.set_xlabel("pieces learned from")
        axes.set_title(title)
        axes.grid(visible=True, color=RULE, lw=0.6)
    panels[0].set_ylabel("accuracy, piece by piece")
    panels[1].legend(frameon=False, fontsize=8)


def _trace(figure: Figure, contents: Contents) -> None:
    trace = contents.trace
    assert trace is not None  # noqa: S101 - asked by draw
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    posterior, state = np.array(trace["posterior"]) / 100.0, np.array(trace["state"]) / 100.0
    seconds = (1 + np.arange(len(posterior))) * trace["hop_s"]
    labels = contents.data["labels"]
    colours = genre_colours(labels)
    above.stackplot(seconds, posterior.T, colors=[colours[label] for label in labels], labels=labels, lw=0)
    above.set_ylim(0, 1)
    above.set_ylabel("posterior")
    above.set_title(f"{trace['clip']} ({labels[trace['label']]}) heard by {trace['recipe']}")
    above.axvline(3.0, color=INK, lw=1, ls=(0, (3, 3)))
    above.annotate("taught on 3 s", (3.0, 1.0), (4, -10), textcoords="offset points", fontsize=8)
    # Units that move alike lie side by side: in the order of the first principal component's weights.
    centred = state - state.mean(axis=0)
    order = np.argsort(np.linalg.svd(centred, full_matrices=False)[2][0])
    extent = (float(seconds[0]), float(seconds[-1]), 0.0, float(state.shape[1]))
    shown = below.imshow(
        state[:, order].T, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", extent=extent, origin="lower"
    )
    below.set_ylabel("unit of the second layer")
    below.set_xlabel("seconds")
    figure.colorbar(shown, ax=below, label="state", location="bottom", shrink=0.4, aspect=40)
    above.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), frameon=False, fontsize=8)
