"""The only file that imports rtmidi: a port to send to, one to listen to, and an echo that tells whether they live.

A JACK server that dies is not noticed by rtmidi: sending goes on into nothing, and closing hangs. So a private pair of
ports sends a message round through the server every second; when it stays out the ports are abandoned, never closed,
and this process must leave by ``os._exit`` (``abandoned``).
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

import rtmidi

from rtgenre.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rtgenre.outputs.settings import MidiSettings

log = logging.getLogger(__name__)

BACKENDS = {
    "alsa": rtmidi.API_LINUX_ALSA,
    "jack": rtmidi.API_UNIX_JACK,
    "coremidi": rtmidi.API_MACOSX_CORE,
    "winmm": rtmidi.API_WINDOWS_MM,
}
VIRTUAL = sys.platform != "win32"  # Windows has no virtual ports: an existing one is opened
ECHO_EVERY_S, ECHO_WITHIN_S = 1.0, 2.0
_ECHO = (0xB0, 0, 0)

abandoned: list[object] = []
"""Clients of servers that died: letting go of them would hang."""


class Port(Protocol):
    """A way out and perhaps one in."""

    def send(self, message: Sequence[int]) -> None:
        """Send one MIDI message; raises ``OutputError`` where that is known to fail."""
        ...

    def listen(self, heard: Callable[[bytes], object]) -> None:
        """Call ``heard`` with every message that comes in, from a thread of the sound system."""
        ...

    def check(self) -> None:
        """Raise ``OutputError`` where the other side is gone."""
        ...

    def close(self) -> None:
        """Give the ports back."""
        ...


def open_port(settings: MidiSettings) -> MidiPort:
    """Open the ports, a JACK server's where the system itself has no MIDI.

    Raises:
        OutputError: there is no MIDI here, or no port of that name (Windows).
    """
    wanted = [settings.backend] if settings.backend != "auto" else [b for b, n in BACKENDS.items() if n in _compiled()]
    failures = []
    for backend in wanted:
        try:
            return MidiPort(backend, settings.port, listens=bool(settings.reset or settings.hold or settings.mute))
        except (rtmidi.RtMidiError, RuntimeError, ValueError) as error:
            failures.append(f"{backend}: {error}")
    raise OutputError(
        f"no MIDI port can be opened ({'; '.join(failures) or 'this rtmidi has no backend'})",
        "Linux: load snd-seq or start a JACK server; see `rtgenre midi ports`",
    )


def list_ports() -> list[tuple[str, str, str]]:
    """What others offer, as (backend, ``out`` or ``in``, name); raises nothing: a backend without service has none."""
    found: list[tuple[str, str, str]] = []
    for backend, number in BACKENDS.items():
        if number not in _compiled():
            continue
        for direction, kind in (("out", rtmidi.MidiOut), ("in", rtmidi.MidiIn)):
            try:
                client = kind(rtapi=number, name="rtgenre-list")
            except (rtmidi.RtMidiError, RuntimeError) as error:
                log.debug("%s: %s", backend, error)
                continue
            found += [(backend, direction, name) for name in client.get_ports()]
            client.delete()
    return found


def _compiled() -> list[int]:
    return list(rtmidi.get_compiled_api())


class MidiPort:
    """Ports of one backend.

    Args:
        backend: a key of ``BACKENDS``.
        name: of the virtual ports; on Windows a part of the name of existing ones.
        listens: also open one in.

    Raises:
        rtmidi.RtMidiError: the backend has no service.
        ValueError: there is no such port.
    """

    def __init__(self, backend: str, name: str, *, listens: bool) -> None:
        number = BACKENDS[backend]
        self.backend = backend
        self._clients: list[Any] = []
        try:
            self._out = self._made(rtmidi.MidiOut, number, name, name)
            self._in = self._made(rtmidi.MidiIn, number, name, f"{name}-in") if listens else None
            self._echo = Echo(self._clients, number) if backend == "jack" else None
        except Exception:
            self.close()
            raise

    def _made(self, kind: Any, number: int, port: str, client: str) -> Any:
        made = kind(rtapi=number, name=client)
        self._clients.append(made)
        if VIRTUAL:
            return made.open_virtual_port(port if kind is rtmidi.MidiOut else "in")
        names = made.get_ports()
        fitting = [k for k, name in enumerate(names) if port.casefold() in name.casefold()]
        if len(fitting) != 1:
            raise ValueError(f"{len(fitting)} of the ports {names} have {port!r} in their name")
        return made.open_port(fitting[0])

    def send(self, message: Sequence[int]) -> None:
        """See ``Port``."""
        try:
            self._out.send_message(message)
        except (rtmidi.RtMidiError, RuntimeError) as error:
            raise OutputError(f"MIDI cannot be sent: {error}") from None

    def listen(self, heard: Callable[[bytes], object]) -> None:
        """See ``Port``."""
        if self._in is not None:
            self._in.set_callback(lambda event, _more: heard(bytes(event[0])))

    def check(self) -> None:
        """See ``Port``."""
        if self._echo is not None:
            self._echo.check()

    def close(self) -> None:
        """See ``Port``; of a server that is gone the ports are left behind."""
        echo = getattr(self, "_echo", None)
        if echo is not None and not echo.passes_on(ECHO_WITHIN_S):
            abandoned.extend(self._clients)
        else:
            time.sleep(0.05)  # what was said last must reach the other side before the port is gone
            for client in self._clients:
                client.close_port()
                client.delete()
        self._clients = []


class Echo:
    """Tells whether a server passes messages on.

    Args:
        clients: where its two clients are put, to be closed with the others.
        number: the backend's.

    Attributes:
        lost: True once a message did not come back.
    """

    def __init__(self, clients: list[Any], number: int) -> None:
        self.lost = False
        caller = rtmidi.MidiOut(rtapi=number, name="rtgenre-echo")
        clients.append(caller)
        caller.open_virtual_port("call")
        ear = rtmidi.MidiIn(rtapi=number, name="rtgenre-ear")
        clients.append(ear)
        ear.set_callback(self._came_back)
        names = caller.get_ports(), ear.get_ports()
        fitting = [k for k, name in enumerate(names[1]) if name.startswith("rtgenre-echo")]
        if not fitting:
            raise RuntimeError(f"the server does not show its ports: {names[1]}")
        ear.open_port(fitting[-1], "ear")
        self._caller = caller
        self._t_called = self._t_heard = time.monotonic()

    def check(self) -> None:
        """Call again.

        Raises:
            OutputError: the last call did not come back.
        """
        now = time.monotonic()
        if self._t_heard < self._t_called and now - self._t_called > ECHO_WITHIN_S:
            self.lost = True
            raise OutputError("the JACK server is gone")
        if self._t_heard >= self._t_called and now - self._t_called > ECHO_EVERY_S:
            self._t_called = now
            self._caller.send_message(_ECHO)

    def passes_on(self, timeout_s: float) -> bool:
        """Wait until the server has passed on what was sent so far: periods may be long. False where it does not."""
        if not self.lost:
            self._t_called = t_start = time.monotonic()
            self._caller.send_message(_ECHO)
            while self._t_heard < self._t_called and time.monotonic() - t_start < timeout_s:
                time.sleep(0.005)
            self.lost = self._t_heard < self._t_called
        return not self.lost

    def _came_back(self, _event: object, _more: object) -> None:
        self._t_heard = time.monotonic()
