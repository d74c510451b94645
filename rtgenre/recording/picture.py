"""A night as a picture: posterior over hours, decisions as a band, tracks as ticks, silence left blank.

matplotlib is imported only when it is drawn.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.errors import OutputError, UsageError
from rtgenre.outputs import wire
from rtgenre.palette import genre_colours
from rtgenre.plot import INK, RULE, check_drawable, draw_band
from rtgenre.recording.setlist import Runs, merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from rtgenre.plot import Span
    from rtgenre.recording.setlist import Run

MOST_COLUMNS = 1200  # of means over time; about as many as the picture has dots …
COLUMN_S = 0.2  # … and none shorter than this: two hops
_DAY_S = 86_400.0  # matplotlib counts days
_INCHES_A_SOURCE = 3.6
_TITLE_PAD = 14  # points: room for the ticks of tracks
_LETTERS = 140  # that fit across the picture


@dataclass(slots=True)
class SourceNight:
    """What is drawn of a source.

    Attributes:
        times_s: Unix time of every hop at which something was heard.
        shares: posteriors of those hops, one after another, ``labels`` each.
        labels: genres in the order of the shares.
        runs: decisions, nothing merged.
        tracks_s: Unix time at which tracks were recognised to have begun; the first sound is none.
    """

    labels: tuple[str, ...] = ()
    times_s: array[float] = field(default_factory=lambda: array("d"))
    shares: array[float] = field(default_factory=lambda: array("f"))
    runs: list[Run] = field(default_factory=list)
    tracks_s: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Night:
    """What is drawn.

    Attributes:
        sources: by name.
        begin_s: Unix time of the first hop.
        end_s: Unix time of the last.
        other_labels: hops left out because another model, with other genres, made them.
    """

    sources: dict[str, SourceNight]
    begin_s: float = 0.0
    end_s: float = 0.0
    other_labels: int = 0


def read_night(messages: Iterable[wire.Message]) -> Night:
    """Go through a recording once.

    Raises:
        UsageError: nothing was heard in it.
    """
    night, runs = Night({}), Runs()
    last_s: dict[str, float] = {}
    for message in messages:
        now_s = runs.add(message)
        if isinstance(message, wire.TrackMessage) and message.reason != "start" and message.source in last_s:
            drawn = night.sources[message.source].tracks_s
            begun_s = last_s[message.source] - (message.time_s - message.since_s)
            # Told again where only the title is another.
            if not drawn or abs(begun_s - drawn[-1]) > 1.0:
                drawn.append(begun_s)
        if now_s is None or not isinstance(message, wire.PosteriorMessage):
            continue
        last_s[message.source] = now_s
        _take(message, now_s, night.sources.setdefault(message.source, SourceNight()), night)
    if not night.sources:
        raise UsageError("there is nothing to draw: the recording holds no posterior", "was a source connected?")
    for name, found in runs.found.items():
        night.sources[name].runs = found
    return night


def _take(message: wire.PosteriorMessage, now_s: float, source: SourceNight, night: Night) -> None:
    night.begin_s = min(night.begin_s or now_s, now_s)
    night.end_s = max(night.end_s, now_s)
    source.labels = source.labels or tuple(message.probs)
    if message.state in {"silence", "stale", "starting"}:
        return
    if tuple(message.probs) != source.labels:
        night.other_labels += 1
        return
    source.times_s.append(now_s)
    source.shares.extend(message.probs.values())


def night_picture(night: Night, out: Path, title: str, zone: dt.tzinfo | None = None) -> None:
    """Draw it.

    Args:
        night: what was heard.
        out: file to write; its suffix says as what.
        title: above the picture.
        zone: of the clock below it; None for this machine's.

    Raises:
        UsageError: matplotlib is missing, or the suffix is none that can be drawn.
        OutputError: the file cannot be written.
    """
    check_drawable(out)
    # The object interface draws without a display and leaves pyplot's global state alone.
    from matplotlib import rc_context  # noqa: PLC0415 - an extra, and half a second to import
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    zone = zone or dt.datetime.fromtimestamp(night.begin_s, dt.UTC).astimezone().tzinfo
    n = len(night.sources)
    with rc_context({"svg.hashsalt": "rtgenre", "font.size": 10, "text.color": INK, "axes.labelcolor": INK}):
        figure = Figure(figsize=(13, 0.8 + _INCHES_A_SOURCE * n), dpi=120, layout="constrained", facecolor="white")
        _draw(figure, night, title, zone)
        try:
            figure.savefig(out)
        except OSError as error:
            with contextlib.suppress(OSError):
                out.unlink()  # half a picture is worse than none
            raise OutputError(f"{out} cannot be written: {error.strerror or error}", "choose another place") from None


def _draw(figure: Figure, night: Night, title: str, zone: dt.tzinfo | None) -> None:
    from matplotlib import dates  # noqa: PLC0415 - see above

    rows = figure.subplots(
        2 * len(night.sources), 1, sharex=True, squeeze=False, height_ratios=[7, 1] * len(night.sources)
    )
    for number, (name, source) in enumerate(night.sources.items()):
        above, below = rows[2 * number, 0], rows[2 * number + 1, 0]
        colours = genre_colours(source.labels)
        _draw_posterior(above, source, night, colours)
        # Names are those of runs with what is too short for one merged: a flicker must not hide what was played.
        a_letter_s = max(night.end_s - night.begin_s, 1.0) / _LETTERS
        named = merge(source.runs, 4 * a_letter_s)
        draw_band(below, _spans(source.runs), _spans(named), colours, a_letter_s / _DAY_S)
        heading = title if number == 0 else ""
        above.set_title(heading, parse_math=False, loc="left", fontsize=13, fontweight="bold", pad=_TITLE_PAD)
        above.set_title(name if len(night.sources) > 1 else "", loc="right", fontsize=11, pad=_TITLE_PAD)
    last = rows[-1, 0]
    locator = dates.AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]
    last.xaxis.set_major_locator(locator)
    last.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]
    last.set_xlim(night.begin_s / _DAY_S, max(night.end_s, night.begin_s + 1.0) / _DAY_S)


def _spans(runs: Iterable[Run]) -> Iterator[Span]:
    for run in runs:
        genre = run.decision if run.is_music else None
        yield run.begin_s / _DAY_S, run.end_s / _DAY_S, run.decision, genre


def _columns(source: SourceNight, night: Night) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of the posterior over equal stretches of time.

    Returns:
        (n + 1,) edges, Unix time; (n, n_labels) means, NaN where nothing was heard.
    """
    length_s = max(night.end_s - night.begin_s, COLUMN_S)
    n = min(MOST_COLUMNS, int(length_s / COLUMN_S))
    edges = np.linspace(night.begin_s, night.begin_s + length_s, n + 1)
    times_s = np.asarray(source.times_s)
    shares = np.asarray(source.shares, np.float64).reshape(-1, max(1, len(source.labels)))
    column = np.clip(np.searchsorted(edges, times_s, side="left") - 1, 0, n - 1)
    counts = np.bincount(column, minlength=n)
    sums = np.stack([np.bincount(column, share, minlength=n) for share in shares.T], axis=1)
    with np.errstate(invalid="ignore"):
        means = sums / counts[:, np.newaxis]
    return edges, means


