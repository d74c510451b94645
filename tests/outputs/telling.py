"""Messages with a given decision, for the tests of the outputs."""

from __future__ import annotations

import itertools
import time

from rtgenre.outputs import wire
from tests.outputs.story import LABELS, heartbeat, posterior

_numbers = itertools.count()


def heard(
    top: str | None, *, p: float = 0.5, source: str = "mic", session: str = "s1", **own: float
) -> wire.PosteriorMessage:
    """A hop of music in which ``top`` is decided for; silence where it is None. ``own``: one's own labels."""
    rest = (1 - p) / (len(LABELS) - 1)
    probs = {label: p if label == (top or LABELS[0]) else rest for label in LABELS}
    state: wire.StateName = "silence" if top is None else "music"
    number = next(_numbers)
    return posterior(number, time.monotonic_ns(), probs, state=state, source=source, session=session, own=own)


def envelope(message: wire.Message) -> wire.Envelope:
    kind = type(message).__struct_config__.tag
    name = wire.HEARTBEAT_TOPIC if isinstance(message, wire.Heartbeat) else wire.topic(message.source, str(kind))
    return wire.Envelope(name, message, time.monotonic_ns())


def beat(*sources: str) -> wire.Heartbeat:
    return heartbeat(next(_numbers), time.monotonic_ns(), **dict.fromkeys(sources, heartbeat().sources["demo"]))
