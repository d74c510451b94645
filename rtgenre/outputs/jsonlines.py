"""Messages as JSON lines on a byte stream: what ``rtgenre run`` prints into a pipe."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, BinaryIO

from rtgenre.outputs import wire
from rtgenre.outputs.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

CAPACITY = 4096
"""Messages kept for a slow reader: about a minute and a half of one source."""


class JsonLines:
    """Writes every message put into its mailbox, one line each, as soon as it comes.

    The engine only ever meets the mailbox: a reader of the pipe that is too slow loses messages there
    (``mailbox.dropped``, holes in ``seq``) and delays nobody.

    Args:
        stream: where lines go, for example ``sys.stdout.buffer``; it stays open.
        on_closed: called once, from the writer's thread, when nothing can be written any more: with None where the
            reader of the pipe has gone, which is its right and no error, or with what the system says (a full disk).
        capacity: messages kept for a slow reader.

    Attributes:
        mailbox: where messages are put, by any thread.
        written: lines written so far.
    """

    def __init__(
        self, stream: BinaryIO, on_closed: Callable[[OSError | None], object], capacity: int = CAPACITY
    ) -> None:
        self.mailbox: Mailbox[wire.Envelope] = Mailbox(capacity)
        self.written = 0
        self._stream = stream
        self._on_closed = on_closed
        self._lost = 0
        # A daemon thread, because a pipe that nobody empties would hold up the end of the program.
        self._thread = threading.Thread(target=self._run, name="jsonlines", daemon=True)

    def report(self) -> wire.OutputReport:
        """What was not written; any thread."""
        return wire.OutputReport(dropped=self.mailbox.dropped, unsent=self._lost + self.mailbox.ignored)

    def start(self) -> None:
        """Begin to write; once."""
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> bool:
        """Write what is left and end; any thread but the writer's own, more than once is fine.

        Args:
            timeout_s: how long to wait for a pipe that is full.

        Returns:
            False where the time was over before everything was written.
        """
        return self.mailbox.end(self._thread, timeout_s)

    def _run(self) -> None:
        try:
            self._write_all()
        except BrokenPipeError:
            self._on_closed(None)
        except OSError as error:
            log.error(  # noqa: TRY400 - no defect of ours
                "JSON lines end after %d messages: %s", self.written, error.strerror or error
            )
            self._on_closed(error)
        finally:
            self.mailbox.release()

    def _write_all(self) -> None:
        while True:
            # Looked at before draining: what was put before the mailbox closed is still in it.
            closed = self.mailbox.closed
            items = self.mailbox.drain()
            for i, envelope in enumerate(items):
                try:
                    self._stream.write(wire.publish(envelope) + b"\n")
                    self._stream.flush()
                except OSError:
                    self.mailbox.close()  # what comes from here on counts there
                    self._lost = len(items) - i + len(self.mailbox)
                    raise
                self.written += 1
            if closed:
                return
            self.mailbox.wait(1.0)
