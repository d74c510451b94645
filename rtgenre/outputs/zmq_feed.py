"""The ZeroMQ feed: an XPUB socket with a last-value cache, and a ROUTER socket for snapshot and control.

Messages have three frames: topic, body (UTF-8 JSON), sequence (little-endian uint64, per topic). On a new
subscription the last message of each matching topic is sent again with its old sequence, so a late subscriber
sees the present at once and an old one drops what is not newer. One thread owns both sockets.
"""

from __future__ import annotations

import ipaddress
import logging
import socket as stdlib_socket
import struct
import threading
from typing import TYPE_CHECKING

import msgspec
import zmq
from zmq.utils.monitor import parse_monitor_message

from rtgenre.errors import ConfigError, OutputError, nearest
from rtgenre.outputs import wire
from rtgenre.outputs.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

MAILBOX_MESSAGES = 4096
SEND_HIGH_WATER_MARK = 2000  # messages kept for one slow subscriber: about three minutes
MAX_REQUEST_BYTES = 64 * 1024
START_TIMEOUT_S = 5.0

Answer = dict[str, object]


def check_address(address: str, setting: str) -> None:
    """Refuse an address that cannot or must not be bound.

    Args:
        address: ``tcp://127.0.0.1:5560``, ``ipc:///path`` …
        setting: its name, for the message.

    Raises:
        ConfigError: not a ZeroMQ address, or reachable from other machines (which needs keys).
    """
    transport, separator, rest = address.partition("://")
    if not separator or transport not in {"tcp", "ipc"} or not rest:
        raise ConfigError(
            f"{setting} = {address!r} is not an address to bind", "write tcp://127.0.0.1:PORT or ipc:///path/to/socket"
        )
    if transport == "ipc":
        return
    host, separator, port = rest.rpartition(":")
    if not separator or not (port == "*" or (port.isdecimal() and 0 < int(port) <= 65535)):
        raise ConfigError(
            f"{setting} = {address!r} has no valid port",
            "write tcp://127.0.0.1:PORT, PORT 1 to 65535, or * for any that is free",
        )
    host = host.strip("[]")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigError(
            f"{setting} = {address!r} would be open to other machines, without keys",
            f"bind to 127.0.0.1 and reach it through an SSH tunnel: ssh -L {port}:127.0.0.1:{port} HOST",
        )


