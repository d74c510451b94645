"""Addresses, keys and socket options of a client; what went wrong in a handshake, in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import zmq
from zmq.utils.monitor import parse_monitor_message

from rtgenre import keys
from rtgenre.errors import FeedError
from rtgenre.outputs import wire

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PUBLISH = "tcp://127.0.0.1:5560"
DEFAULT_CONTROL = "tcp://127.0.0.1:5561"
HOW = "start the daemon with `rtgenre run`, or give its addresses: rtgenre watch tcp://HOST:PORT --control ADDRESS"
RECEIVE_HIGH_WATER_MARK = 10_000
REFUSALS = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH


def control_address(publish: str) -> str:
    """The control address that belongs to a feed address by convention: the next TCP port.

    Raises:
        FeedError: not a TCP address with a port, so the control address must be given.
    """
    head, _, port = publish.rpartition(":")
    if publish.startswith("tcp://") and port.isdecimal():
        return f"{head}:{int(port) + 1}"
    raise FeedError(f"{publish!r} does not tell where the control port is", "give it too: --control ADDRESS")


def credentials(server_key: str | None, own: keys.KeyPair | Path | None) -> keys.Credentials | None:
    """What is needed to connect to a feed with keys; None for one without.

    Args:
        server_key: public key of the daemon.
        own: this client's pair, or the file it is in; None takes the one that ``rtgenre keys make client`` made.

    Raises:
        UsageError: ``server_key`` is no key.
        ConfigError: there is no pair of one's own.
    """
    if server_key is None:
        return None
    pair = own if isinstance(own, keys.KeyPair) else None
    path = own if isinstance(own, Path) else keys.folder() / keys.CLIENT_FILE
    remedy = "make one: rtgenre keys make client; then have it allowed where the daemon runs"
    return keys.Credentials(keys.check_key(server_key, "the server key"), pair or keys.read_pair(path, remedy))


class Connection:
    """Where a feed is and how to open sockets to it.

    Args:
        publish: address of the feed.
        control: address of its control port; None means the next port.
        with_keys: for a feed that lets only allowed clients in.

    Raises:
        FeedError: an address is not one.
    """

    def __init__(self, publish: str, control: str | None, with_keys: keys.Credentials | None) -> None:
        if not publish.startswith(("tcp://", "ipc://")):
            raise FeedError(f"{publish!r} is not an address of a feed", HOW)
        self.publish = publish
        self.control = control or control_address(publish)
        self._keys = with_keys

    def subscriber(self, context: zmq.Context[Any], topics: Sequence[str]) -> zmq.Socket[Any]:
        """A SUB socket; the heartbeat is always among its topics, as it tells that the feed is alive.

        Raises:
            FeedError: the address is not one.
        """
        socket = self._open(context, zmq.SUB)
        socket.rcvhwm = RECEIVE_HIGH_WATER_MARK
        for prefix in (*topics, wire.HEARTBEAT_TOPIC):
            socket.subscribe(prefix)
        return socket

    def connect(self, socket: zmq.Socket[Any]) -> None:
        """Connect what ``subscriber`` made.

        Raises:
            FeedError: the address is not one.
        """
        try:
            socket.connect(self.publish)
        except zmq.ZMQError as error:
            raise FeedError(f"{self.publish!r} is not an address of a feed: {error.strerror}", HOW) from None

    def requester(self, context: zmq.Context[Any]) -> Any:
        """A REQ socket to the control port, for one request.

        Raises:
            FeedError: the address is not one.
        """
        socket = self._open(context, zmq.REQ)
        try:
            socket.connect(self.control)
        except zmq.ZMQError as error:
            socket.close()
            raise FeedError(f"{self.control!r} cannot be asked: {error.strerror}", HOW) from None
        return socket

    def no_answer(self) -> FeedError:
        """Nobody answers at the control port."""
        if self._keys:
            why = "the server key is another's, this client's key is not allowed, or no daemon runs there"
            return FeedError(f"no daemon answers at {self.control}: {why}", "there: rtgenre keys list")
        return FeedError(f"no daemon answers at {self.control}", HOW)

    def checked(self, text: str, raw: bytes) -> bytes:
        """An answer, unless it is an error.

        Raises:
            FeedError: it is one, or no answer of a daemon at all.
        """
        try:
            answer = msgspec.json.decode(raw, type=_Outcome)
        except msgspec.DecodeError:
            raise FeedError(f"{self.control} is no control port: {raw[:40]!r}", HOW) from None
        if not answer.ok:
            raise FeedError(f"{self.control} refuses {text!r}: {answer.error}")
        return raw

    def refusal(self, event: list[bytes]) -> FeedError:
        """What a failed handshake means, from an event of the SUB socket's monitor (``REFUSALS``)."""
        if parse_monitor_message(event)["event"] == zmq.EVENT_HANDSHAKE_FAILED_AUTH and self._keys:
            own = self._keys.own.public
            return FeedError(
                f"{self.publish} does not let this client in: its key {own} is not allowed",
                f"where the daemon runs: rtgenre keys allow NAME '{own}'",
            )
        if self._keys:
            return FeedError(f"{self.publish} speaks no CURVE: it needs no keys", "leave out the server key")
        return FeedError(
            f"{self.publish} wants keys, or is no feed",
            "give its public key, which `rtgenre keys list` shows there: --server-key KEY",
        )

    def _open(self, context: zmq.Context[Any], kind: int) -> zmq.Socket[Any]:
        socket: zmq.Socket[Any] = context.socket(kind)
        socket.linger = 0
        socket.ipv6 = True
        for option, value in (
            (zmq.TCP_KEEPALIVE, 1),
            (zmq.TCP_KEEPALIVE_IDLE, 5),  # s, seconds apart, and how often, before the daemon counts as gone
            (zmq.TCP_KEEPALIVE_INTVL, 2),
            (zmq.TCP_KEEPALIVE_CNT, 3),
            (zmq.RECONNECT_IVL, 100),
            (zmq.RECONNECT_IVL_MAX, 2000),
        ):
            socket.setsockopt(option, value)
        if self._keys:
            socket.curve_serverkey = self._keys.server.encode()
            socket.curve_publickey = self._keys.own.public.encode()
            socket.curve_secretkey = self._keys.own.secret.encode()
        return socket


class _Outcome(msgspec.Struct):
    ok: bool
    error: str = ""
