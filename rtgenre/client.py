"""A small client of the feed, for programs and for the terminal: joins without loss and sees what it missed.

from rtgenre.client import Subscriber

with Subscriber() as feed:
    for received in feed:
        print(received.message.source, received.message.top)
"""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import msgspec
import zmq

from rtgenre.errors import FeedError
from rtgenre.outputs import wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEFAULT_PUBLISH = "tcp://127.0.0.1:5560"
DEFAULT_CONTROL = "tcp://127.0.0.1:5561"


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came.

    Attributes:
        topic: where it was published.
        seq: its number on that topic.
        missed: messages of this topic lost directly before it.
        message: the message.
        body: the same as UTF-8 JSON.
    """

    topic: str
    seq: int
    missed: int
    message: wire.Message
    body: bytes


def control_address(publish: str) -> str:
    """The control address that belongs to a feed address by convention: the next TCP port.

    Raises:
        FeedError: not a TCP address with a port, so the control address must be given.
    """
    head, _, port = publish.rpartition(":")
    if publish.startswith("tcp://") and port.isdecimal():
        return f"{head}:{int(port) + 1}"
    raise FeedError(f"{publish!r} does not tell where the control port is", "give it too: --control ADDRESS")


class Subscriber:
    """Receives a feed; every object belongs to one thread.

    Joining follows the Clone pattern of the ZeroMQ guide: subscribe first, then ask for a snapshot, then drop
    what is not newer. After a restart of the daemon (another ``session``) counting starts again.

    Args:
        publish: address of the feed.
        control: address of its control port; None means the next port.
        topics: prefixes to subscribe to; all by default.

    Attributes:
        missed: messages lost so far, over all topics.

    Raises:
        FeedError: an address is not one.
    """

    def __init__(
        self, publish: str = DEFAULT_PUBLISH, control: str | None = None, topics: Sequence[str] = (wire.TOPIC_ROOT,)
    ) -> None:
        if not publish.startswith(("tcp://", "ipc://")):
            raise FeedError(f"{publish!r} is not an address of a feed", _HOW)
        self.publish = publish
        self.control = control or control_address(publish)
        self.missed = 0
        self._next_seq: dict[str, tuple[str, int]] = {}
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.linger = 0
        self._socket.ipv6 = True
        self._socket.rcvhwm = 10_000
        self._socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 100)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
        for prefix in topics:
            self._socket.subscribe(prefix)
        try:
            self._socket.connect(publish)
        except zmq.ZMQError as error:
            self.close()
            raise FeedError(f"{publish!r} is not an address of a feed: {error.strerror}", _HOW) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the sockets back; more than once is fine."""
        self._context.destroy(linger=0)

    def receive(self, timeout_s: float) -> Received | None:
        """The next message, None when none came in time.

        Raises:
            FeedError: what came is not a message of this version.
        """
        deadline = time.monotonic() + timeout_s
        while self._socket.poll(max(0, round((deadline - time.monotonic()) * 1000))):
            received = self._accept(self._socket.recv_multipart())
            if received is not None:
                return received
        return None

    def __iter__(self) -> Iterator[Received]:
        """Messages for ever; ends when the subscriber is closed."""
        while not self._socket.closed:
            received = self.receive(1.0)
            if received is not None:
                yield received

    def request(self, text: str, timeout_s: float = 2.0) -> dict[str, object]:
        """Ask the control port: ``hello``, ``snapshot``, ``stats`` or ``reset SOURCE``.

        Raises:
            FeedError: nobody answers, or the answer is an error.
        """
        socket = self._context.socket(zmq.REQ)
        socket.linger = 0
        socket.ipv6 = True
        try:
            socket.connect(self.control)
            socket.send_string(text)
            if not socket.poll(round(timeout_s * 1000)):
                raise FeedError(f"no daemon answers at {self.control}", _HOW)
            answer = msgspec.json.decode(socket.recv(), type=dict[str, object])
        except zmq.ZMQError as error:
            raise FeedError(f"{self.control!r} cannot be asked: {error.strerror}", _HOW) from None
        finally:
            socket.close()
        if not answer.get("ok"):
            raise FeedError(f"{self.control} refuses {text!r}: {answer.get('error')}")
        return answer

    def snapshot(self) -> list[Received]:
        """The last message of every topic, counted as received: what the feed sends later is newer.

        Raises:
            FeedError: nobody answers.
        """
        answer = self.request("snapshot")
        found = []
        for entry in msgspec.convert(answer["messages"], list[_SnapshotEntry]):
            body = msgspec.json.encode(entry.body)
            received = self._accept([entry.topic.encode(), body, struct.pack("<Q", entry.seq)])
            if received is not None:
                found.append(received)
        return found

    def _accept(self, frames: list[bytes]) -> Received | None:
        """Check the three frames and count; None for a repetition."""
        try:
            topic_frame, body, sequence = frames
            topic, (seq,) = topic_frame.decode(), struct.unpack("<Q", sequence)
            message = wire.decode(body)
        except (ValueError, struct.error, msgspec.DecodeError) as error:
            raise FeedError(
                f"{self.publish} sends something that is no rtgenre.v1 message: {error}",
                "is this rtgenre's port, and is this rtgenre as new as the daemon?",
            ) from None
        session, expected = self._next_seq.get(topic, ("", seq))
        if session != message.session:
            expected = seq
        if seq < expected:
            return None
        self._next_seq[topic] = (message.session, seq + 1)
        self.missed += seq - expected
        return Received(topic, seq, seq - expected, message, body)


class _SnapshotEntry(msgspec.Struct):
    topic: str
    seq: int
    body: dict[str, object]


_HOW = "start the daemon with `rtgenre run`, or give its addresses: rtgenre watch tcp://HOST:PORT --control ADDRESS"
