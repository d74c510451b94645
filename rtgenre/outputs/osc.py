"""OSC over UDP to any number of programs: ``/rtgenre/<source>/…``, the same addresses for all of them."""

from __future__ import annotations

import logging
import re
import socket
import time
from typing import TYPE_CHECKING

from pythonosc.osc_message_builder import OscMessageBuilder

from rtgenre.errors import ConfigError, nearest
from rtgenre.outputs import wire
from rtgenre.outputs.courier import Courier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtgenre.outputs.settings import OscSettings

log = logging.getLogger(__name__)

PRESETS = {"resolume": 7000, "qlcplus": 7700, "wled": 12000, "chataigne": 12000}
"""Ports at which programs listen unless told otherwise."""
LOOK_UP_S = 10.0
QUIET_STATES = {"silence", "stale"}
_NOT_IN_ADDRESS = re.compile(r"[^A-Za-z0-9._-]")
_TARGET = re.compile(r"(?P<host>\[[0-9a-fA-F:.%]+\]|[^\s:@\[\]]+):(?P<port>[0-9]{1,5})")

Target = tuple[str, int]


def open_osc(settings: OscSettings) -> Courier:
    """The output, not yet started.

    Raises:
        ConfigError: a target is not one.
    """
    return Courier("osc", Osc([target(text) for text in settings.targets], with_top=settings.top))


def target(text: str) -> Target:
    """Host and port of ``HOST:PORT``, ``PRESET`` or ``PRESET@HOST``.

    Raises:
        ConfigError: it is none of these.
    """
    preset, at, host = text.partition("@")
    if preset in PRESETS and (host or not at):
        return (host or "127.0.0.1", PRESETS[preset])
    found = _TARGET.fullmatch(text)
    if found is None or not 1 <= int(found["port"]) <= 65535:
        hint = nearest(preset, PRESETS)
        raise ConfigError(f"osc.targets: {text!r} is not a target", f"write HOST:PORT, PRESET or PRESET@HOST; {hint}")
    return found["host"].strip("[]"), int(found["port"])


class Osc:
    """Sends to all targets; see ``courier.Counterpart``.

    UDP asks for no answer: a program that is not there is not noticed, and everything is sent again with every hop,
    so that one that comes later, or lost a packet, is right at once.

    Args:
        targets: host and port of each.
        with_top: also send the genre's name; some hosts take numbers only.
    """

    def __init__(self, targets: Sequence[Target], *, with_top: bool) -> None:
        self._targets = list(targets)
        self._with_top = with_top
        self._unknown: list[Target] = []
        self._addresses: list[tuple[socket.socket, tuple[object, ...]]] = []
        self._shown: dict[str, tuple[str | None, str]] = {}
        self._beats = 0
        self._t_looked_up = 0.0

    def connect(self) -> None:
        """Look the hosts up; one that is unknown disturbs no other and is looked up again now and then."""
        self._shown.clear()
        self._unknown = list(self._targets)
        self._look_up(logging.WARNING)

    def show(self, message: wire.SourceMessage) -> None:
        """All numbers with every hop; what is decided also at once when it changes."""
        now = (message.top, message.state)
        hop = isinstance(message, wire.PosteriorMessage)
        if not hop and self._shown.get(message.source) == now:
            return
        self._shown[message.source] = now
        head = f"/rtgenre/{message.source}"
        labels = list(message.probs)
        self._send(f"{head}/index", labels.index(message.top) if message.top in labels else -1)
        self._send(f"{head}/silence", int(message.state in QUIET_STATES))
        if self._with_top:
            self._send(f"{head}/top", message.top or "")
        if hop:
            self._send(f"{head}/confidence", message.confidence)
            for label, probability in message.probs.items():
                self._send(f"{head}/p/{_NOT_IN_ADDRESS.sub('_', label)}", probability)

    def beat(self, heartbeat: wire.Heartbeat) -> None:
        """Once a second a number that grows, for each source."""
        self._beats += 1
        for source in heartbeat.sources:
            self._send(f"/rtgenre/{source}/heartbeat", self._beats)

    def check(self) -> None:
        """Look up the hosts that were unknown."""
        if self._unknown and time.monotonic() - self._t_looked_up > LOOK_UP_S:
            self._look_up(logging.DEBUG)

    def disconnect(self) -> None:
        """Give the sockets back."""
        for found, _ in self._addresses:
            found.close()
        self._addresses.clear()

    def _look_up(self, level: int) -> None:
        missing = []
        for host, port in self._unknown:
            try:
                family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            except (socket.gaierror, UnicodeError) as error:
                log.log(level, "osc.targets: %r is unknown: %s; looking again", host, error)
                missing.append((host, port))
                continue
            found = socket.socket(family, socket.SOCK_DGRAM)
            found.setblocking(False)
            found.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)  # a network's broadcast address is fine
            self._addresses.append((found, address))
        self._unknown, self._t_looked_up = missing, time.monotonic()

    def _send(self, address: str, value: float | str) -> None:
        builder = OscMessageBuilder(address)
        kind = {float: "f", int: "i", str: "s"}[type(value)]
        builder.add_arg(value, kind)
        packet = builder.build().dgram
        for found, where in self._addresses:
            try:
                found.sendto(packet, where)
            except OSError as error:  # full, unreachable: it will be sent again with the next hop
                log.debug("OSC to %s: %s", where, error)
