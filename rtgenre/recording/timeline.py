"""When a recorded hop was heard: Unix time, from the clocks in its message."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtgenre.outputs import wire


def wall_s(message: wire.Message) -> float:
    """When a message was published, as Unix time in s.

    A time that is none counts as 1970: it was well-formed JSON, and is not worth losing the message for.
    """
    try:
        return dt.datetime.fromisoformat(message.t_wall).timestamp()
    except (ValueError, OverflowError):
        return 0.0


@dataclass(slots=True)
class _Clock:
    """A source in a session: where it began, and how far it has come; Unix time, and position in the source, s."""

    began_s: float
    time_s: float
    last_s: float


class Timeline:
    """Dates posteriors, in the order in which they were kept; belongs to one thread.

    Sound is dated by when it was captured. A file that was tagged faster than it sounds is dated by its own seconds
    instead, as if it had been played from when it began; so whichever of the two is later holds.
    """

    def __init__(self) -> None:
        self._clocks: dict[tuple[str, str], _Clock] = {}

    def place(self, message: wire.PosteriorMessage) -> float:
        """Unix time at which the hop ended, s; never earlier than the last one of its source and session."""
        captured_s = wall_s(message)
        if message.state != "stale":  # which repeats what was heard last, and is said when it is found out
            captured_s -= (message.t_publish_ns - message.t_audio_ns) / 1e9
        clock = self._clocks.get((message.session, message.source))
        if clock is None:
            clock = _Clock(captured_s, message.time_s, captured_s)
            self._clocks[message.session, message.source] = clock
        clock.last_s = max(captured_s, clock.began_s + message.time_s - clock.time_s, clock.last_s)
        return clock.last_s
