"""MIDI through real ports of a JACK server, in the process that the daemon starts for it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rtgenre.outputs import wire
from rtgenre.outputs.midi import MidiOutput
from rtgenre.outputs.midi.player import Player
from rtgenre.outputs.settings import MidiSettings
from tests.outputs.stage import ALL_OFF, CHANNEL, PERIOD, control, off, on, stage
from tests.outputs.story import LABELS
from tests.outputs.telling import beat, envelope, heard
from tests.test_daemon import RTGENRE, daemon, environment
from tests.virtual import JackServer, needs
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rtgenre.client import Subscriber

pytestmark = [pytest.mark.real, needs("jackd")]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JackServer]:
    with JackServer(tmp_path / "jack", period=PERIOD) as jack, jack.environment():
        yield jack


@contextmanager
def playing(**settings: object) -> Iterator[MidiOutput]:
    output = MidiOutput(MidiSettings(**settings))  # type: ignore[arg-type]
    output.start()
    try:
        yield output
    finally:
        output.close()


def put(output: MidiOutput, *messages: wire.Message) -> None:
    for message in messages:
        output.mailbox.put(envelope(message))


def test_a_note_for_each_decision_the_last_off_before_and_all_off_in_silence_and_at_the_end(
    server: JackServer,
) -> None:
    with stage(server) as it, playing() as output:
        assert eventually(lambda: "connected" in it.lines)
        put(output, heard("disco", p=0.5))
        assert it.heard(on("disco")), it.notes
        assert eventually(lambda: control("disco", 64) in it.lines)
        put(output, heard("jazz"), heard("jazz"))
        assert it.heard(off("disco"), on("jazz")), it.notes
        put(output, heard(None), heard(None))
        assert it.heard(on("jazz"), off("jazz"), ALL_OFF), it.notes
        put(output, heard("rock"))
        assert it.heard(ALL_OFF, on("rock")), it.notes
        output.close()
        assert it.heard(on("rock"), off("rock"), ALL_OFF, ALL_OFF), it.notes
        assert output.starts == 1


def test_controls_come_on_change_only_and_not_too_often(server: JackServer) -> None:
    with stage(server) as it, playing(controls_hz=0.1) as output:
        assert eventually(lambda: "connected" in it.lines)
        put(output, *[heard("disco", p=0.5)] * 3, *(heard("disco", p=0.5 + k / 100) for k in range(20)))
        put(output, heard(None))
        assert it.heard(off("disco"), ALL_OFF), it.notes
        controls = [line for line in it.lines if line.startswith(f"b{CHANNEL:x}") and line != ALL_OFF]
        assert sorted(controls) == sorted(
            control(label, 64 if label == "disco" else round(127 * 0.5 / 9)) for label in LABELS
        )


def test_a_daemon_that_is_killed_leaves_no_note_on(server: JackServer) -> None:
    """The playing process outlives it just long enough."""
    daemon = (
        "import sys, time\n"
        "from rtgenre.outputs.midi import MidiOutput\n"
        "from rtgenre.outputs.settings import MidiSettings\n"
        "from tests.outputs.telling import envelope, heard\n"
        "output = MidiOutput(MidiSettings())\n"
        "output.start()\n"
        "while True:\n"
        "    output.mailbox.put(envelope(heard('disco')))\n"
        "    time.sleep(0.1)\n"
    )
    with (
        stage(server) as it,
        subprocess.Popen([sys.executable, "-c", daemon], cwd=Path(__file__).parents[2]) as process,
    ):
        try:
            assert it.heard(on("disco")), it.notes
        finally:
            process.send_signal(signal.SIGKILL)
        assert it.heard(on("disco"), off("disco"), ALL_OFF, ALL_OFF), it.notes


def test_a_jack_server_that_dies_and_comes_back_is_survived(
    server: JackServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with playing() as output:
        with stage(server) as it:
            assert eventually(lambda: "connected" in it.lines)
            put(output, heard("disco"))
            assert it.heard(on("disco")), it.notes
            server.kill()
        assert eventually(lambda: "the JACK server is gone" in caplog.text)
        put(output, heard("jazz"))

        def is_counted() -> bool:  # the child tells its own with each heartbeat
            put(output, beat("mic"))
            return output.report().unsent > 0

        assert eventually(is_counted)
        server.start()
        with stage(server) as it:
            assert eventually(lambda: "midi is back" in caplog.text)
            assert eventually(lambda: "connected" in it.lines)
            put(output, heard("rock"))
            assert it.heard(on("rock")), it.notes
            put(output, heard(None))
            assert it.heard(off("rock"), ALL_OFF), it.notes
            output.close()
    assert output.starts == 1


def test_without_any_midi_it_waits_and_the_end_is_quick(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JACK_DEFAULT_SERVER", "nowhere")
        patch.setenv("JACK_NO_START_SERVER", "1")
        with playing() as output:
            put(output, heard("disco"))
            if Path("/dev/snd/seq").exists():
                pytest.skip("this machine has ALSA's sequencer")
            assert eventually(lambda: "no MIDI port can be opened" in caplog.text)
            assert "start a JACK server" in caplog.text
            pid = output.pid
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()


def test_a_playing_process_that_dies_is_started_again(server: JackServer, caplog: pytest.LogCaptureFixture) -> None:
    with stage(server) as it, playing() as output:
        assert eventually(lambda: "connected" in it.lines)
        assert output.pid is not None
        os.kill(output.pid, signal.SIGKILL)
        assert eventually(lambda: it.lines.count("connected") == 2)
        put(output, heard("disco"))
        assert it.heard(on("disco")), it.notes
        assert output.starts == 2
    assert "ended with exit code -9" in caplog.text


def test_what_comes_in_resets_holds_and_mutes(server: JackServer) -> None:
    asked: list[str] = []
    output = MidiOutput(MidiSettings(reset="note 60", hold="cc 64", mute="note 61"))
    output.ask = asked.append
    with stage(server) as it:
        output.start()
        assert eventually(lambda: "can press" in it.lines)
        put(output, heard("disco"))
        assert it.heard(on("disco")), it.notes
        it.press("903c40")
        assert eventually(lambda: asked == ["reset mic"])
        it.press("903c00")  # let go
        it.press("b04060")  # hold
        threading.Event().wait(0.5)
        put(output, heard("jazz"))
        threading.Event().wait(0.3)
        assert it.heard(on("disco")), it.notes
        it.press("b04000")
        it.press("b04060")
        threading.Event().wait(0.5)
        put(output, heard("jazz"))
        assert it.heard(off("disco"), on("jazz")), it.notes
        it.press("903d01")
        assert it.heard(off("jazz"), ALL_OFF), it.notes
        put(output, heard("rock"))
        threading.Event().wait(0.3)
        assert it.heard(off("jazz"), ALL_OFF), it.notes
        output.close()
    assert asked == ["reset mic"]


class Written:
    """A port that writes down what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, ...]] = []

    def send(self, message: Sequence[int]) -> None:
        self.sent.append(tuple(message))

    def listen(self, _heard: object) -> None:
        pass

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_controls_of_ones_own_labels_follow_the_models() -> None:
    port = Written()
    player = Player(MidiSettings(control=20), lambda: port)
    player.connect()
    port.sent.clear()
    player.show(heard("disco", dub=0.5, techno=1.0))
    controls = {m[1]: m[2] for m in port.sent if m[0] == 0xB0 | CHANNEL and m[1] != 123}
    assert controls.keys() == {*range(20, 20 + len(LABELS) + 2)}
    assert (controls[20 + len(LABELS)], controls[21 + len(LABELS)]) == (64, 127)


