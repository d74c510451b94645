"""The ZeroMQ feed: an XPUB socket with a last-value cache, and a ROUTER socket for snapshot and control.

Messages have three frames: topic, body (UTF-8 JSON), sequence (little-endian uint64, per topic). On a new
subscription the last message of each matching topic is sent again with its old sequence, so a late subscriber
sees the present at once and an old one drops what is not newer. One thread owns all sockets.
"""

from __future__ import annotations

import logging
import struct
import threading
from typing import TYPE_CHECKING

import zmq

from rtgenre.errors import OutputError
from rtgenre.outputs import wire
from rtgenre.outputs.mailbox import Mailbox
from rtgenre.outputs.zmq_feed.addresses import bind, check_address, split
from rtgenre.outputs.zmq_feed.cache import Cache
from rtgenre.outputs.zmq_feed.control import MAX_MESSAGE_BYTES, Answer, Control
from rtgenre.outputs.zmq_feed.gate import LOOK_S, Curve, Door, Keeper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

MAILBOX_MESSAGES = 4096
MAX_CONNECTIONS = 100
SEND_HIGH_WATER_MARK = 2000  # messages kept for one slow subscriber: about three minutes …
SEND_BUFFER_BYTES = 256 * 1024  # … and what the system keeps for it, which would otherwise grow to megabytes
MAX_SUBSCRIPTION_BYTES = 4096
SUBSCRIPTIONS_AT_ONCE = 1000
START_TIMEOUT_S = 5.0


