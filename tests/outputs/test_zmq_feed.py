"""The feed with real sockets, seen from a plain pyzmq subscriber and from our own client."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from rtgenre.client import Subscriber
from rtgenre.errors import ConfigError, FeedError, OutputError
from rtgenre.outputs import wire
from rtgenre.outputs.zmq_feed import MAX_REQUEST_BYTES, ZmqFeed
from rtgenre.records import TrackReason
from tests.outputs.talking import ANY, joined, publish, started, talking
from tests.outputs.test_wire import VALIDATOR, composer, hop, on_track
from tests.waiting import eventually

pytestmark = pytest.mark.real


@pytest.fixture(params=["tcp", "ipc"])
def feed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ZmqFeed]:
    addresses = (ANY, ANY) if request.param == "tcp" else (f"ipc://{tmp_path}/pub", f"ipc://{tmp_path}/ctl")
    resets: list[str] = []

    def reset(name: str) -> dict[str, object]:
        if name != "mic":
            raise ValueError("there is: mic")
        resets.append(name)
        return {"source": name}

    feed = ZmqFeed(*addresses, {"hello": lambda _: {"schema": 1}, "reset": reset})
    feed.start()
    yield feed
    feed.close()


def subscriber(feed: ZmqFeed, **options: object) -> Subscriber:
    return Subscriber(feed.publish_address, feed.control_address, **options)


def test_frames_are_topic_body_and_sequence_per_topic(feed: ZmqFeed) -> None:
    table = composer()
    publish(feed, table, 0, 3)
    assert eventually(lambda: len(feed._cache) == 3)
    with zmq.Context() as context, context.socket(zmq.SUB) as plain:
        plain.subscribe(b"rtgenre.v1.mic.posterior.")
        plain.connect(feed.publish_address)
        assert plain.poll(5000)
        topic, body, sequence = plain.recv_multipart()
        assert topic == b"rtgenre.v1.mic.posterior."
        # The last-value cache: a late subscriber is given the present state at once.
        assert struct.unpack("<Q", sequence) == (2,)
        VALIDATOR.validate(json.loads(body))
        assert json.loads(body)["seq"] == 2
        publish(feed, table, 3, 2)
        assert [struct.unpack("<Q", plain.recv_multipart()[2])[0] for _ in range(2)] == [3, 4]


def test_tracks_have_a_topic_and_a_late_subscriber_learns_which_one_is_playing(feed: ZmqFeed) -> None:
    table = composer()
    steps = [on_track(hop(k), 1 + k // 30, TrackReason.CHANGE, 25 * (k // 30)) for k in range(40)]
    for step in steps:
        for envelope in table.compose(step, 0, 0, time.monotonic_ns()):
            feed.mailbox.put(envelope)
    assert eventually(lambda: len(feed._cache) == 4)
    with subscriber(feed, topics=["rtgenre.v1.mic.track."]) as client:
        assert [r.topic for r in client.snapshot() if isinstance(r.message, wire.TrackMessage)] == [
            "rtgenre.v1.mic.track."
        ]
    with subscriber(feed, topics=["rtgenre.v1.mic.track."]) as client:
        received = client.receive(5.0)
    assert received is not None
    assert isinstance(received.message, wire.TrackMessage)
    assert (received.seq, received.message.track, received.message.since_hop, received.message.hop) == (1, 2, 25, 30)


def test_a_topic_is_not_the_prefix_of_another_source(feed: ZmqFeed) -> None:
    one, other = composer("mic"), composer("mic2")
    with subscriber(feed, topics=["rtgenre.v1.mic."]) as client:
        joined(feed, one, client)
        publish(feed, other, 0, 2)
        publish(feed, one, 1, 2)
        seen = {r.message.source for r in iter(lambda: client.receive(0.3), None)}
    assert seen == {"mic"}


def test_ten_thousand_messages_arrive_in_order_without_a_gap(feed: ZmqFeed) -> None:
    table = composer()
    with subscriber(feed, topics=["rtgenre.v1.mic.posterior."]) as client:
        joined(feed, table, client)
        n = 10_000
        for first in range(1, n, 500):
            publish(feed, table, first, 500)
            seen = [client.receive(5.0) for _ in range(500)]
            assert [r.seq for r in seen if r] == list(range(first, first + 500))
    assert (client.missed, feed.dropped) == (0, 0)


def test_a_subscriber_sees_what_it_lost(feed: ZmqFeed) -> None:
    table = composer()
    with subscriber(feed, topics=["rtgenre.v1.mic.posterior."]) as client:
        joined(feed, table, client)
        for _ in range(7):
            table.compose(hop(1), 0, 0, 0)  # numbered, never sent: as if an output had dropped them
        publish(feed, table, 8, 1)
        received = client.receive(5.0)
    assert received is not None
    assert (received.seq, received.missed, client.missed) == (8, 7, 7)


def test_a_resent_last_value_is_not_counted_twice(feed: ZmqFeed) -> None:
    table = composer()
    with subscriber(feed, topics=["rtgenre.v1.mic.posterior."]) as early:
        joined(feed, table, early)
        with subscriber(feed, topics=["rtgenre.v1.mic.posterior."]) as late:
            received = late.receive(5.0)
            assert received is not None
            assert received.seq == 0
        publish(feed, table, 1, 1)
        seen = [r.seq for r in iter(lambda: early.receive(0.3), None)]
    assert seen == [1]
    assert early.missed == 0


def test_joining_with_a_snapshot_loses_nothing(feed: ZmqFeed) -> None:
    with talking(feed), subscriber(feed, topics=["rtgenre.v1.mic.posterior."]) as client:
        at_join = client.join()
        seen = [client.receive(5.0) for _ in range(100)]
    assert [r.topic for r in at_join] == ["rtgenre.v1.mic.posterior."]
    numbers = [r.seq for r in (*at_join, *seen) if r]
    assert numbers == list(range(numbers[0], numbers[0] + 101))
    assert client.missed == 0


def test_a_restart_is_seen_as_a_new_session(feed: ZmqFeed) -> None:
    with subscriber(feed, topics=["rtgenre.v1.mic.posterior."]) as client:
        joined(feed, composer(), client)
        again = wire.Composer("another", "mic", wire.ModelId("m", "x"), ("blues", "disco", "metal"), 22050)
        publish(feed, again, 0, 2)
        seen = [client.receive(5.0) for _ in range(2)]
    assert [(r.message.session, r.seq) for r in seen if r] == [("another", 0), ("another", 1)]
    assert client.missed == 0


def test_requests_are_answered_and_wrong_ones_refused(feed: ZmqFeed) -> None:
    with subscriber(feed) as client:
        assert client.request("hello")["schema"] == 1
        assert client.request("reset mic")["source"] == "mic"
        with pytest.raises(FeedError, match="there is: mic"):
            client.request("reset radio")
        with pytest.raises(FeedError, match=r"unknown request 'helo'.*hello"):
            client.request("helo")
        with pytest.raises(FeedError, match="unknown request"):
            client.request("")


@pytest.mark.parametrize(
    "frames",
    [
        [b"\xff\xfe"],
        [b"", b"\xff\xfe"],
        [b"", b"hello", b"more"],
        [b""],
        [b"", b"reset"],
        [b"", b"since"],
        [b"", b"since rtgenre.v1.mic.posterior. -1"],
        [b"", b"since nowhere. 0"],
        [b"", b"x" * (MAX_REQUEST_BYTES + 1)],
    ],
)
def test_malformed_requests_are_answered_and_counted(feed: ZmqFeed, frames: list[bytes]) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as raw:
        raw.linger = 0
        raw.connect(feed.control_address)
        raw.send_multipart(frames)
        assert raw.poll(5000)
        answer = json.loads(raw.recv_multipart()[-1])
    assert answer["ok"] is False
    assert answer["error"]
    assert feed.refused_requests == 1
    with subscriber(feed) as client:
        assert client.request("hello")["ok"]
    assert feed.refused_requests == 1


def test_a_request_of_ten_megabytes_is_told_that_it_is_too_long(feed: ZmqFeed) -> None:
    with zmq.Context() as context, context.socket(zmq.REQ) as raw:
        raw.linger = 0
        raw.connect(feed.control_address)
        raw.send(b"x" * 10_000_000)
        assert raw.poll(10_000)
        assert "at most 65536 bytes, this has 10000000" in json.loads(raw.recv())["error"]
    assert feed.refused_requests == 1
    with subscriber(feed) as client:
        assert client.request("hello")["ok"]


def test_what_a_failing_answer_says_and_that_the_feed_lives() -> None:
    def fails(_rest: str) -> dict[str, object]:
        raise RuntimeError("a defect")

    feed = ZmqFeed(ANY, ANY, {"hello": lambda _: {}, "stats": fails})
    feed.start()
    with subscriber(feed) as client:
        with pytest.raises(FeedError, match="its log says why"):
            client.request("stats")
        assert client.request("hello")["ok"]
    feed.close()


def test_kept_messages_are_given_again_page_by_page(feed: ZmqFeed) -> None:
    publish(feed, composer(), 0, 1500)
    assert eventually(lambda: len(feed._cache) == 3)
    with subscriber(feed, topics=["rtgenre.v1.heartbeat."]) as client:
        wanted = "since rtgenre.v1.mic.posterior."
        first = client.request(f"{wanted} 0")
        assert eventually(lambda: client.request(f"{wanted} 0")["newest"] == 1499)
        page = client.request(f"{wanted} 1300")
        rest = client.request(f"{wanted} 1490")
        after = client.request(f"{wanted} 1500")
    assert first["ok"]
    assert (page["oldest"], page["newest"]) == (1500 - 1024, 1499)
    assert [m["seq"] for m in page["messages"]] == list(range(1300, 1500))
    assert [m["seq"] for m in rest["messages"]] == list(range(1490, 1500))
    for entry in rest["messages"]:
        VALIDATOR.validate(entry["body"])
    assert after["messages"] == []


def test_subscribers_are_counted(feed: ZmqFeed) -> None:
    with subscriber(feed), subscriber(feed):
        assert eventually(lambda: feed.subscribers == 2)
    assert eventually(lambda: feed.subscribers == 0)


def test_what_was_put_before_the_close_is_sent() -> None:
    feed = ZmqFeed(ANY, ANY, {})
    feed.start()
    table = composer()
    with subscriber(feed, topics=["rtgenre.v1.mic.posterior."]) as client:
        joined(feed, table, client)
        publish(feed, table, 1, 50)
        feed.close()
        assert len(feed._cache) == 3
        assert next(feed._cache.last((b"rtgenre.v1.mic.posterior.",)))[1].seq == 50


def test_a_port_in_use_is_one_clear_error(feed: ZmqFeed) -> None:
    second = ZmqFeed(feed.publish_address, ANY, {})
    with pytest.raises(OutputError, match="in use") as caught:
        second.start()
    assert feed.publish_address in str(caught.value)
    assert "--publish" in caught.value.remedy
    second.close()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://0.0.0.0:5560", "other machines"),
        ("tcp://*:5560", "other machines"),
        ("tcp://192.0.2.1:5560", "other machines"),
        ("tcp://[::]:5560", "other machines"),
        ("127.0.0.1:5560", "not an address"),
        ("tcp://127.0.0.1", "port"),
        ("tcp://127.0.0.1:99999", "port"),
        ("http://127.0.0.1:80", "not an address"),
        ("ipc://", "not an address"),
    ],
)
def test_addresses_that_are_refused(address: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        ZmqFeed(address, ANY, {})


def test_a_feed_has_several_addresses() -> None:
    with started(f"{ANY}, tcp://[::1]:*", ANY) as feed:
        addresses, _ = feed.addresses
        assert feed.publish_address == addresses[0]
        publish(feed, composer(), 0, 3)
        for address in addresses:
            with Subscriber(address, feed.control_address, topics=["rtgenre.v1.mic.state."]) as client:
                assert client.receive(5.0) is not None


def test_a_slow_subscriber_loses_its_own_messages_and_that_is_counted() -> None:
    with started() as feed, zmq.Context() as context, context.socket(zmq.SUB) as slow:
        slow.rcvhwm, slow.rcvbuf = 2, 4096
        slow.subscribe("rtgenre.v1.mic.posterior.")
        slow.connect(feed.publish_address)
        table = composer()
        with subscriber(feed, topics=["rtgenre.v1.mic.posterior."], recover=False) as quick:
            assert eventually(lambda: feed.subscribers == 2)
            joined(feed, table, quick)
            assert slow.poll(5000)
            seen = []
            for first in range(1, 5001, 250):
                publish(feed, table, first, 250)
                seen += [quick.receive(5.0) for _ in range(250)]
        assert [r.seq for r in seen if r] == list(range(1, 5001))
        assert (quick.missed, feed.dropped) == (0, 0)
        assert feed.overruns > 0
        got = []
        while slow.poll(300):
            got.append(struct.unpack("<Q", slow.recv_multipart()[2])[0])
    assert len(got) < 5000
    assert got == sorted(got)  # every loss is a jump in these


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:*", "tcp://[::1]:*", "tcp://localhost:*"])
def test_loopback_addresses_are_taken(address: str) -> None:
    feed = ZmqFeed(address, ANY, {})
    feed.start()
    assert feed.publish_address.startswith("tcp://")
    feed.close()


def test_nobody_there_is_said() -> None:
    with Subscriber("tcp://127.0.0.1:9", "tcp://127.0.0.1:9") as client:
        assert client.receive(0.1) is None
        with pytest.raises(FeedError, match="no daemon answers"):
            client.request("hello", timeout_s=0.2)
    with pytest.raises(FeedError, match="not an address"):
        Subscriber("nonsense", "tcp://127.0.0.1:9")
    with pytest.raises(FeedError, match="control port"):
        Subscriber("ipc:///somewhere")


def test_a_foreign_publisher_is_not_taken_for_the_feed() -> None:
    with zmq.Context() as context, context.socket(zmq.PUB) as foreign:
        foreign.linger = 0
        port = foreign.bind_to_random_port("tcp://127.0.0.1")
        with Subscriber(f"tcp://127.0.0.1:{port}") as client:

            def speak_and_listen() -> None:
                for _ in range(100):
                    foreign.send_multipart([b"rtgenre.v1.x.", b"{}", b"12345678"])
                    client.receive(0.05)

            with pytest.raises(FeedError, match=r"no rtgenre\.v1 message"):
                speak_and_listen()
