"""The MIDI output as the daemon sees it: a child process that is fed, and started again when it dies.

In a process of its own because a JACK server that dies can hang or abort its clients, and because only who outlives a
killed daemon can still switch its notes off.
"""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from rtgenre.outputs import wire
from rtgenre.outputs.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtgenre.outputs.settings import MidiSettings

log = logging.getLogger(__name__)

CAPACITY = 4096
AGAIN_S, LONGEST_AGAIN_S = 0.5, 10.0
LEAVE_S = 3.0


class MidiOutput:
    """An output: passes every message on to the child, and what the child asks for to ``ask``.

    Args:
        settings: of ``[midi]``.

    Attributes:
        mailbox: where messages are put, by any thread.
        ask: takes requests for the control port (``reset mic``), in a thread of this output; set it before ``start``.
        starts: children started so far.
        unsent: messages that passed while there was no child.
    """

    def __init__(self, settings: MidiSettings) -> None:
        self.mailbox: Mailbox[wire.Envelope] = Mailbox(CAPACITY)
        self.ask: Callable[[str], object] = lambda _: None
        self.starts = 0
        self.unsent = 0
        self._of_child = self._of_dead = wire.OutputReport()  # what the present child says, and what those before did
        self._settings = msgspec.json.encode(settings) + b"\n"
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="rtgenre-midi", daemon=True)

    def report(self) -> wire.OutputReport:
        """What was not played; any thread. What a child says reaches us once a second."""
        told = _sum(self._of_child, self._of_dead)
        return _sum(told, wire.OutputReport(dropped=self.mailbox.dropped, unsent=self.unsent + self.mailbox.ignored))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self, timeout_s: float = LEAVE_S + 1.0) -> None:
        """Let the child play what is left and end, all notes off; any thread, more than once is fine."""
        if not self.mailbox.end(self._thread, timeout_s) and self._child is not None:
            self._child.kill()  # it hangs, and so do we, writing to it
            self._thread.join(1.0)

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._child.pid if self._child else None

    # Everything below runs in threads of this output.

    def _run(self) -> None:
        wait_s = AGAIN_S
        try:
            while True:
                t_start = time.monotonic()
                code, last = self._feed_a_child()
                if self.mailbox.closed:
                    return
                wait_s = AGAIN_S if time.monotonic() - t_start > LONGEST_AGAIN_S else min(2 * wait_s, LONGEST_AGAIN_S)
                log.warning(
                    "the MIDI process ended with exit code %d (%s); starting it again in %.1f s", code, last, wait_s
                )
                if not self._pass_by(wait_s):
                    return
        except Exception:  # a defect of ours must be visible, and must not stop the engine
            log.exception("MIDI stopped")
        finally:
            self.mailbox.release()

    def _pass_by(self, wait_s: float) -> bool:
        """Let messages pass for so long; the next child begins with what comes then. False when it is all over."""
        t_again = time.monotonic() + wait_s
        while (left_s := t_again - time.monotonic()) > 0:
            self.mailbox.wait(left_s)
            self.unsent += len(self.mailbox.drain())
            if self.mailbox.closed:
                return False
        return True

    def _feed_a_child(self) -> tuple[int, str]:
        """One child from its beginning to its end: its exit code, and the last it said."""
        child = self._child = subprocess.Popen(
            [sys.executable, "-m", "rtgenre.outputs.midi.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.starts += 1
        said: deque[str] = deque(maxlen=1)
        listener = threading.Thread(target=self._listen, args=(child, said), name="rtgenre-midi-says", daemon=True)
        listener.start()
        assert child.stdin is not None  # noqa: S101 - a pipe was asked for
        with contextlib.suppress(BrokenPipeError):  # it died; its exit code says more
            child.stdin.write(self._settings)
            child.stdin.flush()
            open_for_more = True
            while open_for_more and child.poll() is None:
                open_for_more = not self.mailbox.closed  # before draining: what was put before is still played
                for envelope in self.mailbox.drain():
                    child.stdin.write(wire.publish(envelope) + b"\n")
                child.stdin.flush()
                if open_for_more:
                    self.mailbox.wait(0.5)
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        try:
            code = child.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            log.warning("the MIDI process hangs and is killed")
            child.kill()
            code = child.wait()
        listener.join(1.0)
        self._of_dead, self._of_child = _sum(self._of_dead, self._of_child), wire.OutputReport()
        return code, said[0] if said else "without a word"

    def _listen(self, child: subprocess.Popen[bytes], said: deque[str]) -> None:
        assert child.stdout is not None  # noqa: S101 - a pipe was asked for
        for line in child.stdout:
            text = line.decode(errors="replace").strip()
            try:
                fields = json.loads(text)
                if "ask" in fields:
                    self._pass_on(str(fields["ask"]))
                elif "unsent" in fields:
                    self._of_child = wire.OutputReport(dropped=fields["dropped"], unsent=fields["unsent"])
                else:
                    log.log(getattr(logging, fields["log"].upper()), "%s", fields["text"])
                    said.append(fields["text"])
            except (ValueError, TypeError, KeyError, AttributeError):  # what the sound system's libraries say
                if text:
                    log.debug("%s", text)
                    said.append(text)
        child.stdout.close()

    def _pass_on(self, request: str) -> None:
        try:
            self.ask(request)
        except Exception as error:  # noqa: BLE001 - whatever the other side answers, MIDI goes on
            log.warning("MIDI asked for %r: %s", request, error)


def _sum(one: wire.OutputReport, other: wire.OutputReport) -> wire.OutputReport:
    return wire.OutputReport(dropped=one.dropped + other.dropped, unsent=one.unsent + other.unsent)
