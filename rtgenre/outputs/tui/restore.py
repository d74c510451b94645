"""Puts a terminal right after somebody else has left it wrong: a UI process that was killed."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LEAVE_ALTERNATE_SCREEN = "\x1b[?1049l"
_SHOW_CURSOR = "\x1b[?25h"
_PLAIN = "\x1b[0m"


def terminal_as_it_is() -> Callable[[], None]:
    """Remember the settings of the terminal on standard input.

    Returns:
        A function that restores them, leaves the alternate screen and shows the cursor.
    """
    termios: Any = None
    settings: Any = None
    with contextlib.suppress(ImportError):  # not POSIX
        termios = importlib.import_module("termios")
    if termios is not None and sys.stdin is not None and sys.stdin.isatty():
        settings = termios.tcgetattr(sys.stdin.fileno())

    def restore() -> None:
        if settings is not None:
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, settings)
        sys.stdout.write(_LEAVE_ALTERNATE_SCREEN + _SHOW_CURSOR + _PLAIN)
        sys.stdout.flush()

    return restore
