"""``rtgenre midi``: which ports there are, and one control at a time for mapping."""

from __future__ import annotations

import itertools
import json
import sys
import time
from typing import TYPE_CHECKING

from rtgenre import app
from rtgenre.errors import EX_OK, UsageError, nearest

if TYPE_CHECKING:
    from rtgenre.config import Settings

STEP_S = 0.05
_NONE = "no MIDI ports of other programs"
SWEEP = [*range(0, 128, 8), 127, *range(120, -1, -8)]


def ports(settings: Settings, *, as_json: bool) -> int:
    """List what others offer, and say what ours is called."""
    app.check_midi_library()
    from rtgenre.outputs.midi import port

    found = port.list_ports()
    if as_json:
        for backend, direction, name in found:
            print(json.dumps({"backend": backend, "direction": direction, "name": name}))
        if not found:
            print(f"rtgenre: {_NONE}", file=sys.stderr)
        return EX_OK
    for backend, direction, name in found:
        print(f"{backend:8} {'to' if direction == 'out' else 'from':4} {name}")
    if not found:
        print(_NONE)
    if port.VIRTUAL:
        print(f"rtgenre makes a port of its own, {settings.midi.port!r}, where [midi] is enabled")
    return EX_OK


def learn(settings: Settings, genre: str, *, note: bool, seconds: float | None) -> int:
    """Send one genre's control, or its note, over and over, so that another program can learn it.

    Args:
        settings: of ``[midi]``, and the model's for its genres.
        genre: which.
        note: the note of its decision instead of the control of its probability.
        seconds: stop after this long; None for Ctrl-C.

    Raises:
        UsageError: there is no such genre.
        RtgenreError: no port can be opened.
    """
    checkpoint = app.load_checkpoint(settings.model)
    labels = list(checkpoint.labels)
    own = app.own_head(settings.labels, checkpoint, lambda line: print(f"rtgenre: {line}", file=sys.stderr))
    if own is not None and not note:  # only the model's genres have notes
        labels += own.names
    if genre not in labels:
        raise UsageError(f"there is no genre {genre!r} in {settings.model.path}", nearest(genre, labels))
    midi = settings.midi
    number = (midi.note if note else midi.control) + labels.index(genre)
    if number > (127 if note else 119):
        raise UsageError(f"{genre} would be number {number}, which MIDI does not have", "begin lower: see [midi]")
    app.check_midi_library()
    from rtgenre.outputs.midi.port import open_port

    port = open_port(midi)
    what = f"note {number}" if note else f"CC {number}"
    print(f"sending {what} on channel {midi.channel} for {genre}: let your program learn it; Ctrl-C ends", flush=True)
    end = float("inf") if seconds is None else time.monotonic() + seconds
    status = midi.channel - 1
    try:
        for value in itertools.cycle([midi.velocity, *[0] * 9] if note else SWEEP):
            if time.monotonic() >= end:
                break
            if not note:
                port.send((0xB0 | status, number, value))
            elif value:
                port.send((0x90 | status, number, value))
                time.sleep(0.5)
                port.send((0x80 | status, number, 0))
            time.sleep(STEP_S)
            port.check()
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        if note:
            port.send((0x80 | status, number, 0))
        port.close()
    return EX_OK
