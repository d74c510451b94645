"""The terminal is as it was, however the screen ends: the real program on a pseudo-terminal."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are a POSIX matter", allow_module_level=True)

import fcntl
import struct
import termios

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("screen_child.py")
SHELL = Path(__file__).with_name("screen_shell.py")
ENTER, LEAVE, SHOW_CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"


class OnTerminal:
    """The screen in a session of its own on a pseudo-terminal of 100 × 30."""

    def __init__(self, wanted: str) -> None:
        self.master, self.slave = os.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        self.child = subprocess.Popen(
            [sys.executable, str(SHELL), sys.executable, str(CHILD), wanted],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            cwd=ROOT,
            # What a shell has exported of its size once must not hold for ever.
            env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "99"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        # Closing the terminal hangs up everything that still runs on it.
        os.close(self.master)
        os.close(self.slave)
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()

    def read_until(self, wanted: bytes, timeout_s: float = 60) -> None:
        end = time.monotonic() + timeout_s
        start = len(self.seen)
        while wanted not in self.seen[start:]:
            assert time.monotonic() < end, f"{wanted!r} never came; {self.stands()}; the last was {self.seen[-600:]!r}"
            self.read()

    def read(self) -> None:
        if select.select([self.master], [], [], 0.1)[0]:
            self.seen += os.read(self.master, 65536)

    def stands(self) -> str:
        """What is known of a program that does not do what it should."""
        group = os.tcgetpgrp(self.master)
        status = Path(f"/proc/{group}/stat").read_text().rpartition(")")[2].split()[0]
        waits = Path(f"/proc/{group}/wchan").read_text()
        rows, columns, *_ = struct.unpack("HHHH", fcntl.ioctl(self.slave, termios.TIOCGWINSZ, bytes(8)))
        return f"{len(self.seen)} bytes came, program {group} is {status} in {waits}, terminal {columns} x {rows}"

    def end(self, timeout_s: float = 30) -> int:
        end = time.monotonic() + timeout_s
        while self.child.poll() is None:
            assert time.monotonic() < end, "the screen does not end"
            self.read()
        while select.select([self.master], [], [], 0.05)[0]:
            self.seen += os.read(self.master, 65536)
        return self.child.returncode

    def signal(self, number: signal.Signals) -> None:
        """Send to the program in the foreground, as ``kill`` from elsewhere would."""
        os.kill(os.tcgetpgrp(self.master), number)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def assert_given_back(self) -> None:
        assert termios.tcgetattr(self.slave) == self.before
        assert self.seen.count(ENTER) == self.seen.count(LEAVE) > 0
        assert self.seen.rindex(LEAVE) > self.seen.rindex(ENTER)
        assert self.seen.rindex(SHOW_CURSOR) > self.seen.rindex(b"\x1b[?25l")


@pytest.fixture
def screen(request: pytest.FixtureRequest) -> Iterator[OnTerminal]:
    with OnTerminal(getattr(request, "param", "")) as on_terminal:
        on_terminal.read_until(b"posterior")
        yield on_terminal


def test_while_it_runs_the_terminal_neither_edits_nor_echoes(screen: OnTerminal) -> None:
    flags = termios.tcgetattr(screen.slave)[3]
    assert not flags & (termios.ECHO | termios.ICANON)
    assert flags & termios.ISIG
    screen.type(b"q")
    assert screen.end() == 0


def test_q_ends_it(screen: OnTerminal) -> None:
    screen.type(b"q")
    assert screen.end() == 0
    assert screen.seen.endswith(b"ended\r\n")
    screen.assert_given_back()


def test_keys_do_what_the_help_says(screen: OnTerminal) -> None:
    screen.type(b"f")
    screen.read_until(b"FROZEN")
    screen.type(b"?")
    screen.read_until(b"freeze the picture")
    screen.type(b"\x1b[A?r")  # an arrow key means nothing, whatever comes with it
    screen.type(b"\x1b[B")
    time.sleep(0.3)
    screen.type(b"r")
    screen.read_until(b"reset of demo asked for")
    screen.type(b"q")
    assert screen.end() == 0
    assert b"requested reset demo" in screen.seen
    screen.assert_given_back()


def test_ctrl_c_ends_it(screen: OnTerminal) -> None:
    screen.type(b"\x03")
    assert screen.end() == -signal.SIGINT
    assert b"KeyboardInterrupt" in screen.seen
    screen.assert_given_back()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_it_as_that_signal_does(screen: OnTerminal, number: signal.Signals) -> None:
    screen.signal(number)
    assert screen.end() == -number
    screen.assert_given_back()


@pytest.mark.parametrize(("screen", "code"), [("raise", 1), ("exit", 3)], indirect=["screen"])
def test_an_error_is_seen_on_a_terminal_given_back(screen: OnTerminal, code: int) -> None:
    assert screen.end() == code
    screen.assert_given_back()
    after = screen.seen[screen.seen.rindex(LEAVE) :]
    assert (b"ValueError: made up" in after) == (code == 1)


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(screen: OnTerminal) -> None:
    for _ in range(2):
        screen.type(b"\x1a")
        screen.read_until(b"stopped, echo=True")
        screen.assert_given_back()
        screen.type(b"\n")
        screen.read_until(ENTER)
        screen.read_until(b"posterior")
        assert not termios.tcgetattr(screen.slave)[3] & termios.ECHO
    screen.type(b"q")
    assert screen.end() == 0
    screen.assert_given_back()


def test_a_stop_that_it_could_not_see_is_made_good_when_it_goes_on(screen: OnTerminal) -> None:
    screen.signal(signal.SIGSTOP)
    screen.read_until(b"stopped, echo=False")
    termios.tcsetattr(screen.slave, termios.TCSANOW, screen.before)
    screen.type(b"\n")
    screen.read_until(ENTER)
    screen.read_until(b"posterior")
    screen.type(b"q")
    assert screen.end() == 0
    screen.assert_given_back()


def test_pictures_fill_the_terminal_and_follow_its_size(screen: OnTerminal) -> None:
    fcntl.ioctl(screen.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 16, 60, 0, 0))
    screen.read_until(b"p50/95/99")
    screen.type(b"q")
    assert screen.end() == 0
    plain = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", screen.seen)
    assert b"\xe2\x96\xb6" in plain  # the marker of what is decided
