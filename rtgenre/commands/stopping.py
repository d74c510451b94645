"""A command that runs until it is told to stop, and leaves in order then."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

from rtgenre.errors import EX_INTERRUPT, EX_OK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Stop(threading.Event):
    """Set by SIGINT, SIGTERM or SIGHUP (a terminal that closes); any thread may look.

    Attributes:
        exit_code: 130 on SIGINT, else 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.exit_code = EX_OK


@contextlib.contextmanager
def told_to_stop() -> Iterator[Stop]:
    """Catch these signals while the block runs; the main thread only. What the caller had us ignore stays ignored.

    A second signal interrupts at once: someone is in a hurry.
    """
    stop = Stop()

    def ask(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.exit_code = EX_INTERRUPT if number == signal.SIGINT else EX_OK
        stop.set()

    known = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    wanted = [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in wanted}
    try:
        yield stop
    finally:
        for number, ours in before.items():
            signal.signal(number, ours)