class ZmqFeed:
    """Publishes envelopes and answers requests until it is closed.

    Args:
        publish_address: of the XPUB socket; several with commas between.
        control_address: of the ROUTER socket; several with commas between.
        requests: word → function of the rest of the request, giving the answer's fields. They run in the
            feed's thread and must be quick; a raised ``ValueError`` becomes an error reply.
        curve: keys, where only allowed clients are let in; a must beyond this machine.
        max_connections: to each of the two sockets.

    Attributes:
        publish_address: the first one, with its real port once started.
        control_address: the same of the control port.
        mailbox: where the engine leaves envelopes.
        overruns: times that some subscriber was too slow and began to lose messages.

    Raises:
        ConfigError: an address cannot or must not be bound.
    """

    def __init__(
        self,
        publish_address: str,
        control_address: str,
        requests: Mapping[str, Callable[[str], Answer]],
        *,
        curve: Curve | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        check_address(publish_address, "feed.publish", with_keys=curve is not None)
        check_address(control_address, "feed.control", with_keys=curve is not None)
        self.publish_address, *_ = self._publish_addresses = split(publish_address)
        self.control_address, *_ = self._control_addresses = split(control_address)
        self.curve = curve
        self.mailbox: Mailbox[wire.Envelope] = Mailbox(MAILBOX_MESSAGES)
        self.overruns = 0
        self._cache = Cache()
        self._requests = {**requests, "snapshot": lambda _: self._cache.snapshot(), "since": self._cache.since}
        self._max_connections = max_connections
        self._doors: list[Door] = []  # of the publisher, of the control port
        self._control: Control | None = None
        self._started = threading.Event()
        self._failure: OutputError | None = None
        self._thread = threading.Thread(target=self._run, name="rtgenre-feed", daemon=True)

    @property
    def addresses(self) -> tuple[list[str], list[str]]:
        """All addresses of both sockets, with their real ports once started."""
        return (self._doors[0].addresses, self._doors[1].addresses) if self._doors else ([], [])

    @property
    def guest_environment(self) -> dict[str, str]:
        """What lets a child process of this daemon in by the first address."""
        return self.curve.guest_environment(self.publish_address) if self.curve else {}

    @property
    def subscribers(self) -> int:
        """Connections to the feed now; any thread."""
        return len(self._doors[0]) if self._doors else 0

    @property
    def dropped(self) -> int:
        """Messages that never reached the sockets; any thread."""
        return self.mailbox.dropped + self.mailbox.ignored

    def report(self) -> wire.OutputReport:
        """What no subscriber was sent; any thread."""
        return wire.OutputReport(dropped=self.mailbox.dropped, unsent=self.mailbox.ignored)

    @property
    def refused_connections(self) -> int:
        """Connections that came to nothing: too many, no or wrong key, a foreign protocol; any thread."""
        return sum(door.refused for door in self._doors)

    @property
    def refused_requests(self) -> int:
        """Requests answered with an error; any thread."""
        return self._control.refused if self._control else 0

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
        self.mailbox.end(self._thread, timeout_s)

    # Everything below runs in the feed's own thread.

    def _run(self) -> None:
        context = zmq.Context()
        try:
            sockets = self._open(context)
        except OutputError as error:
            self._failure = error
        except Exception as error:
            log.exception("the feed did not start")
            self._failure = OutputError(f"the feed did not start: {error}", "this is a defect; please report it")
        else:
            self._started.set()
            try:
                self._serve(*sockets)
            except Exception:  # a dead feed must be visible, and must not stop the engine
                log.exception("the feed stopped")
        finally:
            self._started.set()
            context.destroy(linger=0)
            self.mailbox.release()

    def _open(
        self, context: zmq.Context[zmq.Socket[bytes]]
    ) -> tuple[zmq.Socket[bytes], zmq.Socket[bytes], Keeper | None]:
        publisher, control = _socket(context, zmq.XPUB), _socket(context, zmq.ROUTER)
        publisher.sndhwm = SEND_HIGH_WATER_MARK
        publisher.sndbuf = SEND_BUFFER_BYTES
        publisher.setsockopt(zmq.MAXMSGSIZE, MAX_SUBSCRIPTION_BYTES)
        publisher.setsockopt(zmq.XPUB_VERBOSE, 1)
        publisher.setsockopt(zmq.XPUB_NODROP, 1)  # to learn of drops; see _send
        control.rcvhwm = 2
        control.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        control.setsockopt(zmq.ROUTER_MANDATORY, 1)  # an answer that cannot be sent is an error, not lost unseen
        keeper = Keeper(context, self.curve) if self.curve else None
        doors = [Door(publisher, self._max_connections), Door(control, self._max_connections)]
        for address in self._publish_addresses:
            doors[0].addresses.append(_bind(publisher, address, keeper, "feed.publish", "--publish"))
        for address in self._control_addresses:
            doors[1].addresses.append(_bind(control, address, keeper, "feed.control", "--control"))
        self.publish_address, self.control_address = doors[0].addresses[0], doors[1].addresses[0]
        self._doors, self._control = doors, Control(control, self._requests, doors[1].hear)
        return publisher, control, keeper

    def _serve(self, publisher: zmq.Socket[bytes], control: zmq.Socket[bytes], keeper: Keeper | None) -> None:
        assert self._control is not None  # noqa: S101 - made before
        answers: dict[object, Callable[[], None]] = {door.monitor: door.look for door in self._doors}
        answers |= {publisher: lambda: self._subscriptions(publisher), control: self._control.answer}
        wait_ms = round(LOOK_S * 1000) if keeper else None
        if keeper:
            answers[keeper.socket] = keeper.decide
        poller = zmq.Poller()
        for readable in (self.mailbox.socket, *answers):
            poller.register(readable, zmq.POLLIN)
        open_for_more = True
        while open_for_more:
            ready = dict(poller.poll(wait_ms))
            # Asked before draining: what was put before the close is then drained below.
            open_for_more = not self.mailbox.closed
            for envelope in self.mailbox.drain():
                self._publish(publisher, envelope)
            for readable, answer in answers.items():
                if readable in ready:
                    answer()
            if keeper:
                keeper.cut_off_revoked(self._doors)

    def _publish(self, publisher: zmq.Socket[bytes], envelope: wire.Envelope) -> None:
        topic, body, seq = envelope.topic.encode(), wire.publish(envelope), envelope.message.seq
        self._cache.keep(topic, seq, body)
        self._send(publisher, topic, body, seq)

    def _send(self, publisher: zmq.Socket[bytes], topic: bytes, body: bytes, seq: int) -> None:
        frames = (topic, body, struct.pack("<Q", seq))
        try:
            publisher.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            # Some subscriber's queue is full. It loses this and what follows until it reads on; nobody else does.
            self.overruns += 1
            publisher.setsockopt(zmq.XPUB_NODROP, 0)
            publisher.send_multipart(frames, zmq.NOBLOCK)
            publisher.setsockopt(zmq.XPUB_NODROP, 1)

    def _subscriptions(self, publisher: zmq.Socket[bytes]) -> None:
        """Send last values again, once for all who have just come: it reaches everybody subscribed."""
        prefixes = set()
        for _ in range(SUBSCRIPTIONS_AT_ONCE):
            frame = publisher.recv_multipart(copy=False)[0]
            self._doors[0].hear(frame)
            if frame.bytes[:1] == b"\x01":
                prefixes.add(frame.bytes[1:])
            if not publisher.poll(0):
                break
        for topic, sent in self._cache.last(tuple(prefixes)):
            self._send(publisher, topic, sent.body, sent.seq)


def _bind(socket: zmq.Socket[bytes], address: str, keeper: Keeper | None, setting: str, flag: str) -> str:
    if keeper:
        keeper.guard(socket, address)
    return bind(socket, address, setting, flag)


def _socket(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    socket = context.socket(kind)
    socket.linger = 0
    for option, value in (
        (zmq.TCP_KEEPALIVE, 1),
        (zmq.TCP_KEEPALIVE_IDLE, 30),  # s, seconds apart, and how often, before a machine counts as gone
        (zmq.TCP_KEEPALIVE_INTVL, 10),
        (zmq.TCP_KEEPALIVE_CNT, 3),
    ):
        socket.setsockopt(option, value)
    return socket
