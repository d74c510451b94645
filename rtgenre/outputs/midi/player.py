"""From messages to MIDI: a note for what is decided, a control for each probability; and from MIDI to wishes."""

from __future__ import annotations

import collections
import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtgenre.outputs import wire
    from rtgenre.outputs.midi.port import Port
    from rtgenre.outputs.settings import MidiSettings

log = logging.getLogger(__name__)

NOTE_OFF, NOTE_ON, CONTROL = 0x80, 0x90, 0xB0
ALL_NOTES_OFF = 123
PRESSED = 64  # a control counts as pressed from here on


class Player:
    """Plays what is heard; see ``courier.Counterpart``.

    At most one note sounds: that of the genre decided for, off before the next is on. ``hold`` leaves note and
    controls as they are, ``mute`` silences them; each press turns them on or off again.

    Args:
        settings: channel, first note, first control, and what comes in.
        open_port: opens a port; called for every connection.
        ask: takes a request for the control port, such as ``reset mic``.
    """

    def __init__(
        self, settings: MidiSettings, open_port: Callable[[], Port], ask: Callable[[str], object] = lambda _: None
    ) -> None:
        self._settings = settings
        self._open_port = open_port
        self._ask = ask
        self._port: Port | None = None
        self._pressed: collections.deque[str] = collections.deque(maxlen=100)  # from the port's own thread
        self._sounding: int | None = None
        self._sent: dict[int, tuple[int, float]] = {}  # control → value, when
        self._last: wire.SourceMessage | None = None
        self._held = self._muted = False
        self._told_many = False

    def connect(self) -> None:
        """Open the port; nothing sounds."""
        self._sounding, self._last = None, None
        self._sent.clear()
        self._port = self._open_port()
        self._port.listen(self._heard)
        self._silence()

    def show(self, message: wire.SourceMessage) -> None:
        """Sound what is decided; tell the probabilities that changed."""
        self._last = message
        self._obey()
        if message.state == "stale":
            self._sound(None, message)
        elif not self._held and not self._muted:
            self._sound(message.top, message)
            self._tell(message)

    def beat(self, heartbeat: wire.Heartbeat) -> None:
        """Nothing to do."""

    def check(self) -> None:
        """Do what was pressed, and look whether anything sent would still arrive."""
        self._obey()
        if self._port is not None:
            self._port.check()

    def disconnect(self) -> None:
        """All notes off, and close."""
        port, self._port = self._port, None
        if port is not None:
            if self._sounding is not None:
                self._send(port, NOTE_OFF, self._sounding, 0)
            self._send(port, CONTROL, ALL_NOTES_OFF, 0)
            port.close()
        self._sounding = None

    def _sound(self, genre: str | None, message: wire.SourceMessage) -> None:
        labels = list(message.probs)
        wanted = self._settings.note + labels.index(genre) if genre in labels else None
        if wanted is not None and wanted > 127:
            self._too_many("note", wanted)
            wanted = None
        if wanted == self._sounding or self._port is None:
            return
        if wanted is None:
            self._silence()
            return
        if self._sounding is not None:
            self._send(self._port, NOTE_OFF, self._sounding, 0)
        self._sounding = wanted
        self._send(self._port, NOTE_ON, wanted, self._settings.velocity)

    def _silence(self) -> None:
        if self._port is None:
            return
        if self._sounding is not None:
            self._send(self._port, NOTE_OFF, self._sounding, 0)
        self._sounding = None
        self._send(self._port, CONTROL, ALL_NOTES_OFF, 0)

    def _tell(self, message: wire.SourceMessage) -> None:
        now = time.monotonic()
        # One's own labels follow the model's.
        probabilities = (*message.probs.values(), *message.own.values())
        for number, probability in enumerate(probabilities, start=self._settings.control):
            if number >= 120:  # what follows are commands such as "all notes off"
                self._too_many("control", number)
                return
            value = round(127 * probability)
            before, t_sent = self._sent.get(number, (-1, float("-inf")))
            if value != before and now - t_sent >= 1.0 / self._settings.controls_hz and self._port is not None:
                self._sent[number] = value, now
                self._send(self._port, CONTROL, number, value)

    def _send(self, port: Port, kind: int, first: int, second: int) -> None:
        port.send((kind | (self._settings.channel - 1), first, second))

    def _too_many(self, what: str, number: int) -> None:
        if not self._told_many:
            log.warning("there are more genres than MIDI %ss: %d does not exist; begin lower", what, number)
            self._told_many = True

    # MIDI in.

    def _heard(self, event: bytes) -> None:
        """The port's own thread: note what was pressed."""
        if len(event) < 3:
            return
        kind, number, value = event[0] & 0xF0, event[1], event[2]
        word = {NOTE_ON: "note", CONTROL: "cc"}.get(kind)
        if word is not None and value >= (1 if word == "note" else PRESSED):
            self._pressed.append(f"{word} {number}")

    def _obey(self) -> None:
        while self._pressed:
            pressed, settings = self._pressed.popleft(), self._settings
            if pressed == settings.reset and self._last is not None:
                self._ask(f"reset {self._last.source}")
            if pressed == settings.hold:
                self._held = not self._held
                log.info("MIDI: %s", "held" if self._held else "goes on")
            if pressed == settings.mute:
                self._muted = not self._muted
                log.info("MIDI: %s", "muted" if self._muted else "goes on")
                if self._muted:
                    self._silence()
