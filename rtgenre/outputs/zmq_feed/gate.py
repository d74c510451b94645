"""Who may come in: how many connections a port takes, and which keys (CURVE with a list of allowed clients)."""

from __future__ import annotations

import contextlib
import logging
import socket as stdlib_socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import zmq
from zmq.utils import z85
from zmq.utils.monitor import parse_monitor_message

from rtgenre import keys
from rtgenre.errors import ConfigError
from rtgenre.outputs.zmq_feed.addresses import check_address, is_open, split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

ZAP_ADDRESS = "inproc://zeromq.zap.01"
LOOK_S = 1.0  # how often the list of allowed clients is looked at
EVENTS_AT_ONCE = 500  # messages go first, however many knock
HANDSHAKE_MS = 5000  # a connection that has not said who it is by then is closed
_REFUSED = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | _REFUSED


@dataclass(frozen=True, slots=True)
class Curve:
    """Keys of a feed that only lets allowed clients in.

    Attributes:
        server: the feed's own pair.
        allowed: the clients.
        everywhere: also at addresses that only this machine can reach; otherwise those are open to all programs here.
        guest: a pair for this daemon's own screen; made anew for each run.
    """

    server: keys.KeyPair
    allowed: keys.AllowList
    everywhere: bool = False
    guest: keys.KeyPair = field(default_factory=keys.new_pair)

    def guards(self, address: str) -> bool:
        """True where an address is for clients with keys only."""
        return self.everywhere or is_open(address)

    def guest_environment(self, address: str) -> dict[str, str]:
        """Lets a child process of this daemon in, and no one else: only its user can read its environment."""
        if not self.guards(address):
            return {}
        return {keys.GUEST_VARIABLE: f"{self.server.public} {self.guest.public} {self.guest.secret}"}


def open_curve(publish: str, control: str, folder: Path, *, everywhere: bool) -> Curve | None:
    """The keys of a feed, None where it needs none: all its addresses are this machine's.

    Args:
        publish: address of the feed, or several.
        control: of the control port; a client uses its keys for both, so they must be open to the same machines.
        folder: of the keys.
        everywhere: use keys on this machine, too.

    Raises:
        ConfigError: an address cannot be bound, or keys are needed and missing or broken.
    """
    check_address(publish, "feed.publish", with_keys=True)
    check_address(control, "feed.control", with_keys=True)
    path = folder / keys.SERVER_FILE
    opened = [address for address in (*split(publish), *split(control)) if is_open(address)]
    if not (opened or everywhere):
        return None
    remedy = "rtgenre keys make server, then rtgenre keys allow NAME KEY for each client"
    if opened and not path.exists():
        raise ConfigError(
            f"{opened[0]!r} would be open to other machines, and there are no keys: no {path}",
            f"{remedy}; or bind to 127.0.0.1 and use an SSH tunnel",
        )
    if list(map(is_open, split(publish))) != list(map(is_open, split(control))):
        raise ConfigError(
            f"feed.publish = {publish!r} and feed.control = {control!r} are not open to the same machines",
            "give both the same hosts, in the same order",
        )
    curve = Curve(keys.read_pair(path, remedy), keys.AllowList(folder / keys.ALLOWED_FILE), everywhere)
    if not curve.allowed.read():
        log.warning("no client may connect yet: rtgenre keys allow NAME KEY")
    return curve


