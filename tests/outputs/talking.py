"""A feed that talks: what the tests of feed and client share."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rtgenre.outputs.zmq_feed import ZmqFeed
from tests.outputs.test_wire import composer, hop
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rtgenre.client import Subscriber
    from rtgenre.outputs import wire

ANY = "tcp://127.0.0.1:*"
POSTERIORS = "rtgenre.v1.mic.posterior."


def publish(feed: ZmqFeed, table: wire.Composer, first: int, n: int) -> None:
    for k in range(first, first + n):
        for envelope in table.compose(hop(k), 0, 0, time.monotonic_ns()):
            feed.mailbox.put(envelope)


def joined(feed: ZmqFeed, table: wire.Composer, client: Subscriber) -> None:
    """Send until the subscription is known to work, as ZeroMQ connects in the background."""
    assert eventually(lambda: feed.subscribers > 0)
    publish(feed, table, 0, 1)
    assert client.receive(10.0) is not None


@contextmanager
def started(*addresses: str, **options: object) -> Iterator[ZmqFeed]:
    feed = ZmqFeed(*(addresses or (ANY, ANY)), {"hello": lambda _: {"schema": 1}}, **options)  # type: ignore[arg-type]
    feed.start()
    try:
        yield feed
    finally:
        feed.close()


@contextmanager
def talking(feed: ZmqFeed, table: wire.Composer | None = None, every_s: float = 0.002) -> Iterator[None]:
    """Publish in the background, a heartbeat now and then included, until the block ends."""
    table = table or composer()
    stop = threading.Event()

    def talk() -> None:
        k = 0
        while not stop.is_set():
            publish(feed, table, k, 1)
            k += 1
            time.sleep(every_s)

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        yield
    finally:
        stop.set()
        talker.join()
