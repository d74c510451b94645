"""Counting what arrives: repetitions, holes, restarts and silence, the same for both subscribers. No sockets here."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from rtgenre.errors import FeedError
from rtgenre.outputs import wire

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came.

    Attributes:
        topic: where it was published.
        seq: its number on that topic.
        missed: messages of this topic lost directly before it, for good.
        message: the message.
        body: the same as UTF-8 JSON.
    """

    topic: str
    seq: int
    missed: int
    message: wire.Message
    body: bytes


class Recovery:
    """Fetches what is missing before a message, page by page.

    Args:
        first: number of the first message that is missing.
        after: the message that came in its place.

    Attributes:
        found: messages fetched so far, in order.
        question: what to ask the control port next; None when there is no more to be had.
    """

    def __init__(self, first: int, after: Received) -> None:
        self.found: list[Received] = []
        self.question: str | None = f"since {after.topic} {first}"
        self._after = after

    def add(self, page: list[Received]) -> None:
        """Take an answer to ``question``."""
        after = self._after
        fitting = [m for m in page if m.seq < after.seq and m.message.session == after.message.session]
        self.found += fitting
        more = bool(page) and len(fitting) == len(page) and page[-1].seq + 1 < after.seq
        self.question = f"since {after.topic} {page[-1].seq + 1}" if more else None


class _Entry(msgspec.Struct):
    topic: str
    seq: int
    body: msgspec.Raw


class _Answer(msgspec.Struct):
    messages: list[_Entry] = []


class Tally:
    """Counts by topic; no thread of its own.

    Args:
        publish: address of the feed, for messages.
        topics: prefixes that are wanted; others are not passed on.

    Attributes:
        missed: messages lost so far, over all topics.
        session: the daemon's run; empty before anything came.
        restarts: how often that changed.
    """

    def __init__(self, publish: str, topics: Sequence[str]) -> None:
        self.missed = 0
        self.session = ""
        self.restarts = 0
        self._publish = publish
        self._topics = tuple(topics)
        self._next_seq: dict[str, int] = {}
        self._from_zero = False  # whether a topic that was never seen must begin with message 0
        self._t_heard = time.monotonic()

    @property
    def silent_s(self) -> float:
        """Seconds since anything came, or since the beginning."""
        return time.monotonic() - self._t_heard

    def read(self, frames: list[bytes]) -> Received:
        """Take the three frames apart; nothing is counted yet.

        Raises:
            FeedError: that is no message of this version.
        """
        try:
            topic_frame, body, sequence = frames
            topic, (seq,) = topic_frame.decode(), struct.unpack("<Q", sequence)
            return Received(topic, seq, 0, wire.decode(body), body)
        except (ValueError, struct.error, msgspec.DecodeError) as error:
            raise FeedError(
                f"{self._publish} sends something that is no rtgenre.v1 message: {error}",
                "is this rtgenre's port, and is this rtgenre as new as the daemon?",
            ) from None

    def read_answer(self, answer: bytes) -> list[Received]:
        """The messages in an answer of the control port; nothing is counted yet.

        Raises:
            FeedError: there is one that is no message of this version.
        """
        entries = msgspec.json.decode(answer, type=_Answer).messages
        return [self.read([e.topic.encode(), bytes(e.body), struct.pack("<Q", e.seq)]) for e in entries]

    def recovery(self, received: Received) -> Recovery | None:
        """How to get what is missing between the last message of this topic and this one; None where nothing is."""
        expected = self._expected(received)
        wanted = received.topic.startswith(self._topics)
        return Recovery(expected, received) if wanted and received.seq > expected else None

    def take(self, received: Received) -> Received | None:
        """Count a message; None for a repetition, and for a topic that nobody asked for."""
        self._t_heard = time.monotonic()
        expected = self._expected(received)
        session = received.message.session
        if session != self.session:
            self.restarts += bool(self.session)
            self._from_zero = bool(self.session)
            self.session = session
            self._next_seq.clear()
        if received.seq < expected:
            return None
        self._next_seq[received.topic] = received.seq + 1
        if not received.topic.startswith(self._topics):
            return None
        missed = received.seq - expected
        self.missed += missed
        return Received(received.topic, received.seq, missed, received.message, received.body)

    def take_all(self, messages: list[Received]) -> list[Received]:
        """Count messages; what is left of them."""
        return [received for message in messages if (received := self.take(message)) is not None]

    def joined(self) -> None:
        """Every topic there is has been seen: others begin with message 0."""
        self._from_zero = True

    def _expected(self, received: Received) -> int:
        """Number that the next message of this topic should have."""
        if received.message.session != self.session:
            return 0 if self.session else received.seq
        return self._next_seq.get(received.topic, 0 if self._from_zero else received.seq)
