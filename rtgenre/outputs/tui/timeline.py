"""The last minutes: what was decided, and how surely."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.segment import Segment

from rtgenre.outputs.tui.draw import FAINT, Glyphs, Line, style
from rtgenre.outputs.tui.wording import clock, word
from rtgenre.palette import GREY, ink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rtgenre.outputs.tui.state import FeedView, Second, SourceView

SECONDS_PER_CELL = (1, 2, 5, 10, 15, 30)


def strip_lines(
    view: SourceView, feed: FeedView, colours: Mapping[str, str], width: int, height: int, glyphs: Glyphs
) -> list[Line]:
    """The last minutes: confidence as a skyline, decisions as a labelled band, time below."""
    per_cell = seconds_per_cell(width)
    cells = view.strip.cells(width, per_cell, feed.now_ns // 1_000_000_000)
    skyline = [_skyline(cells, colours, level, height - 2, glyphs) for level in reversed(range(height - 2))]
    return [*skyline, _band(cells, colours, glyphs), [Segment(_time_axis(width, per_cell, glyphs), style(FAINT))]]


def seconds_per_cell(width: int) -> int:
    """How coarse a strip of this width is, to show about two minutes or more."""
    return next((s for s in SECONDS_PER_CELL if s * width >= 110), SECONDS_PER_CELL[-1])


def _skyline(
    cells: Sequence[Second | None], colours: Mapping[str, str], level: int, levels: int, glyphs: Glyphs
) -> Line:
    line: Line = []
    for colour, run in groupby(cells, key=lambda c: colours.get(c.heard[1] or "", GREY) if c else ""):
        text = ""
        for cell in run:
            confidence = cell.confidence if cell and cell.heard[0] in {"music", "unknown"} else 0.0
            eighths = round(confidence * levels * 8) - 8 * level
            text += " " if eighths <= 0 else glyphs.upwards[min(eighths, 8) - 1]
        line.append(Segment(text, style(colour)))
    return line


def _band(cells: Sequence[Second | None], colours: Mapping[str, str], glyphs: Glyphs) -> Line:
    line: Line = []
    before: str | None = None
    # A track begins a run of its own, even where the genre stays the same.
    for key, run in groupby(cells, key=lambda c: (c.heard, c.track) if c else None):
        n = len(list(run))
        if key is None:
            line.append(Segment(" " * n))
            before = None
            continue
        state, top = key[0]
        name = top or word(state)
        # Names stand in the band itself, so that it reads without colours and without a legend.
        if top:
            start = "|" if glyphs.ascii_only else glyphs.across[0]
            marked = n > len(name) or top == before
            text = start + name[: n - 1] if marked else name[: max(1, n - 1)]
            colour = colours.get(top, GREY)
            line.append(Segment(glyphs.fit(text, n), style(ink(colour), colour)))
        else:
            text = f" {name} " if n >= len(name) + 2 else ""
            line.append(Segment(glyphs.fit(text, len(text)).ljust(n, glyphs.dot), style(FAINT)))
        before = top
    return line


def _time_axis(width: int, per_cell: int, glyphs: Glyphs) -> str:
    text = [" "] * width
    text[-3:] = "now"
    every_s = next((s for s in (15, 30, 60, 120, 300, 600) if s / per_cell >= 11), 600)
    for ago_s in range(every_s, width * per_cell, every_s):
        label = glyphs.minus + clock(ago_s)
        start = width - ago_s // per_cell - 1
        if start >= 0 and start + len(label) <= width - 4:
            text[start : start + len(label)] = label
    return "".join(text)
