"""What MIDI, OSC, MQTT and the text file have in common: a counterpart that comes and goes."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from rtgenre.errors import OutputError
from rtgenre.outputs import courier as module
from rtgenre.outputs import wire
from rtgenre.outputs.courier import Courier
from tests.outputs.story import decision
from tests.outputs.telling import beat, envelope, heard
from tests.waiting import eventually

if TYPE_CHECKING:
    import pytest


class Somebody:
    """A counterpart that writes down what it is told, and goes when asked to."""

    def __init__(self) -> None:
        self.there = threading.Event()
        self.there.set()
        self.told: list[tuple[str, str, str | None]] = []
        self.beats = 0
        self.ends = 0

    def connect(self) -> None:
        self.check()

    def show(self, message: wire.SourceMessage) -> None:
        self.check()
        self.told.append((message.source, message.state, message.top))

    def beat(self, _heartbeat: wire.Heartbeat) -> None:
        self.beats += 1

    def check(self) -> None:
        if not self.there.is_set():
            raise OutputError("nobody there", "call somebody")

    def disconnect(self) -> None:
        self.ends += 1


def put(courier: Courier, *messages: wire.Message) -> None:
    for message in messages:
        courier.mailbox.put(envelope(message))


def test_everything_is_told_in_order_and_the_end_is_said() -> None:
    somebody = Somebody()
    courier = Courier("test", somebody)
    courier.start()
    put(courier, heard("disco"), beat("mic"), heard(None), heard("jazz", source="deck"))
    courier.close()
    courier.close()
    assert somebody.told == [
        ("mic", "music", "disco"),
        ("mic", "silence", None),
        ("deck", "music", "jazz"),
        ("mic", "stale", None),
        ("deck", "stale", None),
    ]
    assert (somebody.beats, somebody.ends, courier.unsent, courier.mailbox.dropped) == (1, 1, 0, 0)


def test_who_comes_back_is_told_the_present_and_what_passed_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    somebody = Somebody()
    courier = Courier("test", somebody)
    with caplog.at_level(logging.INFO):
        courier.start()
        put(courier, heard("disco"))
        assert eventually(lambda: somebody.told)
        somebody.there.clear()
        put(courier, heard("disco"))
        assert eventually(lambda: somebody.ends == 1)
        put(courier, heard("rock"), heard("jazz"))
        assert eventually(lambda: courier.unsent == 3)
        somebody.there.set()
        assert eventually(lambda: courier.connections == 2)
        courier.close()
    assert [top for _, _, top in somebody.told] == ["disco", "jazz", None]
    told = [record.message for record in caplog.records]
    assert told[0] == "test: nobody there → call somebody; trying again"
    assert "test is back" in told[1]
    assert "3 messages passed" in told[1]


def test_one_that_is_not_there_is_told_about_once(caplog: pytest.LogCaptureFixture) -> None:
    somebody = Somebody()
    somebody.there.clear()
    courier = Courier("test", somebody, longest_wait_s=0.05)
    courier.start()
    assert not eventually(lambda: courier.connections, 1.5)
    courier.close()
    assert len(caplog.records) == 1


def test_what_comes_late_from_another_topic_is_left_out() -> None:
    """After joining a feed, the last decision may come after the newest hop: it is older."""
    somebody = Somebody()
    courier = Courier("test", somebody)
    old = decision(heard("disco"), 1)
    courier.start()
    put(courier, heard("rock"), old)
    courier.close()
    assert [top for _, _, top in somebody.told] == ["rock", None]


def test_a_daemon_that_starts_anew_leaves_nothing_behind() -> None:
    somebody = Somebody()
    courier = Courier("test", somebody)
    courier.start()
    put(courier, heard("disco", source="deck"), heard("rock", source="mic"), heard("jazz", source="mic", session="s2"))
    courier.close()
    assert [(s, t) for s, _, t in somebody.told] == [
        ("deck", "disco"),
        ("mic", "rock"),
        ("deck", None),
        ("mic", None),
        ("mic", "jazz"),
        ("mic", None),
    ]


def test_one_source_only() -> None:
    for asked, expected in (("", "mic"), ("deck", "deck")):
        somebody = Somebody()
        courier = Courier("test", somebody, asked)
        courier.start()
        put(courier, beat("deck"), heard("rock", source="mic"), heard("jazz", source="deck"))
        courier.close()
        assert {source for source, _, _ in somebody.told} == {expected}


def test_a_feed_that_falls_silent_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "STALE_AFTER_S", 0.3)
    somebody = Somebody()
    courier = Courier("test", somebody)
    courier.start()
    put(courier, heard("disco"))
    assert eventually(lambda: somebody.told[-1:] == [("mic", "stale", None)])
    put(courier, heard("disco"))
    assert eventually(lambda: somebody.told[-1:] == [("mic", "music", "disco")])
    courier.close()


def test_a_defect_is_logged_and_delays_nobody(caplog: pytest.LogCaptureFixture) -> None:
    somebody = Somebody()
    somebody.told = None  # type: ignore[assignment]
    courier = Courier("test", somebody)
    courier.start()
    put(courier, heard("disco"))
    assert eventually(lambda: courier.mailbox.closed)
    put(courier, heard("disco"))
    courier.close()
    assert "test stopped" in caplog.text


def test_what_it_is_too_slow_for_is_counted_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "CAPACITY", 3)
    somebody = Somebody()
    courier = Courier("test", somebody)
    put(courier, *(heard("disco") for _ in range(5)))
    courier.start()
    courier.close()
    assert courier.mailbox.dropped == 2
    assert "too slow for 2 messages" in caplog.text
