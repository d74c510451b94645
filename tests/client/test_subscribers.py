"""Both subscribers, plain and asyncio, against a real feed: joining, holes, restarts, silence, refusals."""

import asyncio
import itertools
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from rtgenre import keys
from rtgenre.client import AsyncSubscriber, Received, Subscriber
from rtgenre.client import tally as tallies
from rtgenre.errors import ConfigError, FeedError, UsageError
from rtgenre.outputs import wire
from rtgenre.outputs.zmq_feed import Curve, ZmqFeed
from tests.outputs.story import heartbeat
from tests.outputs.talking import ANY, POSTERIORS, publish, started, talking
from tests.outputs.test_wire import LABELS, composer, hop
from tests.waiting import eventually

pytestmark = pytest.mark.real
WAIT_S = 60.0  # for what comes at once on a machine that does nothing else


class Plain:
    """An ``AsyncSubscriber`` used like a ``Subscriber``, so that each test holds both to the same."""

    def __init__(self, *args: object, **options: object) -> None:
        self._runner = asyncio.Runner()
        self.feed = self._run(self._open, *args, **options)

    def _run(self, function: Callable[..., Awaitable], *args: object, **options: object) -> object:
        async def call() -> object:
            return await function(*args, **options)

        return self._runner.run(call())

    @staticmethod
    async def _open(*args: object, **options: object) -> AsyncSubscriber:
        return AsyncSubscriber(*args, **options)  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._run(self.feed.__aexit__)
        self._runner.close()

    def __getattr__(self, name: str) -> object:
        found = getattr(self.feed, name)
        return (lambda *args: self._run(found, *args)) if asyncio.iscoroutinefunction(found) else found


@pytest.fixture(params=[Subscriber, Plain], ids=["plain", "asyncio"])
def kind(request: pytest.FixtureRequest) -> type[Subscriber]:
    return request.param


def free_pair() -> tuple[str, str]:
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return tuple(f"tcp://127.0.0.1:{probe.getsockname()[1]}" for probe in (one, other))  # type: ignore[return-value]


def numbers(feed: Subscriber, n: int) -> list[int]:
    return [r.seq for r in (feed.receive(10.0) for _ in range(n)) if r]


def test_joining_gives_the_present_and_goes_on_without_a_hole(kind: type[Subscriber]) -> None:
    with (
        started() as feed,
        talking(feed),
        kind(feed.publish_address, feed.control_address, [POSTERIORS, "rtgenre.v1.mic.decision."]) as client,
    ):
        present = client.join()
        assert sorted(r.topic for r in present) == ["rtgenre.v1.mic.decision.", POSTERIORS]
        (first,) = [r.seq for r in present if r.topic == POSTERIORS]
        assert numbers(client, 200) == list(range(first + 1, first + 201))
        assert client.missed == 0


def test_a_hole_is_filled_from_what_the_daemon_keeps(kind: type[Subscriber]) -> None:
    with started() as feed, kind(feed.publish_address, feed.control_address, [POSTERIORS]) as client:
        table = composer()
        publish(feed, table, 0, 1)
        assert numbers(client, 1) == [0]
        for _ in range(400):  # sent while this client was away: the cache has them, it was not sent them
            for envelope in table.compose(hop(1), 0, 0, 0):
                feed._cache.keep(envelope.topic.encode(), envelope.message.seq, wire.publish(envelope))
        publish(feed, table, 401, 1)
        assert numbers(client, 401) == list(range(1, 402))
        assert client.missed == 0


def test_what_cannot_be_filled_is_told_with_the_next_message(kind: type[Subscriber]) -> None:
    for recover in (True, False):
        with (
            started() as feed,
            kind(feed.publish_address, feed.control_address, [POSTERIORS], recover=recover) as client,
        ):
            table = composer()
            publish(feed, table, 0, 1)
            assert numbers(client, 1) == [0]
            for _ in range(5):
                table.compose(hop(1), 0, 0, 0)
            publish(feed, table, 6, 1)
            received = client.receive(10.0)
            assert received is not None
            assert (received.seq, received.missed, client.missed) == (6, 5, 5)


def another_run(session: str) -> wire.Composer:
    return wire.Composer(session, "mic", wire.ModelId("test", "ab" * 32), LABELS, 22050)


