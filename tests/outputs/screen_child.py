"""The terminal UI with a made-up feed; the argument says what goes wrong. Run by ``test_tui_terminal.py``."""

from __future__ import annotations

import atexit
import os
import sys
import termios
import time
from itertools import islice
from typing import TYPE_CHECKING

from rtgenre.outputs.tui import show
from tests.outputs.story import story

if TYPE_CHECKING:
    from rtgenre.outputs import wire

WANTED = sys.argv[1]
messages = story(6000)  # a feed that goes on however slow the machine is
t_start = time.monotonic()


def next_messages() -> list[wire.Message]:
    if WANTED == "raise" and time.monotonic() - t_start > 0.5:
        raise ValueError("made up")
    if WANTED == "exit" and time.monotonic() - t_start > 0.5:
        sys.exit(3)
    return list(islice(messages, 30))


def request(text: str) -> None:
    """Leave a trace that the test can see after the screen is gone."""
    atexit.register(lambda: os.write(1, f"requested {text}\n".encode()))


show(next_messages, request)
sys.stdout.write("ended\n")
assert termios.tcgetattr(0)[3] & termios.ECHO