class ZmqFeed:
    """Publishes envelopes and answers requests until it is closed.

    Args:
        publish_address: of the XPUB socket.
        control_address: of the ROUTER socket.
        requests: word → function of the rest of the request, giving the answer's fields. They run in the
            feed's thread and must be quick; a raised ``ValueError`` becomes an error reply.

    Attributes:
        mailbox: where the engine leaves envelopes.
        subscribers: connections to the XPUB socket now.
    """

    def __init__(
        self, publish_address: str, control_address: str, requests: Mapping[str, Callable[[str], Answer]]
    ) -> None:
        check_address(publish_address, "feed.publish")
        check_address(control_address, "feed.control")
        self.publish_address = publish_address
        self.control_address = control_address
        self.mailbox: Mailbox[wire.Envelope] = Mailbox(MAILBOX_MESSAGES)
        self._requests = {**requests, "snapshot": self._snapshot}
        self._last: dict[bytes, tuple[bytes, bytes]] = {}
        self._peers: set[int] = set()
        self._started = threading.Event()
        self._failure: OutputError | None = None
        self._thread = threading.Thread(target=self._run, name="rtgenre-feed", daemon=True)

    @property
    def subscribers(self) -> int:
        """Connections to the feed now; any thread."""
        return len(self._peers)

    @property
    def dropped(self) -> int:
        """Messages that never reached the sockets; any thread."""
        return self.mailbox.dropped

    def start(self) -> None:
        """Bind both sockets and begin; the addresses with their real ports are set afterwards.

        Raises:
            OutputError: an address is in use or refused.
        """
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S):
            raise OutputError(
                f"the feed did not start within {START_TIMEOUT_S:.0f} s", "try again; report it if it stays"
            )
        if self._failure is not None:
            raise self._failure

    def close(self, timeout_s: float = 2.0) -> None:
        """Send what is left and stop; any thread, more than once is fine."""
        self.mailbox.close()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    # Everything below runs in the feed's own thread.

    def _run(self) -> None:
        context = zmq.Context()
        try:
            publisher = _socket(context, zmq.XPUB)
            publisher.sndhwm = SEND_HIGH_WATER_MARK
            publisher.setsockopt(zmq.XPUB_VERBOSE, 1)
            control = _socket(context, zmq.ROUTER)
            control.setsockopt(zmq.MAXMSGSIZE, MAX_REQUEST_BYTES)
            monitor = publisher.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED)
            try:
                self.publish_address = _bind(publisher, self.publish_address, "feed.publish", "--publish")
                self.control_address = _bind(control, self.control_address, "feed.control", "--control")
            except OutputError as error:
                self._failure = error
                return
            finally:
                self._started.set()
            self._serve(publisher, control, monitor)
        except Exception:  # a dead feed must be visible, and must not stop the engine
            log.exception("the feed stopped")
        finally:
            context.destroy(linger=0)
            self.mailbox.release()

    def _serve(self, publisher: zmq.Socket[bytes], control: zmq.Socket[bytes], monitor: zmq.Socket[bytes]) -> None:
        poller = zmq.Poller()
        for readable in (self.mailbox.socket, publisher, control, monitor):
            poller.register(readable, zmq.POLLIN)
        open_for_more = True
        while open_for_more:
            ready = dict(poller.poll())
            # Asked before draining: what was put before the close is then drained below.
            open_for_more = not self.mailbox.closed
            for envelope in self.mailbox.drain():
                self._publish(publisher, envelope)
            if publisher in ready:
                self._subscription(publisher)
            if control in ready:
                self._answer(control)
            if monitor in ready:
                self._count_peers(monitor)

    def _publish(self, publisher: zmq.Socket[bytes], envelope: wire.Envelope) -> None:
        topic = envelope.topic.encode()
        body = wire.publish(envelope)
        sequence = struct.pack("<Q", envelope.message.seq)
        self._last[topic] = (body, sequence)
        publisher.send_multipart((topic, body, sequence), zmq.NOBLOCK)

    def _subscription(self, publisher: zmq.Socket[bytes]) -> None:
        frame = publisher.recv()
        if frame[:1] != b"\x01":
            return
        for topic, (body, sequence) in self._last.items():
            if topic.startswith(frame[1:]):
                publisher.send_multipart((topic, body, sequence), zmq.NOBLOCK)

    def _answer(self, control: zmq.Socket[bytes]) -> None:
        frames = control.recv_multipart()
        # REQ puts an empty frame between its identity and the body; DEALER need not.
        answer = msgspec.json.encode(self._reply(frames[-1] if len(frames) > 1 else b""))
        try:
            control.send_multipart((*frames[:-1], answer), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            log.warning("an answer on the control port was lost: %s", error)

    def _reply(self, body: bytes) -> Answer:
        try:
            word, _, rest = body.decode().strip().partition(" ")
        except UnicodeDecodeError:
            return {"ok": False, "error": "a request is UTF-8 text, for example: hello"}
        request = self._requests.get(word)
        if request is None:
            return {"ok": False, "error": f"unknown request {word[:40]!r}: {nearest(word[:40], self._requests)}"}
        try:
            return {"ok": True, "request": word, **request(rest.strip())}
        except ValueError as error:
            return {"ok": False, "request": word, "error": str(error)}

    def _snapshot(self, _rest: str) -> Answer:
        messages = [
            {"topic": topic.decode(), "seq": struct.unpack("<Q", sequence)[0], "body": msgspec.Raw(body)}
            for topic, (body, sequence) in self._last.items()
        ]
        return {"messages": messages}

    def _count_peers(self, monitor: zmq.Socket[bytes]) -> None:
        event = parse_monitor_message(monitor.recv_multipart())
        if event["event"] == zmq.EVENT_ACCEPTED:
            self._peers.add(int(event["value"]))
        else:
            self._peers.discard(int(event["value"]))


def _socket(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    socket = context.socket(kind)
    socket.linger = 0
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    return socket


def _bind(socket: zmq.Socket[bytes], address: str, setting: str, flag: str) -> str:
    # Only where asked for: with IPv6 on, 127.0.0.1 is reported back as a mapped address.
    socket.ipv6 = "[" in address
    _refuse_taken_path(address, setting, flag)
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            raise _in_use(address, setting, flag) from None
        raise OutputError(
            f"{setting}: cannot bind {address}: {error.strerror}", f"choose another: {flag} ADDRESS"
        ) from None
    return socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")


def _refuse_taken_path(address: str, setting: str, flag: str) -> None:
    """ZeroMQ takes a socket file over from whoever listens there; ask first whether anybody does."""
    if not address.startswith("ipc://") or not hasattr(stdlib_socket, "AF_UNIX"):
        return
    with stdlib_socket.socket(stdlib_socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address.removeprefix("ipc://"))
        except OSError:
            return  # nobody there: no file, or one that was left behind
    raise _in_use(address, setting, flag)


def _in_use(address: str, setting: str, flag: str) -> OutputError:
    return OutputError(
        f"{setting}: {address} is in use by another program",
        f"another rtgenre may be running (`rtgenre watch` shows it); or choose another address: {flag} ADDRESS",
    )
