"""A live daemon among clients that should not be there: all are refused and counted, and nothing else happens to it."""

import contextlib
import json
import resource
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from rtgenre import keys
from rtgenre.client import Subscriber
from rtgenre.errors import FeedError
from rtgenre.outputs import wire
from rtgenre.outputs.zmq_feed import ZmqFeed
from tests.outputs.talking import POSTERIORS, started, talking
from tests.test_daemon import RTGENRE, TIMEOUT_S, environment, free_ports, posteriors
from tests.waiting import eventually

pytestmark = pytest.mark.real
CONNECTIONS = 1000
ALLOWED_AT_ONCE = 20


class Daemon:
    """The demo behind CURVE, and a client that may read it."""

    def __init__(self, folder: Path) -> None:
        self.pair, server = keys.new_pair(), keys.new_pair()
        self.server_key = server.public
        keys.write_pair(folder / keys.SERVER_FILE, server)
        keys.AllowList(folder / keys.ALLOWED_FILE).allow("test", self.pair.public)
        addresses = free_ports()
        self.publish, self.control = addresses[1], addresses[3]
        settings = {"CURVE": "always", "KEYS": str(folder), "MAX_CONNECTIONS": str(ALLOWED_AT_ONCE)}
        self.process = subprocess.Popen(
            [*RTGENRE, "run", *addresses, "--source", "demo", "--quiet"],
            stderr=subprocess.PIPE,
            env=environment(**{f"RTGENRE_FEED__{key}": value for key, value in settings.items()}),
        )

    def client(self, **changed: object) -> Subscriber:
        options = {"server_key": self.server_key, "key": self.pair} | changed
        return Subscriber(self.publish, self.control, **options)  # type: ignore[arg-type]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path / "keys")
    yield daemon
    daemon.process.terminate()
    assert daemon.process.wait(TIMEOUT_S) == 0
    assert daemon.process.stderr is not None
    with daemon.process.stderr as log:
        assert b"Traceback" not in log.read()


@contextlib.contextmanager
def connections(address: str, n: int) -> Iterator[list[socket.socket]]:
    """Plain TCP connections that never say a word."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, n + 200), hard))
    host, port = address.removeprefix("tcp://").rsplit(":", 1)
    opened: list[socket.socket] = []
    try:
        opened.extend(socket.create_connection((host, int(port)), timeout=TIMEOUT_S) for _ in range(n))
        yield opened
    finally:
        for connection in opened:
            connection.close()


def hung_up(connection: socket.socket) -> bool:
    connection.settimeout(0.0)
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def refused(stats: dict) -> tuple[int, int]:
    return stats["refused_connections"], stats["refused_requests"]


def test_a_client_that_is_revoked_is_cut_off_and_nobody_else(daemon: Daemon, tmp_path: Path) -> None:
    allowed, other = keys.AllowList(tmp_path / "keys" / keys.ALLOWED_FILE), keys.new_pair()
    allowed.allow("other", other.public)
    with daemon.client() as feed, daemon.client(key=other, recover=False) as gone, daemon.client(key=other) as asking:
        posteriors(feed, 3)
        posteriors(gone, 3)
        with asking._connection.requester(asking._context) as request:
            request.send(b"hello")
            assert json.loads(request.recv())["ok"]
            allowed.revoke("other")
            with pytest.raises(FeedError, match="does not let this client in"):
                posteriors(gone, 10**6)
            with contextlib.suppress(zmq.Again):  # there may be no connection left to send it on
                request.send(b"hello", zmq.NOBLOCK)
            assert not request.poll(1000), "the control port is for allowed clients, too"
        messages = posteriors(feed, 20)
        assert [m.seq for m in messages] == list(range(messages[0].seq, messages[0].seq + 20))
        assert feed.missed == 0
        assert refused(feed.request("stats", TIMEOUT_S)["stats"])[0] >= 2  # type: ignore[arg-type]


def test_a_daemon_is_undisturbed_by_clients_that_should_not_be_there(daemon: Daemon) -> None:
    def stats() -> dict:
        return feed.request("stats", TIMEOUT_S)["stats"]  # type: ignore[return-value]

    with daemon.client() as feed, zmq.Context() as context:
        posteriors(feed, 5)
        assert refused(stats()) == (0, 0)
        before = 0
        for changed in ({"key": keys.new_pair()}, {"server_key": keys.new_pair().public}, {"server_key": None}):
            with daemon.client(**changed) as stranger:
                with contextlib.suppress(Exception):
                    assert stranger.receive(0.5) is None
                assert eventually(lambda: stats()["refused_connections"] > before), changed  # noqa: B023
            before = stats()["refused_connections"]
        for request in (b"", b"\xff", b"x" * 10_000_000):
            with context.socket(zmq.REQ) as raw:
                raw.linger = 0
                raw.curve_serverkey = daemon.server_key.encode()
                raw.curve_publickey, raw.curve_secretkey = daemon.pair.public.encode(), daemon.pair.secret.encode()
                raw.connect(daemon.control)
                raw.send(request)
                assert raw.poll(TIMEOUT_S * 1000)
                assert json.loads(raw.recv())["ok"] is False
        assert stats()["refused_requests"] == 3
        before = stats()["refused_connections"]
        with connections(daemon.publish, CONNECTIONS) as opened:
            assert eventually(lambda: sum(map(hung_up, opened)) >= CONNECTIONS - ALLOWED_AT_ONCE, TIMEOUT_S)
            posteriors(feed, 5)
        assert stats()["refused_connections"] - before >= CONNECTIONS - ALLOWED_AT_ONCE
        after = posteriors(feed, 5)
        report = stats()["sources"]["demo"]
        assert (feed.missed, feed.restarts) == (0, 0)
    assert after[-1].session == feed._tally.session
    assert (report["dropped_samples"], report["gap_samples"], report["capture_restarts"]) == (0, 0, 0)


def test_one_connection_too_many_is_closed_and_a_place_is_given_again() -> None:
    with started(max_connections=3) as feed, connections(feed.publish_address, 3) as opened:
        assert eventually(lambda: feed.subscribers == 3)
        with connections(feed.publish_address, 1) as (one_more,):
            assert eventually(lambda: hung_up(one_more))
        assert eventually(lambda: feed.refused_connections == 1)
        assert feed.subscribers == 3
        opened.pop().close()
        assert eventually(lambda: feed.subscribers == 2)
        with talking(feed), Subscriber(feed.publish_address, feed.control_address, [POSTERIORS]) as client:
            assert client.receive(10.0) is not None


def test_other_files_of_the_program_are_never_shut(tmp_path: Path) -> None:
    """A connection may be gone, and its number another file's, by the time it is to be shut."""
    with (
        started() as feed,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as foreign,
        server.accept()[0] as accepted,
        (tmp_path / "file").open("w") as file,
    ):
        for descriptor in (foreign.fileno(), file.fileno(), 10_000):
            feed._doors[0]._shut(descriptor)
        file.write("still here")
        foreign.send(b"still here")
        assert accepted.recv(10) == b"still here"


