"""A command as a user gives it, but run in this process: starting Python and numba takes longer than most commands.

For what a command computes, says and returns. Signals, pipes, start-up and the end of a process need a real one:
``rtgenre`` and ``daemon`` in ``test_daemon.py``.
"""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from rtgenre import cli

if TYPE_CHECKING:
    from collections.abc import Iterator


def environment(**more: str) -> dict[str, str]:
    """No settings of the person who runs the tests, and no sound server of theirs."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("RTGENRE_", "PULSE_", "JACK_"))}
    return ours | {"PULSE_SERVER": "unix:/nowhere", "JACK_NO_START_SERVER": "1"} | more


def here(*arguments: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    """What ``test_daemon.rtgenre`` gives, for a command that reads no standard input."""
    out, told = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    argv = ["rtgenre", *arguments]
    with (
        mock.patch.multiple(sys, argv=argv, stdout=out, stderr=told),
        mock.patch.dict(os.environ, environment(**more), clear=True),
        logging_as_it_was(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ResourceWarning)  # as Python does: what is open ends with the process
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
    return subprocess.CompletedProcess(argv, int(code or 0), out.buffer.getvalue(), told.buffer.getvalue())  # type: ignore[attr-defined]


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    """Undo what a command does to the logs."""
    ours = logging.getLogger("rtgenre")
    handlers, level, propagate = ours.handlers[:], ours.level, ours.propagate
    try:
        yield
    finally:
        ours.handlers[:], ours.propagate = handlers, propagate
        ours.setLevel(level)