def test_genres_beyond_the_last_note_and_control_are_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    port = Written()
    player = Player(MidiSettings(note=120, control=115), lambda: port)
    player.connect()
    port.sent.clear()
    for top in ("blues", "rock", "blues"):
        player.show(heard(top))
    notes = [m for m in port.sent if m[0] != 0xB0 | CHANNEL]
    assert notes == [(0x9F, 120, 100), (0x8F, 120, 0), (0x9F, 120, 100)]
    assert {m[1] for m in port.sent if m[0] == 0xB0 | CHANNEL} == {115, 116, 117, 118, 119, 123}
    assert len(caplog.records) == 1


def test_learn_sends_one_control_and_ports_lists_what_there_is(server: JackServer) -> None:
    rtgenre = [sys.executable, "-m", "rtgenre", "midi"]
    with stage(server) as it:
        done = subprocess.run([*rtgenre, "ports"], capture_output=True, text=True, timeout=60, check=True)
        assert '"stage:ear"' in done.stdout
        done = subprocess.run(
            [*rtgenre, "learn", "disco", "--seconds", "1.5"], capture_output=True, text=True, timeout=60, check=True
        )
        assert "CC 23 on channel 16" in done.stdout
        events = [line for line in it.lines if line.startswith(f"b{CHANNEL:x}")]
        assert len({line[4:] for line in events}) > 5
        assert {line[:4] for line in events} == {control("disco", 0)[:4]}
        done = subprocess.run(
            [*rtgenre, "learn", "disco", "--note", "--seconds", "1"],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert it.heard(on("disco"), off("disco"), off("disco")) or it.heard(on("disco"), off("disco")), it.notes
        done = subprocess.run([*rtgenre, "learn", "disko"], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, "did you mean disco" in done.stderr) == (2, True)


@pytest.mark.parametrize("where", ["in the daemon", "in a bridge"])
def test_reset_comes_from_a_pedal_to_the_engine(server: JackServer, where: str) -> None:
    """The whole way: JACK, the playing process, the daemon or a bridge, the control port, a new track."""
    midi = {"RTGENRE_MIDI__ENABLED": "true", "RTGENRE_MIDI__RESET": "cc 64"}
    in_daemon = where == "in the daemon"
    more = server.client_env | (midi if in_daemon else {})
    with stage(server) as it, daemon("--source", "demo", "--quiet", **more) as (process, feed):
        bridge = None
        if not in_daemon:
            command = [*RTGENRE, "bridge", "midi", "--feed", feed.publish, "--control", feed.control]
            bridge = subprocess.Popen(command, env=environment(**server.client_env, **midi), stderr=subprocess.PIPE)
        try:
            assert eventually(lambda: "can press" in it.lines, 30)
            assert eventually(lambda: any(line.startswith(f"b{CHANNEL:x}14") for line in it.lines), 30)
            it.press("b0407f")
            assert eventually(lambda: reset_told(feed), 15)
        finally:
            if bridge is not None:
                bridge.terminate()
                _, said = bridge.communicate(timeout=20)
                assert (bridge.returncode, b"Traceback" in said) == (0, False), said
        process.terminate()
        assert process.wait(20) == 0
    assert it.notes[-1:] == [ALL_OFF]


def reset_told(feed: Subscriber) -> bool:
    received = feed.receive(0.1)
    message = None if received is None else received.message
    return isinstance(message, wire.TrackMessage) and message.reason == "reset"
