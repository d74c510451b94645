"""A recording on the feed again: the same story, with session, numbers and clocks of its own."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest

from rtgenre.client import Subscriber
from rtgenre.errors import FeedError
from rtgenre.outputs import wire
from rtgenre.outputs.zmq_feed import ZmqFeed
from rtgenre.recording.reader import Recording
from rtgenre.recording.replay import Replay
from tests.outputs.talking import ANY
from tests.outputs.test_wire import VALIDATOR
from tests.recording.evening import Part, kept, messages
from tests.test_daemon import RTGENRE, environment, free_ports, rtgenre
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rtgenre.client import Received

pytestmark = pytest.mark.real

PARTS = [Part("silence", 2.0), Part("disco", 30.0), Part("metal", 30.0, track=2, title="A - Two")]
CLOCKS = ("session", "t_audio_ns", "t_publish_ns", "t_wall", "latency_ms")


def story(found: list[wire.Message]) -> list[wire.Message]:
    """All but what a replay has of its own."""
    blank: dict[str, object] = dict.fromkeys(CLOCKS[1:3], 0) | dict.fromkeys(("session", "t_wall"), "")
    blank["latency_ms"] = wire.Latency(0.0, 0.0, 0.0, 0.0, 0.0)
    return [msgspec.structs.replace(m, **blank) for m in found if not isinstance(m, wire.Heartbeat)]


@contextmanager
def replaying(folder: Path, speed: float, times: int = 1) -> Iterator[tuple[Subscriber, Replay]]:
    stop = threading.Event()
    replay = Replay(Recording(folder), speed, stop)
    feed = ZmqFeed(ANY, ANY, {"hello": replay.hello, "stats": replay.stats, "reset": replay.reset})
    feed.start()

    def play() -> None:
        assert eventually(lambda: feed.subscribers > 0)
        time.sleep(0.2)
        for _ in range(times):
            replay.play(feed)

    player = threading.Thread(target=play)
    player.start()
    try:
        with Subscriber(feed.publish_address, feed.control_address) as client:
            yield client, replay
    finally:
        stop.set()
        player.join()
        feed.close()


def receive(client: Subscriber, n: int) -> list[Received]:
    """So many messages that are no heartbeats, and the heartbeats among them."""
    found: list[Received] = []
    deadline = time.monotonic() + 30.0
    while sum(not isinstance(r.message, wire.Heartbeat) for r in found) < n and time.monotonic() < deadline:
        if (received := client.receive(0.5)) is not None:
            found.append(received)
    return found


def test_a_subscriber_gets_the_same_story_with_clocks_of_now(tmp_path: Path) -> None:
    evening = messages(PARTS)
    wanted = story(evening)
    with replaying(kept(tmp_path / "r", evening), 100.0) as (client, replay):
        found = receive(client, len(wanted))
        assert client.missed == client.restarts == 0
        assert story([r.message for r in found]) == wanted
        assert {r.message.session for r in found} == {replay.session} != {"one"}
        for received in found:
            VALIDATOR.validate(json.loads(received.body))
        now_ns = time.monotonic_ns()
        spoken = [r.message for r in found if not isinstance(r.message, wire.Heartbeat)]
        assert all(0 < now_ns - m.t_audio_ns < 60e9 for m in spoken)
        assert all(0 < m.latency_ms.total < 1000 for m in spoken)
        hello = client.request("hello")
        assert (hello["sources"], hello["labels"]) == (["mic"], ["blues", "disco", "metal"])
        assert hello["replay"] == "r"
        stats = msgspec.convert(client.request("stats")["stats"], wire.Heartbeat)
        assert stats.sources["mic"].description == "a mixer (replay)"
        with pytest.raises(FeedError, match="replay"):
            client.request("reset mic")


def test_it_takes_as_long_as_it_took_divided_by_the_speed(tmp_path: Path) -> None:
    folder = kept(tmp_path / "r", messages([Part("disco", 6.0)]))
    with replaying(folder, 2.0) as (client, _):
        found = [r.message for r in receive(client, 63) if isinstance(r.message, wire.PosteriorMessage)]
    took_s = (found[-1].t_publish_ns - found[0].t_publish_ns) / 1e9
    assert len(found) == 60
    assert took_s == pytest.approx(5.9 / 2, rel=0.2)


def test_a_recording_that_was_made_faster_than_it_sounds_is_replayed_as_it_sounds(tmp_path: Path) -> None:
    folder = kept(tmp_path / "r", messages([Part("disco", 20.0)], pace=100.0))
    with replaying(folder, 10.0) as (client, _):
        found = [r.message for r in receive(client, 203) if isinstance(r.message, wire.PosteriorMessage)]
    assert (found[-1].t_publish_ns - found[0].t_publish_ns) / 1e9 == pytest.approx(1.99, rel=0.2)


def test_a_restart_in_the_recording_is_one_on_the_feed_and_so_is_playing_it_again(tmp_path: Path) -> None:
    one, two = messages([Part("disco", 5.0)]), messages([Part("metal", 5.0)], session="two", began_s=2e9)
    wanted = [*story(one), *story(two)] * 2
    with replaying(kept(tmp_path / "r", one, two), 100.0, times=2) as (client, _):
        found = receive(client, len(wanted))
        assert story([r.message for r in found]) == wanted
        assert (client.restarts, client.missed) == (3, 0)


def test_a_slow_replay_goes_on_with_its_heartbeat(tmp_path: Path) -> None:
    folder = kept(tmp_path / "r", messages([Part("disco", 2.0)]))
    with replaying(folder, 0.02) as (client, _):
        found = []
        deadline = time.monotonic() + 4.0
        while time.monotonic() < deadline:
            if (received := client.receive(0.2)) is not None:
                found.append(received.message)
    beats = [m for m in found if isinstance(m, wire.Heartbeat)]
    assert 2 <= len(beats) <= 5
    assert [m.seq for m in beats] == list(range(beats[0].seq, beats[0].seq + len(beats)))


def test_watch_reads_a_replay_and_both_end_well(tmp_path: Path) -> None:
    folder = kept(tmp_path / "r", messages(PARTS))
    addresses = free_ports()
    printed = tmp_path / "printed.jsonl"
    with (
        printed.open("wb") as out,
        subprocess.Popen(
            [*RTGENRE, "watch", addresses[1], "--control", addresses[3]], stdout=out, env=environment()
        ) as watch,
    ):
        try:
            done = rtgenre("replay", str(folder), "--speed", "30", "--wait-for", "1", *addresses)
            wanted = story(messages(PARTS))
            assert eventually(lambda: printed.read_bytes().count(b"\n") >= len(wanted))
        finally:
            watch.terminate()
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert story([wire.decode(line) for line in printed.read_bytes().splitlines()]) == wanted


@pytest.mark.parametrize("command", ["replay", "setlist", "night"])
def test_what_is_no_recording_is_said_in_one_line(tmp_path: Path, command: str) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        done = rtgenre(command, str(path))
        assert done.returncode == 69
        assert done.stdout == b""
        assert done.stderr.decode().startswith("rtgenre: error: ")
        assert len(done.stderr.splitlines()) == 2  # and the remedy
