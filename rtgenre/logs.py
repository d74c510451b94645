"""Logs go to stderr, as text or JSON; while the terminal UI holds the screen they wait until it is gone."""

from __future__ import annotations

import collections
import datetime as dt
import logging
import sys

import msgspec

KEPT_LINES = 50


class TextFormat(logging.Formatter):
    """``rtgenre: message``, with the level where it is not plain information."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        text = f"rtgenre: {level}{record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class JsonFormat(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as JSON."""
        entry = {
            "t_wall": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


class Patient(logging.Handler):
    """Writes to stderr, or keeps the last lines while the terminal UI holds the screen.

    Args:
        keep: begin by keeping.
    """

    def __init__(self, *, keep: bool) -> None:
        super().__init__()
        self.lines: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)

        self._keeps = keep

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record, or write it once the screen is free; any thread."""
        self.lines.append(self.format(record))
        if not self._keeps:
            self.show()

    def show(self) -> None:
        """The screen is free: write what was kept, and everything from now on."""
        self._keeps = False
        while self.lines:
            print(self.lines.popleft(), file=sys.stderr)


def set_up(level: str, as_json: bool, *, keep: bool) -> Patient:
    """Direct the logs of this process.

    Args:
        level: the least that is shown.
        as_json: JSON lines rather than text.
        keep: hold them back until ``show`` is called on what is returned.
    """
    handler = Patient(keep=keep)
    handler.setFormatter(JsonFormat() if as_json else TextFormat())
    root = logging.getLogger("rtgenre")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False
    return handler
