"""What the feed still knows of what it sent: the last message of every topic, and those before it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

HISTORY_MESSAGES = 1024  # of each topic: a minute and a half of hops, about a megabyte
PAGE_MESSAGES = 256  # at most in one answer


class Sent(NamedTuple):
    """A message as it went out: its number on its topic, and UTF-8 JSON."""

    seq: int
    body: bytes


class Cache:
    """Messages by topic; belongs to the feed's thread."""

    def __init__(self) -> None:
        self._topics: dict[bytes, deque[Sent]] = {}

    def __len__(self) -> int:
        """Topics there are."""
        return len(self._topics)

    def keep(self, topic: bytes, seq: int, body: bytes) -> None:
        """Remember a message; the oldest of its topic goes when there are too many."""
        kept = self._topics.get(topic)
        if kept is None:
            kept = self._topics[topic] = deque(maxlen=HISTORY_MESSAGES)
        kept.append(Sent(seq, body))

    def last(self, prefixes: tuple[bytes, ...] = (b"",)) -> Iterator[tuple[bytes, Sent]]:
        """The last message of every topic that begins with one of some prefixes."""
        return ((topic, kept[-1]) for topic, kept in self._topics.items() if topic.startswith(prefixes))

    def snapshot(self) -> dict[str, object]:
        """The answer to ``snapshot``: the last message of every topic."""
        return {"messages": [_entry(topic, sent) for topic, sent in self.last()]}

    def since(self, wanted: str) -> dict[str, object]:
        """The answer to ``since TOPIC SEQ``: what is kept of a topic from a number on, oldest first.

        Raises:
            ValueError: that is no topic with a number.
        """
        name, _, number = wanted.rpartition(" ")
        if not number.isdecimal() or not number.isascii():
            raise ValueError("write: since TOPIC SEQ, SEQ being the first number wanted")
        topic, first = name.strip().encode(), int(number)
        kept = self._topics.get(topic)
        if kept is None:
            raise ValueError(f"there is no topic {name.strip()[:80]!r} yet")
        page = [sent for sent in kept if sent.seq >= first][:PAGE_MESSAGES]
        return {"oldest": kept[0].seq, "newest": kept[-1].seq, "messages": [_entry(topic, sent) for sent in page]}


def _entry(topic: bytes, sent: Sent) -> dict[str, object]:
    return {"topic": topic.decode(), "seq": sent.seq, "body": msgspec.Raw(sent.body)}
