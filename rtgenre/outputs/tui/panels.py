"""The parts of the screen. Each takes what is known and a size in cells, and gives lines of that width."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.segment import Segment

from rtgenre.outputs.tui.draw import BAD, FAINT, GOOD, WARN, Glyphs, Line, bar, line_width, padded, spread, style
from rtgenre.outputs.tui.letters import large
from rtgenre.outputs.tui.state import STAGES, FeedView, Heard, Second, SourceView
from rtgenre.palette import GREY, ink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WORDS = {"not_music": "not music"}
STATE_COLOURS = {"music": GOOD, "starting": FAINT, "silence": FAINT, "unknown": WARN, "not_music": WARN, "stale": BAD}
METER_FLOOR_DBFS = -60.0
SECONDS_PER_CELL = (1, 2, 5, 10, 15, 30)


def word(state: str) -> str:
    """A state as people write it."""
    return WORDS.get(state, state)


def clock(seconds: float) -> str:
    """``m:ss`` or ``h:mm:ss``."""
    minutes, s = divmod(max(0, int(seconds)), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"


def number(value: int) -> str:
    """A count, short where it is long."""
    for limit, divisor, unit in ((10_000, 1, ""), (10_000_000, 1000, "k"), (10_000_000_000, 1_000_000, "M")):
        if value < limit:
            return f"{value // divisor}{unit}"
    return f"{value // 1_000_000_000}G"


def present(view: SourceView | None, feed: FeedView) -> Heard:
    """What to show as heard now; an old truth is shown as old."""
    if feed.stale:
        return "stale", None
    if view is None or view.last is None:
        return "starting", None
    return view.last.state, view.last.top


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
    """The posterior: a bar a genre, always in the same place; grey where it says nothing about the present."""
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
        share = view.last.probs.get(label, 0.0)
        quiet = state in {"silence", "stale", "starting"}
        colour = FAINT if quiet else colours[label]
        decided = label == top
        sign = glyphs.marker if decided else " "
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


def strip_lines(
    view: SourceView, feed: FeedView, colours: Mapping[str, str], width: int, height: int, glyphs: Glyphs
) -> list[Line]:
    """The last minutes: confidence as a skyline, decisions as a labelled band, time below."""
    per_cell = span_s(width) // width
    cells = view.strip.cells(width, per_cell, feed.now_ns // 1_000_000_000)
    skyline = [_skyline(cells, colours, level, height - 2, glyphs) for level in reversed(range(height - 2))]
    return [*skyline, _band(cells, colours, glyphs), [Segment(_time_axis(width, per_cell, glyphs), style(FAINT))]]


def span_s(width: int) -> int:
    """Seconds that a strip of this width shows: about two minutes or more."""
    return width * next((s for s in SECONDS_PER_CELL if s * width >= 110), SECONDS_PER_CELL[-1])


def _skyline(
    cells: Sequence[Second | None], colours: Mapping[str, str], level: int, levels: int, glyphs: Glyphs
) -> Line:
    line: Line = []
    for colour, run in groupby(cells, key=lambda c: colours.get(c.heard[1] or "", GREY) if c else ""):
        text = ""
        for cell in run:
            confidence = cell.confidence if cell and cell.heard[0] not in {"silence", "stale", "starting"} else 0.0
            eighths = round(confidence * levels * 8) - 8 * level
            text += " " if eighths <= 0 else glyphs.upwards[min(eighths, 8) - 1]
        line.append(Segment(text, style(colour)))
    return line


def _band(cells: Sequence[Second | None], colours: Mapping[str, str], glyphs: Glyphs) -> Line:
    line: Line = []
    for heard, run in groupby(cells, key=lambda c: c.heard if c else None):
        n = len(list(run))
        if heard is None:
            line.append(Segment(" " * n))
            continue
        state, top = heard
        name = top or word(state)
        # Names stand in the band itself, so that it reads without colours and without a legend.
        if top:
            start = "|" if glyphs.ascii_only else glyphs.across[0]
            text = start + name[: n - 1] if n > len(name) else name[: max(1, n - 1)]
            colour = colours.get(top, GREY)
            line.append(Segment(glyphs.fit(text, n), style(ink(colour), colour)))
        else:
            text = f" {name} " if n >= len(name) + 2 else ""
            line.append(Segment(glyphs.fit(text, len(text)).ljust(n, glyphs.dot), style(FAINT)))
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


def latency_lines(view: SourceView, width: int, glyphs: Glyphs) -> list[Line]:
    """p50, p95 and p99 of the last minute by stage, in milliseconds."""
    column = max(6, min(10, (width - 9) // 3))
    lines: list[Line] = [
        [Segment(glyphs.fit("", 9)), *(Segment(f"{p:>{column}}", style(FAINT)) for p in ("p50", "p95", "p99"))]
    ]
    for i, stage in enumerate(STAGES):
        total = stage == "total"
        line = [Segment(glyphs.fit(stage, 9), style("" if total else FAINT, bold=total))]
        for p in range(3):
            value = "" if view.latency.table is None else milliseconds(view.latency.table[i, p])
            line.append(Segment(f"{value:>{column}}", style(bold=total)))
        lines.append(line)
    return lines


def milliseconds(value: float) -> str:
    """Three digits or so."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 999.5 else f"{value:.0f}"


