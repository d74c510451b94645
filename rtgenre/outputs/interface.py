"""What the daemon and ``rtgenre bridge`` expect of an output that only reads messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtgenre.outputs.mailbox import Mailbox
    from rtgenre.outputs.wire import Envelope, OutputReport


class Output(Protocol):
    """A thread of its own that reads a mailbox."""

    @property
    def mailbox(self) -> Mailbox[Envelope]:
        """Where messages are put, by any thread."""
        ...

    def report(self) -> OutputReport:
        """What it could not pass on so far, for the heartbeat; any thread."""
        ...

    def start(self) -> None:
        """Begin; raises ``OutputError`` where it cannot."""
        ...

    def close(self) -> object:
        """Send what is left and end; more than once is fine."""
        ...


@runtime_checkable
class Asking(Output, Protocol):
    """One that people can also ask through, such as MIDI in.

    Attributes:
        ask: takes a request for the control port (``reset mic``), in any thread; set before ``start``.
    """

    ask: Callable[[str], object]
