"""OSC over UDP to any number of programs, the same addresses for all of them: ``/rtgenre/<source>/…``."""

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
        ConfigError: a target or an address is not one.
    """
    for name in ("probability", "decided", "own"):
        _check_address(name, getattr(settings, name))
    return Courier("osc", Osc(settings, [target(text) for text in settings.targets]))


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


def _check_address(name: str, template: str) -> None:
    try:
        filled = template.format(source="mic", genre="disco", number=1)
    except (ValueError, LookupError, AttributeError) as error:
        filled = f"? ({error})"
    if template and (not filled.startswith("/") or _NOT_IN_ADDRESS.search(filled.replace("/", ""))):
        raise ConfigError(
            f"osc.{name} = {template!r} is not an address",
            "begin it with /; it may hold {source}, {genre} and {number}, the genre's from 1",
        )


class Osc:
    """Sends to all targets; see ``courier.Counterpart``.

    UDP asks for no answer: a program that is not there is not noticed, and everything is sent again with every hop,
    so that one that comes later, or lost a packet, is right at once.

    Args:
        settings: what is sent to which addresses.
        targets: host and port of each program.
    """

    def __init__(self, settings: OscSettings, targets: Sequence[Target]) -> None:
        self._settings = settings
        self._targets = list(targets)
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
        before = self._shown.get(message.source, (None, ""))
        if not hop and before == now:
            return
        self._shown[message.source] = now
        head = f"/rtgenre/{message.source}"
        labels = list(message.probs)
        index = labels.index(message.top) if message.top in labels else -1
        self._send(f"{head}/index", index)
        if self._settings.decided and index >= 0 and before[0] != message.top:
            self._send(self._filled(self._settings.decided, message.source, labels[index], index), 1)
        self._send(f"{head}/silence", int(message.state in QUIET_STATES))
        if self._settings.top:
            self._send(f"{head}/top", message.top or "")
        if hop:
            self._send(f"{head}/confidence", message.confidence)
        if hop and self._settings.probability:
            for number, (label, probability) in enumerate(message.probs.items()):
                self._send(self._filled(self._settings.probability, message.source, label, number), probability)
        if hop and self._settings.own:
            for number, (label, probability) in enumerate(message.own.items()):
                self._send(self._filled(self._settings.own, message.source, label, number), probability)

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

    @staticmethod
    def _filled(template: str, source: str, label: str, index: int) -> str:
        return template.format(source=source, genre=_NOT_IN_ADDRESS.sub("_", label), number=index + 1)

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
