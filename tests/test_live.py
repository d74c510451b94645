"""Real music, played into a real sound server, captured, tagged and received in another process."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import soxr

from rtgenre.client import Subscriber
from rtgenre.outputs import wire
from tests.corpus import AUDIO, needs_audio
from tests.test_daemon import daemon, posteriors, rtgenre, wait_for
from tests.virtual import JackServer, PulseServer, needs

if TYPE_CHECKING:
    import subprocess

pytestmark = [pytest.mark.real, pytest.mark.data, needs_audio]
RATE = 48000
SECONDS = 8.0
WAIT_S = 60.0  # for what comes at once on a machine that does nothing else


@pytest.fixture(scope="module")
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulseServer]:
    with PulseServer(tmp_path_factory.mktemp("pulse"), rates=(RATE,)) as server:
        yield server


def clip(name: str, folder: Path) -> Path:
    """The middle of a recording, at the server's rate, in stereo."""
    sound, rate = soundfile.read(AUDIO / name, dtype="float32")
    middle = sound[5 * rate : 5 * rate + round(SECONDS * rate)]
    path = folder / f"{name}.wav"
    stereo = np.repeat(soxr.resample(middle, rate, RATE)[:, None], 2, axis=1)
    soundfile.write(path, np.clip(stereo, -1, 1), RATE, subtype="PCM_16")
    return path


def listen(feed: Subscriber, play: Callable[[], object]) -> list[wire.PosteriorMessage]:
    """Hops from before the music starts until it is over."""
    posteriors(feed, 30)  # long enough in silence for a fresh start
    play()
    deadline = time.monotonic() + SECONDS + WAIT_S
    heard: list[wire.PosteriorMessage] = []
    while time.monotonic() < deadline:
        received = feed.receive(1.0)
        if received is not None and isinstance(received.message, wire.PosteriorMessage):
            if received.message.state == "silence" and any(m.state == "music" for m in heard):
                return heard
            if received.message.state != "silence":
                heard.append(received.message)
    raise AssertionError("the music never came, or never ended")


def assert_same_decisions(live: list[wire.PosteriorMessage], path: Path, missed: int) -> None:
    assert missed == 0
    assert [m.seq for m in live] == list(range(live[0].seq, live[0].seq + len(live)))
    assert {m.gap_samples for m in live} == {0}
    offline = [json.loads(line) for line in rtgenre("tag", str(path), "--json").stdout.splitlines()]
    # A piece begins where its sound begins, so the hops of both lie at the same places of the music.
    begins = next(i for i, message in enumerate(live) if message.age_s > 0)
    began = next(i for i, hop in enumerate(offline) if hop["age_s"] > 0)
    pairs = list(zip(live[begins:], offline[began:], strict=False))
    assert len(pairs) > 0.9 * len(offline)
    same = [(message.state, message.top) == (hop["state"], hop["top"]) for message, hop in pairs]
    # The server's sample grid lies a fraction of a sample apart; a posterior at a threshold may fall either way, and a
    # change be suspected a hop sooner or later: until both do, they speak of pieces of another age.
    assert np.mean(same) >= 0.95
    assert same[-1]
    alike = [(message, hop) for message, hop in pairs if message.age_s == hop["age_s"]]
    assert len(alike) >= 0.95 * len(pairs)
    apart = [abs(message.probs[k] - hop["probs"][k]) for message, hop in alike for k in message.probs]
    assert max(apart) < 0.02


@needs("pulseaudio", "paplay")
@pytest.mark.parametrize("name", ["metal.00000.flac", "classical.00000.flac"])
def test_music_through_pulseaudio_is_tagged_as_the_file_is(pulse: PulseServer, tmp_path: Path, name: str) -> None:
    path = clip(name, tmp_path)
    env = pulse.client_env | {"PULSE_SOURCE": f"{pulse.sinks[RATE]}.monitor"}
    with daemon("--source", "device:pulse", "--quiet", **env) as (process, feed):
        players: list[subprocess.Popen[bytes]] = []
        live = listen(feed, lambda: players.append(pulse.play(path, RATE)))
        with players[0] as player:
            assert player.wait(WAIT_S) == 0
        process.terminate()
        process.wait(WAIT_S)
        assert_same_decisions(live, path, feed.missed)


@needs("jackd", "jack_lsp")
def test_music_through_jack_is_tagged_as_the_file_is(tmp_path: Path) -> None:
    path = clip("hiphop.00002.flac", tmp_path)
    # The server may be late by a period; then its clock slips, and the daemon counts a gap.
    with JackServer(tmp_path / "jack", rate=RATE, period=4096, sync=True) as jack, ExitStack() as deck:
        play = deck.enter_context(jack.player(path, "deck"))
        with daemon("--source", "device:deck", "--quiet", **jack.client_env) as (process, feed):
            live = listen(feed, play)
            deck.close()  # while the server waits for nobody: the daemon kills its own client
            process.terminate()
            process.wait(WAIT_S)
            assert_same_decisions(live, path, feed.missed)


@needs("pulseaudio", "paplay")
def test_a_sound_server_that_dies_is_told_survived_and_counted(pulse: PulseServer) -> None:
    env = pulse.client_env | {"PULSE_SOURCE": f"{pulse.sinks[RATE]}.monitor"}
    with daemon("--source", "device:pulse", "--quiet", **env) as (process, feed):
        posteriors(feed, 5)
        pulse.kill()
        stale = wait_for(feed, lambda m: isinstance(m, wire.StateMessage) and m.state == "stale", WAIT_S)
        assert stale.top is None
        time.sleep(1.0)
        pulse.start()
        back = wait_for(feed, lambda m: isinstance(m, wire.PosteriorMessage) and m.gap_samples > 0, WAIT_S)
        assert back.state != "stale"
        assert back.gap_samples > 22050  # more than the second that the server was away
        beat = wait_for(feed, lambda m: isinstance(m, wire.Heartbeat), WAIT_S)
        report = beat.sources["mic"]
        assert report.capture_restarts == 1
        assert report.gap_samples == pytest.approx(back.gap_samples * report.sample_rate / 22050, rel=0.01)
        assert "restarted" in report.notice
        process.terminate()
        assert process.wait(WAIT_S) == 0
