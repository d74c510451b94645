"""One source's hops, composed once, to every output's mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtgenre.outputs.mailbox import Mailbox
    from rtgenre.outputs.wire import Composer, Envelope
    from rtgenre.records import Posterior

ROOM = 1024  # messages waiting at which a source that can wait should do so


class FanOut:
    """What the engine tells of each hop; never blocks.

    Args:
        composer: gives the messages their numbers.
        mailboxes: one an output.
    """

    def __init__(self, composer: Composer, mailboxes: list[Mailbox[Envelope]]) -> None:
        self._composer = composer
        self._mailboxes = mailboxes

    def on_hop(self, posterior: Posterior, t_audio_ns: int, t_start_ns: int, t_ready_ns: int) -> None:
        """Send a hop's messages; the engine's thread."""
        self._send(self._composer.compose(posterior, t_audio_ns, t_start_ns, t_ready_ns))

    def on_stale(self, last: Posterior, t_audio_ns: int) -> None:
        """Send that sound has stopped arriving; the engine's thread."""
        self._send(self._composer.stale(last, t_audio_ns))

    def on_title(self, title: str) -> None:
        """Take in what the source itself says it plays; the engine's thread."""
        self._composer.on_title(title)

    def has_room(self) -> bool:
        """False while some output is far behind; any thread."""
        return all(len(mailbox) < ROOM for mailbox in self._mailboxes)

    def _send(self, envelopes: list[Envelope]) -> None:
        for envelope in envelopes:
            for mailbox in self._mailboxes:
                mailbox.put(envelope)
