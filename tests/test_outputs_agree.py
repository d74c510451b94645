"""One run of the daemon, read over the feed, OSC, MIDI, MQTT and a text file, there and through a bridge: all agree."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.outputs import wire
from tests import signals
from tests.outputs.broker import Broker, needs_mosquitto, reading
from tests.outputs.telling import eventually
from tests.outputs.test_midi import ALL_OFF, CHANNEL, Stage, stage
from tests.outputs.test_osc import receiver
from tests.test_daemon import RTGENRE, TIMEOUT_S, daemon, environment, wav
from tests.virtual import JackServer, needs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rtgenre.client import Subscriber

pytestmark = [pytest.mark.real, needs("jackd"), needs_mosquitto]
RATE = 22050
POLICY = """
[posterior]
smoothing_s = 0.5
warmup_s = 0.2
margin = 0.0
dwell_s = 0.4
min_confidence = 0.0
not_music_enter = 0.0
not_music_leave = 0.0
silence_reset_s = 1.0
"""


def told(genres: Iterable[str | None]) -> list[str | None]:
    """What was decided, one after the other: repetitions are one, and nothing before the first genre counts."""
    once = [genre or None for genre, _ in itertools.groupby(genres)]
    return list(itertools.dropwhile(lambda genre: genre is None, once))


@contextmanager
def watched(path: Path) -> Iterator[list[str]]:
    """What stood in a file, looked at so often that nothing is missed."""
    seen: list[str] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.005):
            text = path.read_text() if path.exists() else ""
            if seen[-1:] != [text]:
                seen.append(text)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def decisions(feed: Subscriber, process: subprocess.Popen[bytes]) -> list[str | None]:
    found: list[str | None] = []
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        received = feed.receive(0.5)
        if received is not None and isinstance(received.message, wire.DecisionMessage):
            assert received.missed == 0
            found.append(received.message.top)
        if received is None and process.poll() is not None:
            return found
    raise AssertionError("the daemon did not end")


def notes(it: Stage, labels: list[str]) -> list[str | None]:
    """What was played; where no genre is decided for, all notes are switched off. At no time two notes."""
    played: list[str | None] = []
    sounding = ""
    for line in it.notes:
        number = line[2:4]
        if line == ALL_OFF:
            assert not sounding, it.notes
            played.append(None)
        elif line[:2] == f"8{CHANNEL:x}":
            assert sounding == number, it.notes
            sounding = ""
        else:
            assert not sounding, it.notes
            sounding = number
            played.append(labels[int(number, 16) - 36])
    return played


def genres_by_index(values: list[object], labels: list[str]) -> list[str | None]:
    return [None if value == -1 else labels[int(str(value))] for value in values]


def sections(folder: Path, osc: str, port: int, node: str) -> str:
    return POLICY + (
        f'\n[osc]\nenabled = true\ntargets = ["{osc}"]\n[mqtt]\nenabled = true\nport = {port}\nnode = "{node}"\n'
        f"[text]\nenabled = true\npath = '{folder / node}.txt'\n"
    )


def test_every_output_tells_the_same_decisions_in_the_same_order(tmp_path: Path) -> None:
    quiet = np.zeros(RATE * 2)
    parts = [quiet, quiet, *itertools.chain(*((signals.music(RATE * 3, seed=s), quiet) for s in (1, 2, 3)))]
    sound = wav(tmp_path / "sound.wav", np.concatenate(parts).astype(np.float32))
    with ExitStack() as stack:
        jack = stack.enter_context(JackServer(tmp_path / "jack"))
        broker = stack.enter_context(Broker(tmp_path))
        it = stack.enter_context(stage(jack))
        topics = stack.enter_context(reading(broker))
        (where, near), (elsewhere, far) = (stack.enter_context(receiver()) for _ in range(2))
        files = {n: stack.enter_context(watched(tmp_path / f"{n}.txt")) for n in ("daemon", "bridge")}
        for name, target in (("daemon", where), ("bridge", elsewhere)):
            midi = "[midi]\nenabled = true\n" if name == "daemon" else ""
            (tmp_path / f"{name}.toml").write_text(sections(tmp_path, target, broker.port, name) + midi)
        arguments = ["--source", f"file:{sound}", "--quiet", "--config", str(tmp_path / "daemon.toml")]
        process, feed = stack.enter_context(daemon(*arguments, **jack.client_env))
        addresses = ["--feed", feed.publish, "--control", feed.control, "--config", str(tmp_path / "bridge.toml")]
        bridge = subprocess.Popen(
            [*RTGENRE, "bridge", "osc", "mqtt", "text", *addresses], env=environment(), stderr=subprocess.PIPE
        )
        try:
            truth = told(decisions(feed, process))
            assert process.wait(TIMEOUT_S) == 0
            assert eventually(lambda: "rtgenre/bridge/file/genre" in [topic for topic, _, _ in topics])
        finally:
            bridge.terminate()
            _, said = bridge.communicate(timeout=TIMEOUT_S)
        assert bridge.returncode == 0, said
        assert b"Traceback" not in said
        assert eventually(lambda: ("rtgenre/bridge/status", "offline", False) in topics)
    labels = [address.rpartition("/")[2] for address in near if "/p/" in address]
    genre = {n: [p for topic, p, _ in topics if topic == f"rtgenre/{n}/file/genre"] for n in files}
    assert len(set(truth)) >= 3, "the sound should make for more decisions"
    assert truth.count(None) >= 3
    assert told(notes(it, labels)) == truth
    for name, came in (("daemon", near), ("bridge", far)):
        assert told(genres_by_index(came["/rtgenre/file/index"], labels)) == truth, name
        assert told("" if payload == "none" else payload for payload in genre[name]) == truth, name
        assert told(files[name]) == truth, name