class Door:
    """The connections of one port; belongs to the feed's thread.

    Args:
        socket: not bound yet.
        limit: connections at most; one more is closed at once.

    Attributes:
        addresses: where the socket is bound.
        monitor: readable when connections came or went.
        refused: connections that came to nothing: one too many, a foreign protocol, a wrong key, gone or silent
            before they had said who they are, or cut off because its key is not allowed any more.
    """

    def __init__(self, socket: zmq.Socket[bytes], limit: int) -> None:
        socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        self.monitor = socket.get_monitor_socket(_EVENTS)
        self.refused = 0
        self.addresses: list[str] = []
        self._limit = limit
        self._peers: dict[int, str | None] = {}  # connection → key, "" without one; None until it has said something
        self._shut_down: set[int] = set()
        self._unfinished = False

    def __len__(self) -> int:
        """Connections now; any thread."""
        return len(self._peers)

    def look(self) -> None:
        """Take note of who came and went; monitors must be read at once, or they hold the network up."""
        for _ in range(EVENTS_AT_ONCE):
            if not self.monitor.poll(0):
                return
            event = parse_monitor_message(self.monitor.recv_multipart())
            kind, value = event["event"], int(event["value"])
            if kind & _REFUSED:
                self.refused += 1
            elif kind == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                self._unfinished = True  # the next event is the end of that connection
            elif kind == zmq.EVENT_DISCONNECTED:
                self.refused += self._unfinished or value in self._shut_down
                self._unfinished = False
                self._peers.pop(value, None)
                self._shut_down.discard(value)
            elif len(self._peers) < self._limit:
                self._peers[value] = None
            else:
                self._shut_down.add(value)
                self._shut(value)

    def hear(self, frame: zmq.Frame) -> None:
        """Learn from something that was said who is at the other end of its connection."""
        self.look()  # its number may have been another connection's until just now
        try:
            descriptor = int(frame.get(zmq.SRCFD))
        except zmq.ZMQError:  # ZeroMQ's own word for a connection that has ended: it unsubscribes
            return
        if descriptor in self._peers:
            try:
                self._peers[descriptor] = str(frame.get("User-Id"))
            except zmq.ZMQError:  # at an address that wants no keys
                self._peers[descriptor] = ""

    def cut_off(self, is_allowed: Callable[[str], bool]) -> int:
        """Hang up on those whose key is not allowed any more: ZeroMQ asks about keys only when a client comes.

        Who has said nothing yet is hung up on, too: it comes again by itself, if it may, and has missed nothing.

        Returns:
            How many had a key that is not allowed.
        """
        self.look()
        silent = [descriptor for descriptor, key in self._peers.items() if key is None]
        revoked = [descriptor for descriptor, key in self._peers.items() if key and not is_allowed(key)]
        for descriptor in (*silent, *revoked):
            self._shut(descriptor)
        self.refused += len(revoked)
        return len(revoked)

    def _shut(self, descriptor: int) -> None:
        """Hang up: ZeroMQ has no limit of its own, and would take connections until no file can be opened.

        The descriptor stays ZeroMQ's, which sees the end and closes it. It may have done so already, and the number
        be another file's by now; so only a connection to this very port is shut.
        """
        with contextlib.suppress(OSError):
            peer = stdlib_socket.socket(fileno=descriptor)
            try:
                if self._is_ours(peer):
                    peer.shutdown(stdlib_socket.SHUT_RDWR)
            finally:
                peer.detach()

    def _is_ours(self, peer: stdlib_socket.socket) -> bool:
        name = peer.getsockname()
        if isinstance(name, tuple):
            return str(name[1]) in {address.rpartition(":")[2] for address in self.addresses}
        return f"ipc://{name}" in self.addresses


class Keeper:
    """Decides about keys, for ZeroMQ's authentication protocol (RFC 27); belongs to the feed's thread.

    Args:
        context: of the sockets to guard; must exist before they are bound.
        curve: who may come in.

    Attributes:
        socket: readable when somebody knocks.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], curve: Curve) -> None:
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind(ZAP_ADDRESS)
        self._curve = curve
        self._told: set[str] = set()
        self._t_looked = 0.0
        self._version = self._looked_at()

    def guard(self, socket: zmq.Socket[bytes], address: str) -> None:
        """Have a socket take CURVE clients only, or all, at the address that it is bound to next."""
        guarded = self._curve.guards(address)
        socket.curve_server = guarded
        if guarded:
            socket.curve_secretkey = self._curve.server.secret.encode()

    def decide(self) -> None:
        """Answer one question of ZeroMQ's: may this key come in?"""
        frames = self.socket.recv_multipart()
        version, request, _domain, address, _identity, mechanism, *credentials = frames
        key = z85.encode(credentials[0]).decode() if mechanism == b"CURVE" and credentials else ""
        is_allowed = self.is_allowed(key)
        if key and not is_allowed and key not in self._told and len(self._told) < 100:  # each once, no flood of them
            self._told.add(key)
            where = address.decode(errors="replace")
            log.warning("a client at %s was refused; to let it in: rtgenre keys allow NAME '%s'", where, key)
        code, text = (b"200", b"OK") if is_allowed else (b"400", b"this key is not allowed")
        self.socket.send_multipart((version, request, code, text, key.encode(), b""))  # the key is its User-Id

    def is_allowed(self, key: str) -> bool:
        """May a client with this public key come in, or stay?"""
        return key == self._curve.guest.public or self._curve.allowed.name_of(key) is not None

    def cut_off_revoked(self, doors: Sequence[Door]) -> None:
        """Where the list of allowed clients has changed, hang up on those who are not on it; call it every second."""
        if time.monotonic() - self._t_looked < LOOK_S:
            return
        before, self._version = self._version, self._looked_at()
        if before != self._version and (n := sum(door.cut_off(self.is_allowed) for door in doors)):
            log.info("cut off %d connection(s) whose key is not allowed any more", n)

    def _looked_at(self) -> int:
        self._t_looked = time.monotonic()
        self._curve.allowed.look()
        return self._curve.allowed.version
