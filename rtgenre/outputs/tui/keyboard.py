"""Keys without waiting and without echo, on POSIX (termios) and Windows (msvcrt)."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from typing import Any, Protocol


class Keyboard(Protocol):
    """Gives keys one by one; all calls from one thread."""

    def begin(self) -> None:
        """Take the terminal's line editing and echo away. May be called again after ``end``, or twice."""

    def wait(self, timeout_s: float) -> str:
        """The characters typed so far, after at most ``timeout_s``; empty where there are none."""

    def end(self) -> None:
        """Give the terminal back as it was; more than once is fine."""


class NoKeyboard:
    """Where standard input is no terminal: waits, and nobody types."""

    def begin(self) -> None:
        """Nothing to take."""

    def wait(self, timeout_s: float) -> str:
        """Sleep."""
        time.sleep(max(0.0, timeout_s))
        return ""

    def end(self) -> None:
        """Nothing to give back."""


def open_keyboard() -> Keyboard:
    """The keyboard of this system, where standard input is one."""
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        return NoKeyboard()
    if sys.platform == "win32":
        return _WindowsKeyboard()
    return _PosixKeyboard(sys.stdin.fileno())


if sys.platform == "win32":
    import msvcrt

    class _WindowsKeyboard:
        def begin(self) -> None:
            pass  # msvcrt reads past the line editor, there is no mode to change

        def wait(self, timeout_s: float) -> str:
            end = time.monotonic() + timeout_s
            while not msvcrt.kbhit() and time.monotonic() < end:
                time.sleep(0.01)
            typed = ""
            while msvcrt.kbhit():
                key = msvcrt.getwch()
                if key in "\0\xe0":
                    msvcrt.getwch()  # second half of a function key
                elif key == "\x03":
                    raise KeyboardInterrupt
                else:
                    typed += key
            return typed

        def end(self) -> None:
            pass

else:
    import termios
    import tty

    class _PosixKeyboard:
        def __init__(self, fd: int) -> None:
            self._fd = fd
            self._before: list[Any] | None = None
            self._at_end = False

        def begin(self) -> None:
            before = termios.tcgetattr(self._fd)
            if self._before is None:
                self._before = before
            # Signals stay on, so that Ctrl-C and Ctrl-Z keep their meaning.
            tty.setcbreak(self._fd, termios.TCSANOW)

        def wait(self, timeout_s: float) -> str:
            if self._at_end:
                time.sleep(max(0.0, timeout_s))
                return ""
            if not select.select([self._fd], [], [], max(0.0, timeout_s))[0]:
                return ""
            try:
                typed = os.read(self._fd, 256)
            except OSError:  # the terminal is gone; SIGHUP says the rest
                typed = b""
            self._at_end = not typed
            text = typed.decode(errors="replace")
            # Arrow and function keys begin with ESC; none of their letters is meant as a key.
            return "" if text.startswith("\x1b") else text

        def end(self) -> None:
            if self._before is not None:
                before, self._before = self._before, None
                # Where the terminal is gone, its settings are gone with it.
                with contextlib.suppress(termios.error):
                    termios.tcsetattr(self._fd, termios.TCSADRAIN, before)