def zmtp_subscriber(message: bytes) -> bytes:
    """What a subscriber says on the wire (ZMTP 3): our libzmq would not send such messages."""
    greeting = b"\xff" + b"\0" * 8 + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" * 32
    ready = b"\x05READY\x0bSocket-Type" + (3).to_bytes(4, "big") + b"SUB"
    return greeting + bytes([4, len(ready)]) + ready + b"\x02" + len(message).to_bytes(8, "big") + message


def test_garbage_on_the_ports_hurts_nobody(feed_and_client: tuple[ZmqFeed, Subscriber]) -> None:
    feed, client = feed_and_client
    for address in (feed.publish_address, feed.control_address):
        for garbage in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 100, b"\xff" * 5000, bytes(range(256)) * 40):
            with connections(address, 1) as (connection,):
                connection.send(garbage)
                assert client.receive(10.0) is not None
    for upstream in (b"", b"\x02", b"no subscription", b"\x01" + b"x" * 1_000_000):
        with connections(feed.publish_address, 1) as (connection,):
            with contextlib.suppress(ConnectionError):  # the longest is cut off
                connection.sendall(zmtp_subscriber(upstream))
            assert client.receive(10.0) is not None
    assert client.request("hello")["ok"]
    assert client.missed == 0


@pytest.fixture
def feed_and_client() -> Iterator[tuple[ZmqFeed, Subscriber]]:
    with started() as feed, talking(feed), Subscriber(feed.publish_address, feed.control_address) as client:
        yield feed, client


def test_a_client_that_asks_and_never_listens_does_not_hold_the_feed_up(
    feed_and_client: tuple[ZmqFeed, Subscriber],
) -> None:
    feed, client = feed_and_client
    with zmq.Context() as context, context.socket(zmq.DEALER) as raw:
        raw.linger, raw.rcvhwm, raw.rcvbuf, raw.sndhwm = 0, 1, 4096, 0
        raw.connect(feed.control_address)
        asking = threading.Event()

        def ask() -> None:
            while not asking.is_set():
                with contextlib.suppress(zmq.Again):
                    raw.send(b"snapshot", zmq.NOBLOCK)
                asking.wait(0.0001)

        asker = threading.Thread(target=ask)
        asker.start()
        seen = [client.receive(10.0) for _ in range(300)]
        asking.set()
        asker.join()
    assert all(seen)
    assert client.missed == 0
    assert isinstance(seen[0].message, wire.SourceMessage)  # type: ignore[union-attr]
