"""What is heard now: the decision, the level, the posterior. Each takes a size and gives lines of that width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment

from rtgenre.outputs.tui.draw import BAD, FAINT, GOOD, WARN, Glyphs, Line, bar, padded, style
from rtgenre.outputs.tui.letters import large
from rtgenre.outputs.tui.wording import clock, word
from rtgenre.palette import GREY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rtgenre.outputs.tui.state import FeedView, Heard, SourceView

STATE_COLOURS = {"music": GOOD, "starting": FAINT, "silence": FAINT, "unknown": WARN, "not_music": WARN, "stale": BAD}
METER_FLOOR_DBFS = -60.0


def present(view: SourceView | None, feed: FeedView) -> Heard:
    """What to show as heard now; an old truth is shown as old."""
    if feed.stale:
        return "stale", None
    if view is None or view.last is None:
        # A device that is not there says nothing, but the daemon does.
        lost = view is not None and view.report is not None and view.report.state == "stale"
        return "stale" if lost else "starting", None
    return view.last.state, view.last.top


def summary_line(number: int, name: str, feed: FeedView, colours: Mapping[str, str], glyphs: Glyphs) -> Line:
    """A source that is not shown, on one line: its key, its name, what is heard, how sure, how loud."""
    view = feed.sources[name]
    state, top = present(view, feed)
    colour = colours.get(top, GREY) if top else STATE_COLOURS[state]
    line: Line = [
        Segment(f" {number} " if number <= 9 else "   ", style(bold=True)),
        Segment(f"{glyphs.fit(name, 12)} ", style(FAINT)),
        Segment(f"{glyphs.bullet} {glyphs.fit(top or word(state), 12)}", style(colour, bold=True)),
    ]
    if view.last is not None:
        sure = f"{100 * view.last.confidence:3.0f} %" if top else "     "
        line.append(Segment(f" {sure}  {view.level_dbfs:6.1f} dBFS".replace("-", glyphs.minus), style(FAINT)))
    if view.report is not None:
        line.append(Segment(f"  {glyphs.note + view.title if view.title else view.report.description}", style(FAINT)))
    return line


def now_lines(
    view: SourceView, feed: FeedView, colours: Mapping[str, str], width: int, height: int, glyphs: Glyphs
) -> list[Line]:
    """The decision in large letters, how sure and since when, and the level."""
    state, top = present(view, feed)
    said = top or word(state)
    colour = colours.get(top, GREY) if top else STATE_COLOURS[state]
    letters = None if glyphs.ascii_only or height < 6 else large(said, width)
    lines: list[Line]
    if letters:
        lines = [[Segment(text, style(colour))] for text in letters]
    else:
        lines = [[Segment(glyphs.fit(said.upper(), width), style(colour, bold=True))]]
    if view.last is None:
        return [*lines, [], [Segment(_remark(state, feed, glyphs), style(FAINT))]][:height]
    if top:
        for_s = (feed.now_ns - view.since_ns) / 1e9
        lines += [] if height < 6 else [[]]
        confidence = Segment(f"{100 * view.last.confidence:.0f} %", style(colour, bold=True))
        lines.append([confidence, Segment(f"  for {clock(for_s)}", style(FAINT))])
        lines[-1] += [Segment(f"  entropy {view.last.entropy:.2f} bit", style(FAINT))] if width >= 32 else []
    else:
        lines += [[], [Segment(_remark(state, feed, glyphs), style(FAINT))]] if height >= 6 else []
    meter = meter_lines(view, feed, width, glyphs, scale=height >= 7)
    lines = lines[: max(1, height - len(meter))]
    lines += [[]] * (height - len(meter) - len(lines))
    return lines + meter


def _remark(state: str, feed: FeedView, glyphs: Glyphs) -> str:
    dash = "-" if glyphs.ascii_only else "–"
    return {
        "stale": f"feed stale for {feed.silent_s:.0f} s {dash} waiting" if feed.stale else "no sound arrives",
        "silence": "below the silence gate",
        "unknown": "none of the genres is likely enough",
        "not_music": "sound, but no music",
        "starting": "before the first decision" if feed.heartbeat else "waiting for the feed",
    }.get(state, "")


def meter_lines(view: SourceView, feed: FeedView, width: int, glyphs: Glyphs, *, scale: bool = True) -> list[Line]:
    """Level in dBFS with peak hold, and a scale below; grey where it is not the present level."""
    text = f"{view.level_dbfs:6.1f} dBFS".replace("-", glyphs.minus)
    cells = width - len(text) - 1
    if cells < 8:
        return [[Segment(glyphs.fit(text.strip(), width))]]

    def place(dbfs: float) -> float:
        return (max(METER_FLOOR_DBFS, min(0.0, dbfs)) - METER_FLOOR_DBFS) / -METER_FLOOR_DBFS

    drawn = bar(place(view.level_dbfs), cells, glyphs)
    edges = [0, round(place(-18.0) * cells), round(place(-6.0) * cells), cells]
    line: Line = []
    peak = min(cells - 1, int(place(view.peak_dbfs) * cells))
    zones = (FAINT, FAINT, FAINT) if present(view, feed)[0] == "stale" else (GOOD, WARN, BAD)
    for start, stop, colour in zip(edges[:-1], edges[1:], zones, strict=True):
        if start <= peak < stop and view.peak_dbfs > METER_FLOOR_DBFS and drawn[peak] == " ":
            line += [
                Segment(drawn[start:peak], style(colour)),
                Segment(glyphs.peak, style(colour, bold=True)),
                Segment(drawn[peak + 1 : stop], style(colour)),
            ]
        else:
            line.append(Segment(drawn[start:stop], style(colour)))
    line.append(Segment(f" {text}"))
    if not scale:
        return [line]
    marks = [" "] * (cells + 1)
    for dbfs in (-60, -48, -36, -24, -12, 0) if cells >= 30 else (-60, -30, 0):
        label = str(dbfs).replace("-", glyphs.minus)
        start = max(0, min(cells + 1 - len(label), round(place(dbfs) * cells) - len(label) // 2))
        marks[start : start + len(label)] = label
    return [line, [Segment("".join(marks), style(FAINT))]]


def bar_lines(
    view: SourceView, feed: FeedView, colours: Mapping[str, str], width: int, height: int, glyphs: Glyphs
) -> list[Line]:
    """The posterior: a bar a genre, always in the same place; grey where it says nothing about the present.

    One's own labels stand below the model's, with a ``+``.
    """
    if view.last is None:
        return []
    state, top = present(view, feed)
    labels = list(colours)
    columns = max(1, -(-len(labels) // max(1, height)))
    per_column = -(-len(labels) // columns)
    cell_width = (width - 2 * (columns - 1)) // columns
    name_width = min(max(map(len, labels), default=0), max(4, cell_width // 3))
    bar_width = max(1, cell_width - name_width - 9)
    pitch = 2 if columns == 1 and height >= 2 * per_column - 1 else 1
    lines: list[Line] = [[] for _ in range(pitch * per_column)]
    for i, label in enumerate(labels):
        column, row = divmod(i, per_column)
        own = view.last.own.get(label)
        share = view.last.probs.get(label, 0.0) if own is None else own
        # A noise of one's own is heard just when there is no music.
        quiet = state in ({"silence", "stale", "starting"} | ({"not_music"} if own is None else set()))
        colour = FAINT if quiet else colours[label]
        decided = label == top if own is None else share > 0.5 and not quiet
        sign = glyphs.marker if decided else " " if own is None else "+"
        line = lines[row * pitch]
        if column:
            line[:] = [*padded(line, column * (cell_width + 2))]
        line += [
            Segment(f"{sign} ", style(colour, bold=True)),
            Segment(glyphs.fit(label, name_width), style("" if decided else FAINT, bold=decided)),
            Segment(" " + bar(share, bar_width, glyphs), style(colour)),
            Segment(f" {100 * share:3.0f} %", style("" if decided else FAINT, bold=decided)),
        ]
    return lines
