"""One run of the daemon, read over all its outputs, there and through a bridge: all tell the same decisions.

Feed, OSC, MIDI, MQTT, a text file, the WebSocket that an overlay reads, and the metrics, which tell how many decisions
there were and the last one of them.
"""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.outputs import wire
from tests import signals
from tests.outputs.broker import Broker, needs_mosquitto, reading
from tests.outputs.stage import ALL_OFF, CHANNEL, PERIOD, Stage, stage
from tests.outputs.test_osc import receiver
from tests.outputs.web.overlay import Overlay, free_port, overlay
from tests.test_daemon import RTGENRE, TIMEOUT_S, daemon, environment, wav
from tests.virtual import JackServer, needs
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rtgenre.client import Subscriber

pytestmark = [pytest.mark.real, pytest.mark.timeout(240), needs("jackd"), needs_mosquitto]
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


def decisions(feed: Subscriber, process: subprocess.Popen[bytes]) -> list[wire.DecisionMessage]:
    found: list[wire.DecisionMessage] = []
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        received = feed.receive(0.5)
        if received is not None and isinstance(received.message, wire.DecisionMessage):
            assert received.missed == 0
            found.append(received.message)
        if received is None and process.poll() is not None:
            return found
    raise AssertionError("the daemon did not end")


def notes(it: Stage, labels: list[str]) -> list[str | None]:
    """What was played; where no genre is decided for, all notes are switched off. What must not be is in capitals."""
    played: list[str | None] = []
    sounding = ""
    for line in it.notes:
        number = line[2:4]
        if line == ALL_OFF:
            played.append("STILL ON" if sounding else None)
        elif line[:2] == f"8{CHANNEL:x}":
            if sounding != number:
                played.append("WAS NOT ON")
            sounding = ""
        else:
            played.append("TWO AT ONCE" if sounding else labels[int(number, 16) - 36])
            sounding = number
    return played


def genres_by_index(values: list[object], labels: list[str]) -> list[str | None]:
    return [None if value == -1 else labels[int(str(value))] for value in values]


def shown(it: Overlay) -> list[str | None]:
    """What an overlay showed: it draws posteriors, and other programs read decisions; both say the same."""
    tops = [message["top"] for message in it.messages if message.get("kind") in {"posterior", "decision"}]
    return [None if top is None else str(top) for top in tops]


def is_part(some: list[str | None], of: list[str | None]) -> bool:
    """Some of these, and at least one of them, in the same order."""
    rest = iter(of)
    return bool(some) and all(one in rest for one in some)


def sections(folder: Path, osc: str, port: int, node: str, web: int) -> str:
    return POLICY + (
        f'\n[osc]\nenabled = true\ntargets = ["{osc}"]\n[mqtt]\nenabled = true\nport = {port}\nnode = "{node}"\n'
        f"[text]\nenabled = true\npath = '{folder / node}.txt'\n[web]\nenabled = true\nport = {web}\n"
    )


@dataclass(frozen=True, slots=True)
class Run:
    """What one run told.

    Attributes:
        truth: decisions of the feed.
        it: what JACK's client heard.
        osc: of ``daemon`` and ``bridge``: address → values.
        topics: of MQTT, in order.
        files: of ``daemon`` and ``bridge``: texts, in order.
        web: of ``daemon`` and ``bridge``: what browsers and monitors were told.
        changes: decisions that the feed told of, the first included.
    """

    truth: list[str | None]
    it: Stage
    osc: dict[str, dict[str, list[object]]]
    topics: list[tuple[str, str, bool]]
    files: dict[str, list[str]]
    web: dict[str, Overlay]
    changes: int


def run(folder: Path) -> Run:
    folder.mkdir()
    quiet = np.zeros(round(RATE * 1.5))
    parts = [quiet, quiet, *itertools.chain(*((signals.music(RATE * 2, seed=s), quiet) for s in (1, 2, 3)))]
    sound = wav(folder / "sound.wav", np.concatenate(parts).astype(np.float32))
    with ExitStack() as stack:
        jack = stack.enter_context(JackServer(folder / "jack", period=PERIOD, sync=True))
        broker = stack.enter_context(Broker(folder))
        it = stack.enter_context(stage(jack))
        topics = stack.enter_context(reading(broker))
        osc, files, web = {}, {}, {}
        for name, midi in (("daemon", "[midi]\nenabled = true\n"), ("bridge", "")):
            target, osc[name] = stack.enter_context(receiver())
            files[name] = stack.enter_context(watched(folder / f"{name}.txt"))
            port = free_port()
            web[name] = stack.enter_context(overlay(port))
            (folder / f"{name}.toml").write_text(sections(folder, target, broker.port, name, port) + midi)
        arguments = ["--source", f"file:{sound}", "--quiet", "--config", str(folder / "daemon.toml")]
        process, feed = stack.enter_context(daemon(*arguments, **jack.client_env))
        addresses = ["--feed", feed.publish, "--control", feed.control, "--config", str(folder / "bridge.toml")]
        bridge = subprocess.Popen(
            [*RTGENRE, "bridge", "osc", "mqtt", "text", "web", *addresses], env=environment(), stderr=subprocess.PIPE
        )
        try:
            decided = decisions(feed, process)
            assert process.wait(TIMEOUT_S) == 0
            assert eventually(lambda: "rtgenre/bridge/file/genre" in [topic for topic, _, _ in topics])
        finally:
            bridge.terminate()
            _, said = bridge.communicate(timeout=TIMEOUT_S)
        assert bridge.returncode == 0, said
        assert b"Traceback" not in said
        assert eventually(lambda: ("rtgenre/bridge/status", "offline", False) in topics)
    truth = told(message.top for message in decided)
    return Run(truth, it, osc, topics, files, web, decided[-1].seq + 1)


def test_every_output_tells_the_same_decisions_in_the_same_order(tmp_path: Path) -> None:
    done = run(tmp_path / "run")
    labels = [address.rpartition("/")[2] for address in done.osc["daemon"] if "/p/" in address]
    assert len(set(done.truth)) >= 3, "the sound should make for more decisions"
    assert done.truth.count(None) >= 3
    assert told(notes(done.it, labels)) == done.truth
    for name in ("daemon", "bridge"):
        genres = [payload for topic, payload, _ in done.topics if topic == f"rtgenre/{name}/file/genre"]
        assert told(genres_by_index(done.osc[name]["/rtgenre/file/index"], labels)) == done.truth, name
        assert told("" if genre == "none" else genre for genre in genres) == done.truth, name
        assert told(done.files[name]) == done.truth, name
        assert told(shown(done.web[name])) == done.truth, name
        metrics = done.web[name].metrics
        assert metrics["rtgenre_decision_changes_total", "file", ""] == done.changes, name
        now = {genre: value for (what, _, genre), value in metrics.items() if what == "rtgenre_decision"}
        assert now == {label: float(label == done.truth[-1]) for label in labels}, name
        assert is_part(told(done.web[name].decided), done.truth), name  # looked at now and then, so some may be missing
