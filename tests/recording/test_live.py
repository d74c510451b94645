"""Recording a daemon as its users do: killed, from outside, with its sound."""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from rtgenre.outputs import wire
from rtgenre.recording.reader import Recording
from rtgenre.recording.timeline import wall_s
from tests import signals
from tests.recording.test_replay import story
from tests.test_daemon import RTGENRE, TIMEOUT_S, daemon, environment, posteriors, rtgenre, wav

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real


def read(folder: Path) -> list[wire.Message]:
    return list(Recording(folder).messages())


def spoken(folder: Path) -> list[wire.PosteriorMessage]:
    return [m for m in read(folder) if isinstance(m, wire.PosteriorMessage)]


def test_a_killed_daemon_leaves_everything_but_the_last_second(tmp_path: Path) -> None:
    with daemon("--source", "demo", "--quiet", "--record", str(tmp_path), "--record-sound") as (process, feed):
        posteriors(feed, 60)
        process.send_signal(signal.SIGKILL)
        t_killed = dt.datetime.now(dt.UTC).timestamp()
        process.wait(TIMEOUT_S)
    recording = Recording(tmp_path)
    found = [m for m in recording.messages() if isinstance(m, wire.PosteriorMessage)]
    assert [m.hop for m in found] == list(range(found[0].hop, found[0].hop + len(found)))
    assert t_killed - wall_s(found[-1]) < 1.5
    assert recording.damage.cut_off == [recording.files[0].name]
    (sound,) = tmp_path.glob("sound-demo-*.flac")
    tagged = rtgenre("tag", str(sound))
    hops = [json.loads(line) for line in tagged.stdout.splitlines()]
    assert sum(line["kind"] == "posterior" for line in hops) >= len(found) - 15
    assert b"Traceback" not in tagged.stderr


def test_record_keeps_a_feed_from_outside(tmp_path: Path) -> None:
    with daemon("--source", "demo", "--quiet") as (process, feed):
        with subprocess.Popen(
            [*RTGENRE, "record", str(tmp_path), "--feed", feed.publish, "--control", feed.control],
            stderr=subprocess.PIPE,
            env=environment(),
        ) as recorder:
            posteriors(feed, 60)
            recorder.send_signal(signal.SIGINT)
            _, told = recorder.communicate(timeout=TIMEOUT_S)
        process.terminate()
        process.wait(TIMEOUT_S)
    assert recorder.returncode == 130
    assert b"lost" not in told
    recording = Recording(tmp_path)
    found = [m for m in recording.messages() if isinstance(m, wire.PosteriorMessage)]
    assert len(found) > 10
    assert [m.seq for m in found] == list(range(found[0].seq, found[0].seq + len(found)))
    assert str(recording.damage) == ""


def test_recorded_sound_replayed_twice_gives_the_same_feed_but_for_its_clocks(tmp_path: Path) -> None:
    rate = 44100
    silence = np.zeros(3 * rate, np.float32)
    music = np.concatenate([signals.music(8 * rate, 0, rate), silence, signals.music(6 * rate, 1, rate)])
    music = np.stack([music, 0.5 * music], axis=1)
    source = wav(tmp_path / "song.wav", music, rate, subtype="PCM_16")
    first = tmp_path / "first"
    run = ["run", "--fast", "--no-feed", "--quiet", "--name", "deck"]
    assert rtgenre(*run, "--source", f"file:{source}", "--record", str(first), "--record-sound").returncode == 0
    (sound,) = first.glob("sound-deck-*.flac")
    np.testing.assert_array_equal(soundfile.read(sound)[0], soundfile.read(source)[0])
    for name in ("second", "third"):
        assert rtgenre(*run, "--source", f"file:{sound}", "--record", str(tmp_path / name)).returncode == 0
    told = [story(read(tmp_path / name)) for name in ("first", "second", "third")]
    assert len(told[0]) > 190
    assert told[0] == told[1] == told[2]


def test_sound_without_a_folder_is_one_clear_error() -> None:
    done = rtgenre("run", "--source", "demo", "--record-sound")
    assert done.returncode == 78
    assert "--record FOLDER" in done.stderr.decode()


def test_setlist_and_night_of_a_real_recording(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with daemon("--source", "demo", "--fast", "--quiet", "--record", str(folder)) as (process, _):
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline and not (folder.exists() and enough(folder)):
            time.sleep(0.5)
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
    listed = rtgenre("setlist", str(folder), "--min", "5")
    assert listed.returncode == 0
    assert listed.stdout.decode().startswith("# Set list: demo, ")
    assert len(listed.stdout.splitlines()) > 4
    drawn = rtgenre("night", str(folder), "--out", str(tmp_path / "night.png"))
    assert drawn.returncode == 0
    assert (tmp_path / "night.png").stat().st_size > 10_000
    wrong = rtgenre("setlist", str(folder), "--source", "dmo")
    assert wrong.returncode == 2
    assert b"did you mean demo?" in wrong.stderr


def enough(folder: Path) -> bool:
    """A minute of the demo, that is, three pieces."""
    if not list(folder.glob("feed-*")):
        return False
    try:
        return spoken(folder)[-1].time_s > 50
    except Exception:  # noqa: BLE001 - nothing readable yet
        return False