def test_a_restart_of_the_daemon_is_survived_without_a_loss(kind: type[Subscriber]) -> None:
    addresses = free_pair()
    with kind(*addresses, [POSTERIORS]) as client:
        with started(*addresses) as feed:
            publish(feed, another_run("one"), 0, 3)
            assert client.join()[-1].seq == 2
        with started(*addresses) as feed:
            # The client comes back while these are sent, or afterwards: what it missed is fetched.
            table = another_run("two")
            publish(feed, table, 0, 300)
            assert eventually(lambda: feed.subscribers == 1)
            publish(feed, table, 300, 1)
            seen = [client.receive(10.0) for _ in range(301)]
        assert [(r.message.session, r.seq) for r in seen if r] == [("two", k) for k in range(301)]
        assert (client.missed, client.restarts) == (0, 1)


def test_a_feed_that_falls_silent_is_stale_until_it_speaks(
    kind: type[Subscriber], monkeypatch: pytest.MonkeyPatch
) -> None:
    with started() as feed, kind(feed.publish_address, feed.control_address, [POSTERIORS]) as client:
        beat = wire.Envelope(wire.HEARTBEAT_TOPIC, heartbeat(), 0)
        feed.mailbox.put(beat)
        assert client.receive(0.3) is None  # heard, though not asked for
        assert not client.stale
        began = time.monotonic()
        monkeypatch.setattr(tallies.time, "monotonic", lambda: began + 6.0)
        assert client.stale
        publish(feed, composer(), 0, 1)
        assert numbers(client, 1) == [0]
        assert not client.stale


def test_iterating_ends_with_the_subscriber() -> None:
    with started() as feed, talking(feed):
        with Subscriber(feed.publish_address, feed.control_address, [POSTERIORS]) as client:
            seen = list(itertools.islice(client, 5))
        assert list(client) == []

        async def read() -> list[Received]:
            found: list[Received] = []
            async with AsyncSubscriber(feed.publish_address, feed.control_address, [POSTERIORS]) as other:
                async for received in other:
                    found.append(received)
                    if len(found) == 5:
                        break
            return found

        also = asyncio.run(read())
    for found in (seen, also):
        assert [r.seq for r in found] == list(range(found[0].seq, found[0].seq + 5))


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[ZmqFeed, keys.KeyPair]]:
    pair, allowed = keys.new_pair(), keys.AllowList(tmp_path / "allowed")
    allowed.allow("me", pair.public)
    with started(ANY, ANY, curve=Curve(keys.new_pair(), allowed, everywhere=True)) as feed:
        publish(feed, composer(), 0, 3)
        yield feed, pair


def test_an_allowed_key_reads_and_asks(kind: type[Subscriber], guarded: tuple[ZmqFeed, keys.KeyPair]) -> None:
    feed, pair = guarded
    assert feed.curve is not None
    where = (feed.publish_address, feed.control_address)
    with kind(*where, [POSTERIORS], server_key=feed.curve.server.public, key=pair) as client:
        assert numbers(client, 1) == [2]
        assert client.request("hello")["ok"]
    assert feed.refused_connections == 0


def test_every_other_client_is_told_why_not(kind: type[Subscriber], guarded: tuple[ZmqFeed, keys.KeyPair]) -> None:
    feed, pair = guarded
    assert feed.curve is not None
    where, server = (feed.publish_address, feed.control_address), feed.curve.server.public
    with kind(*where) as client, pytest.raises(FeedError, match="wants keys"):
        client.receive(WAIT_S)
    assert eventually(lambda: feed.refused_connections > 0)
    stranger = keys.new_pair()
    with kind(*where, server_key=server, key=stranger) as client:
        with pytest.raises(FeedError, match="is not allowed") as caught:
            client.receive(WAIT_S)
        assert f"rtgenre keys allow NAME '{stranger.public}'" in caught.value.remedy
    before = feed.refused_connections
    with kind(*where, server_key=stranger.public, key=pair) as client:
        assert client.receive(0.5) is None
        with pytest.raises(FeedError, match="the server key is another's"):
            client.request("hello", 0.3)
    assert eventually(lambda: feed.refused_connections > before)


def test_a_key_where_none_is_wanted_is_said(kind: type[Subscriber]) -> None:
    with (
        started() as feed,
        kind(feed.publish_address, server_key=keys.new_pair().public, key=keys.new_pair()) as client,
        pytest.raises(FeedError, match="needs no keys"),
    ):
        client.receive(WAIT_S)


def test_keys_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the server key 'short' is no public key"):
        Subscriber(server_key="short")
    with pytest.raises(ConfigError, match="there is no key") as caught:
        Subscriber(server_key=keys.new_pair().public, key=tmp_path / "none")
    assert "rtgenre keys make client" in caught.value.remedy
