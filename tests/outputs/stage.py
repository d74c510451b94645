"""A program on a JACK server beside rtgenre, and what it should hear."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.outputs.story import LABELS
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.virtual import JackServer

CHANNEL = 15  # the sixteenth
ALL_OFF = f"b{CHANNEL:x}7b00"


def on(genre: str) -> str:
    return f"9{CHANNEL:x}{36 + LABELS.index(genre):02x}64"


def off(genre: str) -> str:
    return f"8{CHANNEL:x}{36 + LABELS.index(genre):02x}00"


def control(genre: str, value: int) -> str:
    return f"b{CHANNEL:x}{20 + LABELS.index(genre):02x}{value:02x}"


PERIOD = 4096
"""Frames: long periods, as a client that misses one loses the MIDI events in it."""


class Stage:
    """A program on the same server: what it hears, and what it presses."""

    def __init__(self, server: JackServer) -> None:
        self.lines: list[str] = []
        self._child = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("jack_midi.py"))],
            env=os.environ | server.client_env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self.lines.append(line.strip())

    @property
    def notes(self) -> list[str]:
        return [line for line in self.lines if line[:2] in {f"8{CHANNEL:x}", f"9{CHANNEL:x}"} or line == ALL_OFF]

    def heard(self, *lines: str) -> bool:
        """Whether it heard these, and nothing after them but other controls."""
        return eventually(lambda: self.notes[-len(lines) :] == list(lines))

    def press(self, event: str) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(event + "\n")
        self._child.stdin.flush()

    def close(self) -> None:
        self._child.kill()
        self._child.wait()
        self._reader.join()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def stage(server: JackServer) -> Iterator[Stage]:
    it = Stage(server)
    try:
        yield it
    finally:
        it.close()
