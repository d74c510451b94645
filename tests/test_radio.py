"""A station heard by the daemon: tagged like its file, its titles in the track messages, its silences told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from rtgenre.outputs import wire
from tests import signals
from tests.radio import IcecastServer, encoded
from tests.test_daemon import TIMEOUT_S, daemon, one_error, posteriors, rtgenre, wait_for
from tests.virtual import needs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


pytest.importorskip("av", reason="PyAV is not installed: pip install 'rtgenre[url]'")
pytestmark = [pytest.mark.real, needs("icecast2")]
RATE = 44100


@pytest.fixture(scope="module")
def icecast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IcecastServer]:
    with IcecastServer(tmp_path_factory.mktemp("icecast")) as server:
        yield server


def track(title: str) -> Callable[[wire.Message], bool]:
    return lambda message: isinstance(message, wire.TrackMessage) and message.title == title


def test_titles_are_in_the_track_messages_and_a_lost_station_is_told(icecast: IcecastServer) -> None:
    sound = encoded("mp3", signals.music(RATE * 8), RATE)
    source = f"air={icecast.url('/live.mp3')}"
    with icecast.station("/live.mp3", sound, 8.0) as station:
        station.title("The Band - One")
        time.sleep(2.0)
        with daemon("--source", source, "--source", "tape=demo", "--quiet") as (process, feed):
            first = wait_for(feed, track("The Band - One"))
            assert isinstance(first, wire.TrackMessage)
            assert (first.source, first.track) == ("air", 1)
            heard = [m for m in posteriors(feed, 60) if m.source == "air"]
            assert {m.gap_samples for m in heard} == {0}
            assert {m.state for m in heard} & {"music", "unknown", "not_music", "starting"}
            station.title("The Band - Two")
            second = wait_for(feed, track("The Band - Two"))
            assert isinstance(second, wire.TrackMessage)
            assert second.seq > first.seq
            station.drop()
            stale = wait_for(feed, lambda m: isinstance(m, wire.StateMessage) and m.state == "stale")
            assert isinstance(stale, wire.StateMessage)
            assert stale.source == "air"
            calm = [m for m in posteriors(feed, 20) if m.source == "tape"]
            assert [m.seq for m in calm] == list(range(calm[0].seq, calm[0].seq + len(calm)))
            with icecast.station("/live.mp3", sound, 8.0):
                back = wait_for(feed, lambda m: isinstance(m, wire.PosteriorMessage) and m.gap_samples > 0)
                assert isinstance(back, wire.PosteriorMessage)
                assert back.source == "air"
            reports = feed.request("stats")["stats"]["sources"]  # type: ignore[index]
            assert reports["air"]["capture_restarts"] == 1
            assert reports["air"]["gap_samples"] == pytest.approx(back.gap_samples * RATE / 22050, abs=2)
            assert reports["tape"]["gap_samples"] == 0
            process.terminate()
            assert process.wait(TIMEOUT_S) == 0


def test_a_station_that_is_not_there_is_one_clear_error(icecast: IcecastServer) -> None:
    address = icecast.url("/nothing.mp3").replace("://", "://me:secret@")
    done = rtgenre("run", "--no-feed", "--source", address)
    one_error(done, 69, "/nothing.mp3", "404")
    assert b"secret" not in done.stderr


def test_a_station_that_begins_later_is_found_later(icecast: IcecastServer) -> None:
    source = f"air={icecast.url('/later.mp3')}"
    with daemon("--source", source, "--source", "tape=demo", "--quiet") as (process, feed):
        assert {m.source for m in posteriors(feed, 20)} == {"tape"}
        reports = feed.request("stats")["stats"]["sources"]  # type: ignore[index]
        assert (reports["air"]["state"], "404" in reports["air"]["notice"]) == ("stale", True)
        with icecast.station("/later.mp3", encoded("mp3", signals.music(RATE * 8), RATE), 8.0):
            first = wait_for(feed, lambda m: isinstance(m, wire.PosteriorMessage) and m.source == "air")
            assert isinstance(first, wire.PosteriorMessage)
            assert first.seq == 0
            assert feed.request("reset air")["ok"]
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
        assert process.stderr is not None
        told = process.stderr.read().decode()
    assert "looking again every 5 s" in told
    assert "air is there" in told
    assert "leaked" not in told
