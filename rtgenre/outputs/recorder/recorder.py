"""The recorder: an output that keeps every message, and a tap that keeps the sound they were made of."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from rtgenre.errors import OutputError
from rtgenre.outputs import wire
from rtgenre.outputs.mailbox import Mailbox
from rtgenre.outputs.recorder.lines import FLUSH_S, KeptLines, Limits, open_folder
from rtgenre.outputs.recorder.sound import SoundTap

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.audio.source import Source

log = logging.getLogger(__name__)

CAPACITY = 4096  # messages kept while the disk is busy: more than half a minute of ten sources


class Recorder:
    """Writes every message put into its mailbox, in a thread of its own.

    A disk that is too slow loses messages in the mailbox, which is counted and told; one that is full ends the
    recording, which is told, and nothing else.

    Args:
        folder: made where there is none.
        sound: also keep the sound of the sources that are given to ``tap``.
        limits: when the next file begins.

    Attributes:
        mailbox: where messages are put, by any thread.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(self, folder: Path, *, sound: bool = False, limits: Limits | None = None) -> None:
        self._folder = open_folder(folder)
        self.mailbox: Mailbox[wire.Envelope] = Mailbox(CAPACITY)
        self._limits = limits or Limits()
        self._lines = KeptLines(self._folder, self._limits)
        self._sound = sound
        self._taps: list[SoundTap] = []
        self._told_dropped = 0
        self._taken = 0
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="rtgenre-recorder", daemon=True)

    @property
    def written(self) -> int:
        """Messages kept so far; any thread."""
        return self._lines.written

    def report(self) -> wire.OutputReport:
        """What is missing in the recording so far; any thread."""
        unwritten = self._taken - self._lines.written if self._failed else 0
        return wire.OutputReport(
            dropped=self.mailbox.dropped,
            unsent=unwritten + self.mailbox.ignored,
            lost_samples=sum(tap.lost for tap in self._taps),
        )

    def tap(self, source: Source) -> Source:
        """A source that does the same and whose sound is kept, where sound is wanted; any thread."""
        if not self._sound:
            return source
        tap = SoundTap(source, self._folder, self._limits.rotate_s)
        self._taps.append(tap)
        return tap

    def start(self) -> None:
        """Begin to write; once."""
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is left and end; any thread but the writer's own, more than once is fine."""
        for tap in self._taps:
            tap.end_recording()
        self.mailbox.end(self._thread, timeout_s)

    # Everything below runs in the recorder's own thread.

    def _run(self) -> None:
        try:
            self._write_all()
            self._lines.close()
            log.info("recorded %d messages in %s", self._lines.written, self._folder)
        except OutputError as error:
            log.error("the recording ends after %d messages: %s", self._lines.written, error)  # noqa: TRY400
            self._failed = True
        finally:
            self.mailbox.close()
            self._taken += len(self.mailbox.drain())  # a source that can wait must not wait for us
            self.mailbox.release()

    def _write_all(self) -> None:
        while True:
            # Looked at before draining: what was put before the mailbox closed is still in it.
            closed = self.mailbox.closed
            envelopes = self.mailbox.drain()
            self._taken += len(envelopes)
            for envelope in envelopes:
                self._lines.write(wire.publish(envelope))
            self._lines.flush_if_due()
            if (dropped := self.mailbox.dropped) != self._told_dropped:
                log.warning("%d messages could not be recorded: the disk is too slow", dropped - self._told_dropped)
                self._told_dropped = dropped
            if closed:
                return
            self.mailbox.wait(FLUSH_S)
