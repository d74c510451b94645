"""What every source of sound is: started once, read block by block, closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rtgenre.records import Block, SourceInfo, SourceStats


class EndOfSource(Exception):  # noqa: N818 - an end is no error, as with StopIteration
    """The sound is over; nothing was lost."""


class Source(Protocol):
    """A source of sound.

    ``start``, ``wait_ready`` and ``read`` are called from one thread at a time (they may move to another
    thread between calls); ``close`` may be called from any thread once nobody reads; ``stats`` may be
    looked at from anywhere.

    Attributes:
        name: the name used in topics (``mic``, ``demo`` …).
        stats: counters; nothing is lost without being counted here.
    """

    name: str
    stats: SourceStats

    def start(self) -> None:
        """Begin (open the file, spawn the capture child) and return at once.

        Raises:
            SourceError: it is already clear that this source cannot be read.
        """
        ...

    def wait_ready(self, timeout_s: float) -> SourceInfo:
        """Block until the format is known.

        Args:
            timeout_s: how long to wait at most.

        Raises:
            SourceError: the source cannot be read, or did not open in time.
        """
        ...

    def read(self, timeout_s: float) -> Block | None:
        """Wait for the next block.

        Args:
            timeout_s: how long to wait at most; 0 only looks.

        Returns:
            The next block in order, or None when none came in time.

        Raises:
            EndOfSource: the sound is over.
            SourceError: the source broke in a way that waiting does not mend.
        """
        ...

    def close(self) -> None:
        """Release everything; may be called twice; never hangs, whatever the sound system does."""
        ...
