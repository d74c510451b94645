"""``rtgenre watch``: the feed on a terminal or in a pipe, from anywhere."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

from rtgenre.client import Subscriber
from rtgenre.errors import EX_OK, FeedError
from rtgenre.outputs import wire


def watch_lines(endpoint: str, control: str | None) -> NoReturn:
    """Print every message as a JSON line until interrupted.

    Raises:
        FeedError: the address is not one, or what it sends is no feed.
    """
    with Subscriber(endpoint, control) as feed:
        while True:
            received = feed.receive(wire.STALE_AFTER_S)
            if received is None:
                print(f"rtgenre: nothing comes from {endpoint}: no daemon there? Waiting", file=sys.stderr)
                received = next(iter(feed))
            sys.stdout.buffer.write(received.body + b"\n")
            sys.stdout.buffer.flush()


def watch_screen(endpoint: str, control: str | None, parent: int | None) -> int:
    """Show the terminal UI until ``q``; it waits for a daemon that is not there yet.

    Args:
        endpoint: address of the feed.
        control: address of its control port; None means the next port.
        parent: process id of the daemon that shows itself with this screen; when it dies, the screen goes.

    Raises:
        FeedError: the address is not one, what it sends is no feed, or the daemon has died.
    """
    from rtgenre.outputs.tui.terminal import show

    with Subscriber(endpoint, control) as feed:
        waiting: list[wire.Message] = []
        # What a daemon said before we came: without it the first second would be empty.
        with contextlib.suppress(FeedError):
            waiting += [received.message for received in feed.snapshot()]

        def next_messages() -> list[wire.Message]:
            messages = waiting.copy()
            waiting.clear()
            if parent is not None and os.getppid() != parent:
                raise FeedError("the daemon was killed", "start it again: rtgenre run")
            while (received := feed.receive(0.0)) is not None:
                messages.append(received.message)
            return messages

        show(next_messages, feed.request)
    return EX_OK
