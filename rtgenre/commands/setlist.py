"""``rtgenre setlist``: what was played when, from a recording."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import TYPE_CHECKING, Literal

from rtgenre.commands.record import tell
from rtgenre.errors import EX_OK, UsageError, nearest, printable
from rtgenre.recording.reader import Recording
from rtgenre.recording.setlist import collect, merge

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.recording.setlist import Run

Format = Literal["markdown", "csv"]
COLUMNS = ("source", "from", "to", "seconds", "decision", "is_genre", "confidence", "tracks", "titles")


def print_setlist(folder: Path, form: Format, min_s: float, source: str | None) -> int:
    """Print it; what could not be read is told on stderr.

    Args:
        folder: of the recording.
        form: what to print.
        min_s: what lasts less is merged with what is beside it.
        source: only this one; None for all.

    Raises:
        FeedError: there is no recording, or nothing in it.
        UsageError: no such source is in it.
    """
    recording = Recording(folder)
    found = {name: merge(runs, min_s) for name, runs in collect(recording.messages()).items()}
    if source is not None:
        if source not in found:
            raise UsageError(f"there is no source {source!r} in {str(folder)!r}", nearest(source, found))
        found = {source: found[source]}
    if not found:
        raise UsageError(f"nothing was heard in {str(folder)!r}", "was a source connected when it was recorded?")
    print(markdown(found) if form == "markdown" else as_csv(found), end="")
    if str(recording.damage):
        tell(f"{folder}: {recording.damage}")
    return EX_OK


def as_csv(found: dict[str, list[Run]], zone: dt.tzinfo | None = None) -> str:
    """A line for each run, ISO 8601 with its offset from UTC.

    Args:
        found: runs by source.
        zone: of the times; None for this machine's.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for name, runs in found.items():
        for run in runs:
            begun, ended = (_clock(t, zone).isoformat(timespec="seconds") for t in (run.begin_s, run.end_s))
            told = (f"{run.length_s:.1f}", run.decision, int(run.is_music), f"{run.confidence:.3f}", len(run.tracks))
            table.writerow((name, begun, ended, *told, " · ".join(run.titles)))
    return text.getvalue()


def markdown(found: dict[str, list[Run]], zone: dt.tzinfo | None = None) -> str:
    """A table for each source, and how long each genre was played.

    Args:
        found: runs by source.
        zone: of the times; None for this machine's.
    """
    parts = []
    for name, runs in found.items():
        begun, ended = _clock(runs[0].begin_s, zone), _clock(runs[-1].end_s, zone)
        heading = f"# Set list: {name}, {begun:%Y-%m-%d %H:%M}–{ended:%H:%M} ({begun:%Z})"
        titled = any(run.titles for run in runs)
        rows = [["from", "for", "genre", "sure", "tracks", *(["titles"] if titled else [])]]
        rows += [_row(run, zone, titled=titled) for run in runs]
        table = [f"| {' | '.join(cells)} |" for cells in rows]
        table.insert(1, f"|{'---|' * len(rows[0])}")
        parts.append("\n".join([heading, "", *table, "", _summary(runs), ""]))
    return "\n".join(parts)


def _row(run: Run, zone: dt.tzinfo | None, *, titled: bool) -> list[str]:
    name = run.decision if run.is_music else f"*{run.decision.replace('_', ' ')}*"
    sure = f"{100 * run.confidence:.0f} %" if run.is_music else ""
    tracks = str(len(run.tracks) or "")
    cells = [f"{_clock(run.begin_s, zone):%H:%M:%S}", _length(run.length_s), name, sure, tracks]
    # Titles are a stranger's words.
    return [*cells, *([printable(" · ".join(run.titles)).replace("|", "\\|").replace("\n", " ")] if titled else [])]


def _summary(runs: list[Run]) -> str:
    seconds: dict[str, float] = {}
    for run in runs:
        if run.is_music:
            seconds[run.decision] = seconds.get(run.decision, 0.0) + run.length_s
    if not seconds:
        return "No music."
    parts = sorted(seconds.items(), key=lambda item: -item[1])
    return f"In all {_length(sum(seconds.values()))} of music: {', '.join(f'{n} {_length(s)}' for n, s in parts)}."


def _length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _clock(t_s: float, zone: dt.tzinfo | None) -> dt.datetime:
    return dt.datetime.fromtimestamp(t_s, dt.UTC).astimezone(zone)
