"""``rtgenre watch``: the feed on a terminal or in a pipe, from anywhere."""

from __future__ import annotations

import sys

from rtgenre.client import Subscriber
from rtgenre.errors import EX_OK


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
