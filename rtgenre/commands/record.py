"""``rtgenre record``: keep a running daemon's feed in a folder."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from typing import TYPE_CHECKING

from rtgenre.commands.stopping import told_to_stop
from rtgenre.errors import FeedError
from rtgenre.outputs.recorder import KeptLines, open_folder

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.client import Received, Subscriber
    from rtgenre.commands.watch import Where
    from rtgenre.outputs.recorder import Limits

WAIT_S = 0.2  # how long a signal may have to wait


def record_feed(where: Where, folder: Path, limits: Limits, seconds: float | None) -> int:
    """Keep every message until told to stop; waits for a daemon that is not there yet, or is started anew.

    Args:
        where: the feed.
        folder: made where there is none.
        limits: when the next file begins.
        seconds: stop after so long; None for never.

    Returns:
        The exit code.

    Raises:
        OutputError: the folder cannot be written.
        FeedError: what comes is no feed, or it refuses this client.
    """
    lines = KeptLines(open_folder(folder), limits)
    end = time.monotonic() + seconds if seconds else math.inf
    with told_to_stop() as stop, where.subscriber(recover=True) as feed:
        tell(f"recording {where.endpoint} in {folder}; Ctrl-C ends it")
        try:
            for received in _present(feed):
                lines.write(received.body)
            quiet = False
            while not stop.is_set() and time.monotonic() < end:
                following = feed.receive(WAIT_S)
                if feed.stale != quiet:
                    quiet = feed.stale
                    tell(f"nothing comes from {where.endpoint}: waiting" if quiet else "it is back")
                if following is None:
                    lines.flush_if_due()
                    continue
                if following.missed:
                    tell(f"{following.missed} messages of {following.topic} are lost")
                lines.write(following.body)
        finally:
            lines.close()
            lost = f"; {feed.missed} were lost" if feed.missed else ""
            tell(f"{lines.written} messages in {lines.files} file(s){lost}")
    return stop.exit_code


def _present(feed: Subscriber) -> list[Received]:
    """The last message of every topic, the oldest first; none where nobody is there yet."""
    with contextlib.suppress(FeedError):
        return sorted(feed.join(1.0), key=lambda received: received.message.t_publish_ns)
    return []


def tell(text: str) -> None:
    """Say something beside what is printed."""
    print(f"rtgenre: {text}", file=sys.stderr, flush=True)
