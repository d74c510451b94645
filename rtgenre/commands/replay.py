"""``rtgenre replay``: a recording on the feed again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtgenre import app
from rtgenre.commands.record import tell
from rtgenre.commands.stopping import told_to_stop
from rtgenre.outputs.zmq_feed import ZmqFeed
from rtgenre.recording.reader import Recording
from rtgenre.recording.replay import Replay

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from rtgenre.config import FeedSettings

LAST_WORDS_S = 0.3  # for what has been sent to leave the sockets, and for a subscription to arrive


@dataclass(frozen=True, slots=True)
class Asked:
    """How to play.

    Attributes:
        speed: 1 for the recording's own pace.
        loop: begin again when it is over.
        subscribers: wait for so many before it begins.
    """

    speed: float = 1.0
    loop: bool = False
    subscribers: int = 0


def replay_feed(folder: Path, asked: Asked, settings: FeedSettings) -> int:
    """Publish a recording until it is over or a signal comes.

    Args:
        folder: of the recording.
        asked: how to play.
        settings: addresses and keys.

    Returns:
        The exit code.

    Raises:
        FeedError: there is no recording, or nothing in it.
        RtgenreError: the feed cannot be opened.
    """
    recording = Recording(folder)
    next(recording.messages())  # before a port is opened: is there anything?
    with told_to_stop() as stop:
        replay = Replay(recording, asked.speed, stop)
        feed = ZmqFeed(
            settings.publish,
            settings.control,
            {"hello": replay.hello, "stats": replay.stats, "reset": replay.reset},
            curve=app.feed_curve(settings),
            max_connections=settings.max_connections,
        )
        feed.start()
        try:
            tell(f"replaying {folder} at {feed.publish_address}, {asked.speed:g} times as fast; Ctrl-C ends it")
            t_start = time.monotonic()
            _wait_for_subscribers(feed, asked.subscribers, stop)
            replay.play(feed)
            while asked.loop and not stop.is_set():
                replay.play(feed)
            if str(recording.damage):
                tell(f"{folder}: {recording.damage}")
            tell(f"{replay.sent} messages in {time.monotonic() - t_start:.1f} s")
            stop.wait(LAST_WORDS_S)
        finally:
            feed.close()
    return stop.exit_code


def _wait_for_subscribers(feed: ZmqFeed, n: int, stop: threading.Event) -> None:
    if n:
        while feed.subscribers < n and not stop.wait(0.01):
            pass
        stop.wait(LAST_WORDS_S)
