"""Latencies and counters, as tables where there is room and as lines where there is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment

from rtgenre.outputs.tui.draw import FAINT, GOOD, WARN, Glyphs, Line, line_width, spread, style
from rtgenre.outputs.tui.state import STAGES
from rtgenre.outputs.tui.wording import milliseconds, number

if TYPE_CHECKING:
    from rtgenre.outputs.tui.state import FeedView, SourceView


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
            ("restarts", report.capture_restarts, True),
            ("resets", report.resets, False),
            ("hops", report.hops, False),
        ]
    if heartbeat is not None:
        known += [("subscribers", heartbeat.subscribers, False), ("feed dropped", heartbeat.feed_dropped, True)]
        lost = sum(one.dropped + one.unsent for name, one in heartbeat.outputs.items() if name != "feed")
        known += [("outputs lost", lost, True)] if heartbeat.outputs else []
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
