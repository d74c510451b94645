"""``rtgenre watch``: the feed on a terminal or in a pipe, from anywhere."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from rtgenre.client import Subscriber
from rtgenre.errors import EX_OK, FeedError
from rtgenre.keys import GUEST_VARIABLE, KeyPair

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.outputs import wire


@dataclass(frozen=True, slots=True)
class Where:
    """Which feed to watch.

    Attributes:
        endpoint: its address.
        control: address of its control port; None means the next port.
        server_key: public key of a daemon that lets in only clients with allowed keys.
        key: this client's own; None means the one that ``rtgenre keys make client`` made.
    """

    endpoint: str
    control: str | None
    server_key: str | None = None
    key: Path | KeyPair | None = None

    def subscriber(self, *, recover: bool) -> Subscriber:
        """Connect.

        Raises:
            RtgenreError: an address or a key is not one.
        """
        key, server_key = self.key, self.server_key
        if guest := os.environ.get(GUEST_VARIABLE):  # the screen of a daemon, which gave it a pair for this run
            server_key, public, secret = guest.split()
            key = KeyPair(public, secret)
        return Subscriber(self.endpoint, self.control, server_key=server_key, key=key, recover=recover)


def watch_lines(where: Where) -> NoReturn:
    """Print every message as a JSON line until interrupted; what goes wrong with the feed is told on stderr.

    Raises:
        FeedError: the address is not one, what it sends is no feed, or it refuses this client.
    """
    with where.subscriber(recover=True) as feed:
        quiet, restarts = False, 0
        while True:
            received = feed.receive(1.0)
            if feed.stale != quiet:
                quiet = feed.stale
                key = ", or is its key another one" if where.server_key else ""
                _tell(f"nothing comes from {where.endpoint}: no daemon there{key}? Waiting" if quiet else "it is back")
            if feed.restarts != restarts:
                restarts = feed.restarts
                _tell("the daemon was started anew")
            if received is None:
                continue
            if received.missed:
                _tell(f"{received.missed} messages of {received.topic} are lost")
            sys.stdout.buffer.write(received.body + b"\n")
            sys.stdout.buffer.flush()


def _tell(text: str) -> None:
    print(f"rtgenre: {text}", file=sys.stderr, flush=True)


def watch_screen(where: Where, parent: int | None, source: str = "") -> int:
    """Show the terminal UI until ``q``; it waits for a daemon that is not there yet.

    Args:
        where: the feed.
        parent: process id of the daemon that shows itself with this screen; when it dies, the screen goes.
        source: name of the source to show first; empty for the first.

    Raises:
        FeedError: the address is not one, what it sends is no feed, it refuses this client, or the daemon has died.
    """
    from rtgenre.outputs.tui.terminal import show

    with where.subscriber(recover=False) as feed:
        waiting: list[wire.Message] = []
        # What a daemon said before we came: without it the first second would be empty.
        with contextlib.suppress(FeedError):
            waiting += [received.message for received in feed.join(1.0)]

        def next_messages() -> list[wire.Message]:
            messages = waiting.copy()
            waiting.clear()
            if parent is not None and os.getppid() != parent:
                raise FeedError("the daemon was killed", "start it again: rtgenre run")
            while (received := feed.receive(0.0)) is not None:
                messages.append(received.message)
            return messages

        show(next_messages, feed.request, source=source)
    return EX_OK
