"""Different music on several sources of a real sound server at once: each is tagged as its file is alone."""

from __future__ import annotations

import signal
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from rtgenre.outputs import wire
from tests.corpus import needs_audio
from tests.test_daemon import daemon, posteriors, wait_for
from tests.test_live import RATE, SECONDS, WAIT_S, assert_same_decisions, clip
from tests.virtual import PulseServer, needs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rtgenre.client import Subscriber

pytestmark = [pytest.mark.real, pytest.mark.data, needs_audio, needs("pulseaudio", "paplay")]
NAMES = ("metal.00000.flac", "classical.00000.flac")
QUAD = "front-left,front-right,rear-left,rear-right"
Heard = dict[str, list[wire.PosteriorMessage]]


@pytest.fixture(scope="module")
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulseServer]:
    with PulseServer(tmp_path_factory.mktemp("pulse"), rates=(RATE,)) as server:
        for name, how in {
            "booth": "channels=2",
            "bar": "channels=2",
            "mixer": f"channels=4 channel_map={QUAD}",
        }.items():
            server.pactl(
                "load-module", "module-null-sink", f"sink_name={name}", "norewinds=1", f"rate={RATE}", *how.split()
            )
        yield server


def listen(feed: Subscriber, names: set[str], play: Callable[[], object]) -> Heard:
    """Hops of music and after of each source, until all of them are silent again."""
    posteriors(feed, 80)  # long enough in silence for a fresh start
    play()
    heard: Heard = defaultdict(list)
    over: set[str] = set()
    deadline = time.monotonic() + SECONDS + WAIT_S
    while over != names and time.monotonic() < deadline:
        received = feed.receive(1.0)
        if received is not None and isinstance(received.message, wire.PosteriorMessage):
            message = received.message
            if message.state != "silence" and message.source not in over:
                heard[message.source].append(message)
            elif any(m.state == "music" for m in heard[message.source]):
                over.add(message.source)
    assert over == names
    return heard


def play_to_all(
    pulse: PulseServer, arguments: list[str], music: dict[str, Path]
) -> tuple[Heard, int, list[str], dict[str, Any]]:
    """What a daemon's sources hear of files that are played into sinks, how much was missed, captures and reports."""
    with daemon(*arguments, "--quiet", **pulse.client_env) as (process, feed):
        players = []

        def play() -> None:
            for sink, path in music.items():
                quad = [f"--channel-map={QUAD}"] if sink == "mixer" else []
                players.append(pulse.client("paplay", f"--device={sink}", *quad, str(path)))
                time.sleep(0.3)

        names = {argument.partition("=")[0].partition("@")[0] for argument in arguments[1::2]}
        heard = listen(feed, names, play)
        for player in players:
            with player:
                assert player.wait(WAIT_S) == 0
        captures = pulse.pactl("list", "short", "source-outputs").splitlines()
        reports = feed.request("stats")["stats"]["sources"]  # type: ignore[index]
        process.terminate()
        assert process.wait(WAIT_S) == 0
        return heard, feed.missed, captures, reports  # type: ignore[return-value]


def test_sinks_and_decks_are_sources_of_their_own(pulse: PulseServer, tmp_path: Path) -> None:
    """Two stereo sinks and the two decks of a sink with four channels: three devices, four sources, all at once."""
    metal, classical = (clip(name, tmp_path) for name in NAMES)
    sounds = [soundfile.read(path, dtype="int16")[0] for path in (metal, classical)]
    late = tmp_path / "late.wav"  # the second deck begins later
    soundfile.write(late, sounds[1][: -RATE * 2], RATE, subtype="PCM_16")
    second = np.concatenate([np.zeros((RATE * 2, 2), np.int16), sounds[1][: -RATE * 2]])
    both = tmp_path / "both.wav"
    soundfile.write(both, np.concatenate([sounds[0], second], axis=1), RATE, subtype="PCM_16")
    paths = {"booth": metal, "bar": classical, "deck_a": metal, "deck_b": late}
    asked = {
        "booth": "pulse:booth.monitor",
        "bar": "pulse:bar.monitor",
        "deck_a@1,2": "pulse:mixer.monitor",
        "deck_b@3,4": "pulse:mixer.monitor",
    }
    arguments = [word for name, use in asked.items() for word in ("--source", f"{name}={use}")]
    heard, missed, captures, reports = play_to_all(pulse, arguments, {"mixer": both, "booth": metal, "bar": classical})
    assert len(captures) == 3, "a device was opened more than once"
    assert [report["channels"] for report in reports.values()] == [2, 2, 4, 4]
    assert reports["booth"]["description"] == "ALSA: pulse: booth.monitor"
    assert reports["deck_b"]["description"] == "ALSA: pulse: mixer.monitor, channels 3, 4"
    for name, path in paths.items():
        assert_same_decisions(heard[name], path, missed)


def test_a_source_that_fails_does_not_disturb_the_other_and_comes_back(pulse: PulseServer) -> None:
    psutil = pytest.importorskip("psutil")
    asked = ["--source", "booth=pulse:booth.monitor", "--source", "bar=pulse:bar.monitor", "--quiet"]
    # Nothing is played here: without the watchdog for zeros, each restart is one of ours.
    with daemon(*asked, RTGENRE_SOURCE__ZEROS_RESTART_S="0", **pulse.client_env) as (process, feed):
        posteriors(feed, 30)
        children = {child.environ().get("PULSE_SOURCE"): child for child in psutil.Process(process.pid).children()}
        children["bar.monitor"].send_signal(signal.SIGSTOP)  # as a driver hangs
        hung = wait_for_hop(feed, "bar", lambda m: m.state == "stale")
        back = wait_for_hop(feed, "bar", lambda m: m.state != "stale" and m.gap_samples > 0)
        assert back.hop > hung.hop + 5
        children["booth.monitor"].kill()
        wait_for_hop(feed, "booth", lambda m: m.gap_samples > 0)
        calm = [m for m in posteriors(feed, 40) if m.source == "bar"]
        reports = feed.request("stats")["stats"]["sources"]  # type: ignore[index]
        assert {name: report["capture_restarts"] for name, report in reports.items()} == {"booth": 1, "bar": 1}
        assert [m.seq for m in calm] == list(range(calm[0].seq, calm[0].seq + len(calm)))
        process.terminate()
        assert process.wait(WAIT_S) == 0
        assert process.stderr is not None
        assert b"leaked" not in process.stderr.read()


def wait_for_hop(feed: Subscriber, name: str, wanted: Callable[[wire.PosteriorMessage], bool]) -> wire.PosteriorMessage:
    def is_it(message: wire.Message) -> bool:
        return isinstance(message, wire.PosteriorMessage) and message.source == name and wanted(message)

    hop: wire.PosteriorMessage = wait_for(feed, is_it, WAIT_S, f"{name} never said so")
    return hop
