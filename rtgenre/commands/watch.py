"""``rtgenre watch``: the feed on a terminal or in a pipe, from anywhere."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from rtgenre.client import Subscriber
from rtgenre.errors import EX_OK, FeedError

if TYPE_CHECKING:
    from rtgenre.outputs import wire


def watch_lines(endpoint: str, control: str | None) -> int:
    """Print every message as a JSON line until interrupted.

    Raises:
        FeedError: the address is not one, or what it sends is no feed.
    """
    with Subscriber(endpoint, control) as feed:
        for received in feed:
            sys.stdout.buffer.write(received.body + b"\n")
            sys.stdout.buffer.flush()
    return EX_OK


def watch_screen(endpoint: str, control: str | None) -> int:
    """Show the terminal UI until ``q``; it waits for a daemon that is not there yet.

    Raises:
        FeedError: the address is not one, or what it sends is no feed.
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
            while (received := feed.receive(0.0)) is not None:
                messages.append(received.message)
            return messages

        show(next_messages, feed.request)
    return EX_OK