def _draw_posterior(axes: Axes, source: SourceNight, night: Night, colours: dict[str, str]) -> None:
    """Areas from below in the order of the labels, with a summary as their legend; ticks where tracks begin."""
    edges, means = _columns(source, night)
    heard = ~np.isnan(means[:, 0])
    # Steps, because what follows a silence has nothing to do with what was before it; the last one is drawn twice.
    heights = np.where(heard[:, np.newaxis], means, 0.0)
    heights = np.concatenate([heights, heights[-1:]])
    bottom = np.zeros(len(edges))
    for k, label in enumerate(source.labels):
        top = bottom + heights[:, k]
        axes.fill_between(edges / _DAY_S, bottom, top, step="post", color=colours[label], label=label, lw=0)
        bottom = top
    if heard.any():
        share = means[heard].mean(axis=0)
        areas, _ = axes.get_legend_handles_labels()
        shown = [i for i in np.argsort(-share, kind="stable") if share[i] >= 0.005]
        names = [f"{source.labels[i]}  {100 * share[i]:.0f} %" for i in shown]
        drawn: list[Artist] = [areas[i] for i in shown]
        if source.tracks_s:
            drawn.append(
                axes.vlines([t / _DAY_S for t in source.tracks_s], 1.0, 1.04, color=INK, lw=1.0, clip_on=False)
            )
            names.append(f"{len(source.tracks_s)} other tracks")
        axes.legend(drawn, names, loc="upper left", bbox_to_anchor=(1.005, 1.02), frameon=False)
    axes.set_ylim(0.0, 1.0)
    axes.set_ylabel("posterior")
    axes.tick_params(colors=INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
