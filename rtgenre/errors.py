"""The one tree of errors; each message says what, the value, what is allowed and the remedy.

``cli.py`` alone turns these into exit codes (``exit_code`` below, after sysexits.h).
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EX_OK = 0
EX_USAGE = 2
EX_UNAVAILABLE = 69
EX_CONFIG = 78
EX_INTERRUPT = 130


class RtgenreError(Exception):
    """Something the user can mend.

    Args:
        message: what is wrong, with the value that was seen.
        remedy: what to do about it; shown on a line of its own.
    """

    exit_code = EX_USAGE

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.remedy}" if self.remedy else self.message


class UsageError(RtgenreError):
    """The command line asks for something that does not exist."""


class ConfigError(RtgenreError):
    """A setting is unknown, of the wrong type or out of range."""

    exit_code = EX_CONFIG


class SourceError(RtgenreError):
    """A source of sound cannot be read: no such file, truncated, wrong rate, not sound at all."""

    exit_code = EX_UNAVAILABLE


class DeviceError(SourceError):
    """A sound device is missing, busy or gone."""


class CheckpointError(RtgenreError):
    """A model folder is missing, broken or altered."""

    exit_code = EX_CONFIG


class FrontendMismatchError(CheckpointError):
    """A checkpoint was trained on other features than this frontend computes."""


class LabelError(RtgenreError):
    """What is kept of one's own labels is broken, another model's, or cannot be written."""

    exit_code = EX_CONFIG


class OutputError(RtgenreError):
    """An output cannot start: port in use, address refused, no access."""

    exit_code = EX_UNAVAILABLE


class FeedError(RtgenreError):
    """A feed does not answer or speaks another version."""

    exit_code = EX_UNAVAILABLE


def printable(text: str) -> str:
    """Text that a terminal shows as it is: file names may hold escape sequences, newlines and broken UTF-8.

    Args:
        text: anything; its own line ends are kept.
    """
    sound = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode() for c in sound)


def nearest(name: str, known: Iterable[str], n: int = 3) -> str:
    """Say which known names are closest to a mistyped one.

    Args:
        name: what was asked for.
        known: what there is.
        n: at most this many suggestions.

    Returns:
        ``"did you mean a, b?"``, or the whole list where nothing is near.
    """
    names = list(known)
    folded = {k.casefold(): k for k in names}
    close = [folded[c] for c in difflib.get_close_matches(name.casefold(), folded, n=n, cutoff=0.5)]
    if close:
        return f"did you mean {', '.join(close)}?"
    return f"known: {', '.join(names)}" if names else "there are none"
