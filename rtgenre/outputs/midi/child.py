"""The process that plays: settings and messages come as JSON lines on stdin, what it has to say goes to stdout.

It ends, all notes off, when stdin ends: also when the daemon was killed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from rtgenre.outputs import wire
from rtgenre.outputs.courier import Courier
from rtgenre.outputs.midi import port
from rtgenre.outputs.midi.player import Player
from rtgenre.outputs.settings import MidiSettings

if TYPE_CHECKING:
    from types import FrameType

LONGEST_WAIT_S = 2.0  # a stage waits for no one


class _ToParent(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tell(log=record.levelname.lower(), text=self.format(record))


def tell(**fields: str | int) -> None:
    """One line for the parent; any thread."""
    with contextlib.suppress(OSError):  # the parent is gone, and stdin will end
        os.write(1, json.dumps(fields).encode() + b"\n")  # one write: lines of two threads never mix


def main(lines: BinaryIO) -> None:
    """Play until there are no more lines."""
    logging.basicConfig(level=logging.INFO, handlers=[_ToParent()], format="%(message)s")
    settings = msgspec.json.decode(lines.readline(), type=MidiSettings)
    player = Player(settings, lambda: port.open_port(settings), lambda request: tell(ask=request))
    courier = Courier("midi", player, settings.source, LONGEST_WAIT_S)
    courier.start()
    told = courier.report()
    try:
        for line in lines:
            message = wire.decode(line)
            name = wire.HEARTBEAT_TOPIC if isinstance(message, wire.Heartbeat) else ""
            courier.mailbox.put(wire.Envelope(name, message, time.monotonic_ns()))
            if name and (report := courier.report()) != told:
                told = report
                tell(dropped=report.dropped, unsent=report.unsent)
    finally:
        courier.close()


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit


if __name__ == "__main__":
    for name in ("SIGINT", "SIGHUP"):  # Ctrl-C and a closed terminal are the parent's, who then ends stdin
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        main(sys.stdin.buffer)
    except SystemExit:
        pass
    except BaseException as error:  # noqa: BLE001 - told in a line, and by the exit code
        tell(log="error", text=f"MIDI stopped: {error!r}")
        os._exit(1)
    os._exit(0)  # ports of a JACK server that died can't be closed