def counters(view: SourceView, feed: FeedView) -> list[tuple[str, int, bool]]:
    """Name, value, and whether it is bad news where it is not zero."""
    report, heartbeat = view.report, feed.heartbeat
    known: list[tuple[str, int, bool]] = []
    if report is not None:
        known += [
            ("xruns", report.xruns, True),
            ("dropped", report.dropped_samples, True),
            ("gap samples", report.gap_samples, True),
            ("late hops", report.late_hops, True),
            ("clipped", report.clipped_samples, True),
            ("non-finite", report.non_finite_samples, True),
            ("capture restarts", report.capture_restarts, True),
            ("resets", report.resets, False),
            ("hops", report.hops, False),
        ]
    if heartbeat is not None:
        known += [("subscribers", heartbeat.subscribers, False), ("feed dropped", heartbeat.feed_dropped, True)]
    known.append(("missed here", view.missed, True))
    return known


def counter_lines(view: SourceView, feed: FeedView, width: int, height: int) -> list[Line]:
    """Counters in as many columns as it takes; zeros stay in the background."""
    known = counters(view, feed)
    columns = max(1, -(-len(known) // max(1, height)))
    per_column = -(-len(known) // columns)
    cell_width = (width - 3 * (columns - 1)) // columns
    lines: list[Line] = [[] for _ in range(per_column)]
    for i, (name, value, bad) in enumerate(known):
        column, row = divmod(i, per_column)
        colour = (WARN if bad else "") if value else FAINT
        shown = number(value)
        cell = spread(
            [Segment(name[: cell_width - len(shown) - 1], style(FAINT))],
            [Segment(shown, style(colour, bold=bool(value)))],
            cell_width,
        )
        lines[row] += [Segment("   ")] * bool(column) + cell
    return lines


def counter_flow(view: SourceView, feed: FeedView, width: int, height: int, *, zeros: bool = True) -> list[Line]:
    """Counters one after another in little room, bad news first; what does not fit is left out."""
    lines: list[Line] = [[]]
    for name, value, bad in sorted(counters(view, feed), key=lambda c: (not c[1], not c[2])):
        shown = number(value)
        if line_width(lines[-1]) + len(name) + len(shown) + 1 > width:
            lines.append([])
        if value or zeros:
            colour = (WARN if bad else "") if value else FAINT
            lines[-1] += [Segment(f"{name} ", style(FAINT)), Segment(shown, style(colour, bold=bool(value)))]
            lines[-1].append(Segment("  "))
    if view.report is None:
        return [[Segment("no report yet", style(FAINT))]]
    return lines[:height] if lines[0] else [[Segment("nothing lost", style(GOOD))]]


def latency_line(view: SourceView, glyphs: Glyphs) -> Line:
    """The total latency on one line."""
    if view.latency.table is None:
        return [Segment("latency unknown", style(FAINT))]
    values = "/".join(milliseconds(v) for v in view.latency.table[-1])
    return [Segment("latency ", style(FAINT)), Segment(values), Segment(f" ms{glyphs.between}p50/95/99", style(FAINT))]
