"""``rtgenre night``: a recording as a picture."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from rtgenre.commands.record import tell
from rtgenre.errors import EX_OK, UsageError, nearest
from rtgenre.plot import check_drawable
from rtgenre.recording.picture import night_picture, read_night
from rtgenre.recording.reader import Recording

if TYPE_CHECKING:
    from pathlib import Path


def draw_night(folder: Path, out: Path, source: str | None, title: str | None) -> int:
    """Draw it; what could not be read is told on stderr.

    Args:
        folder: of the recording.
        out: file to write; its suffix says as what.
        source: only this one; None for all.
        title: above the picture; None for the date.

    Raises:
        FeedError: there is no recording, or nothing in it.
        UsageError: no such source is in it, or it cannot be drawn.
        OutputError: the file cannot be written.
    """
    check_drawable(out)
    recording = Recording(folder)
    night = read_night(recording.messages())
    if source is not None:
        if source not in night.sources:
            raise UsageError(f"there is no source {source!r} in {str(folder)!r}", nearest(source, night.sources))
        night.sources = {source: night.sources[source]}
    begun, ended = (dt.datetime.fromtimestamp(t, dt.UTC).astimezone() for t in (night.begin_s, night.end_s))
    night_picture(night, out, title or f"{begun:%A, %d %B %Y, %H:%M}–{ended:%H:%M} ({begun:%Z})")
    if str(recording.damage):
        tell(f"{folder}: {recording.damage}")
    if night.other_labels:
        tell(f"{night.other_labels} hops of a model with other genres are not drawn")
    tell(f"drew {out}")
    return EX_OK
