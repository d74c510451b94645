"""Capture through real sound servers: what is captured is what was played."""

from __future__ import annotations

import time
from contextlib import closing

import numpy as np
import pytest
import soundfile

from rtgenre.audio.capture import DeviceSource, list_devices
from rtgenre.errors import DeviceError
from tests.virtual import OPENING_S, JackServer, needs

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("nothing_left")]


@pytest.fixture
def played(tmp_path):
    """Make a file of seeded noise that 16 bits hold exactly; ends faded so that silence is silence."""

    def make(rate, seconds=1.5, channels=2):
        rng = np.random.default_rng(7)
        sound = rng.integers(-8000, 8000, (int(seconds * rate), channels)) / 32768
        path = tmp_path / f"noise_{rate}.wav"
        soundfile.write(path, sound, rate, subtype="PCM_16")
        return path, sound.astype(np.float32)

    return make


def capture_until(source, wanted, timeout_s=20.0):
    """Read blocks until ``wanted`` samples came, counted from the first that is not silence."""
    blocks, heard, deadline = [], 0, time.monotonic() + timeout_s
    while heard < wanted:
        assert time.monotonic() < deadline, f"only {heard} of {wanted} samples came"
        block = source.read(0.5)
        if block is None:
            continue
        sounding = np.nonzero(block.samples.any(axis=1))[0]
        if heard or len(sounding):
            heard += len(block.samples) - (0 if heard else sounding[0])
            blocks.append(block)
    return blocks


def find(sound, captured):
    """Where ``sound`` begins in ``captured``: the first place where its first samples stand."""
    head = sound[:64]
    starts = np.nonzero(np.abs(captured[: -len(head)] - head[0]).max(axis=1) < 1e-3)[0]
    for at in starts:
        if np.abs(captured[at : at + len(head)] - head).max() < 1e-3:
            return int(at)
    raise AssertionError("what was played is not in what was captured")


def snr_db(sound, captured):
    error = np.sum((captured.astype(np.float64) - sound) ** 2)
    return 10 * np.log10(np.sum(sound.astype(np.float64) ** 2) / max(error, 1e-30))


@needs("pulseaudio", "paplay")
@pytest.mark.parametrize("rate", [48000, 44100, 22050])
def test_pulse_captured_samples_equal_the_played_ones(pulse, played, monkeypatch, rate):
    monkeypatch.setenv("PULSE_SOURCE", f"{pulse.sinks[rate]}.monitor")
    path, sound = played(rate)
    with closing(DeviceSource("mic", "pulse", sample_rate=rate)) as source:
        source.start()
        info = source.wait_ready(OPENING_S)
        assert (info.sample_rate, info.channels, info.live, info.description) == (rate, 2, True, "ALSA: pulse")
        with pulse.play(path, rate) as player:
            blocks = capture_until(source, len(sound))
            player.wait(10)
    captured = np.concatenate([b.samples for b in blocks])
    at = find(sound, captured)
    assert snr_db(sound, captured[at : at + len(sound)]) > 120
    assert sum(b.gap_samples for b in blocks) == source.stats.gap_samples == 0
    assert source.stats.dropped_samples == source.stats.capture_restarts == 0


@needs("jackd", "jack_lsp")
def test_jack_captured_samples_are_bit_exact(tmp_path, played):
    pytest.importorskip("jack")
    path, sound = played(48000)
    with (
        JackServer(tmp_path / "jack", sync=True) as server,
        server.environment(),
        closing(DeviceSource("line", "player")) as source,
        server.player(path, "player") as play,  # it leaves first: the source kills its client
    ):
        source.start()
        assert source.wait_ready(OPENING_S).description == "JACK Audio Connection Kit: player"
        assert source.read(5.0) is not None
        play()
        blocks = capture_until(source, len(sound))
    captured = np.concatenate([b.samples for b in blocks])
    at = find(sound, captured)
    np.testing.assert_array_equal(captured[at : at + len(sound)], sound)


@needs("pulseaudio")
def test_capture_time_advances_with_the_samples_and_never_lies_ahead(pulse):  # noqa: ARG001 - it must run
    with closing(DeviceSource("mic", "pulse", sample_rate=48000)) as source:
        source.start()
        source.wait_ready(OPENING_S)
        blocks, ahead = [], []
        while len(blocks) < 150:
            block = source.read(5.0)
            blocks.append(block)
            ahead.append(block.t_last_ns - time.monotonic_ns())
    assert max(ahead) <= 0
    settled = blocks[75:]
    steps = np.diff([b.t_last_ns for b in settled]) / 1e9
    assert steps.sum() == pytest.approx(sum(len(b.samples) for b in settled[1:]) / 48000, rel=0.01)
    assert {len(b.samples) % 512 for b in blocks} == {0}  # whole callbacks, joined where they came together


@needs("pulseaudio")
def test_channels_are_what_was_asked_for(pulse):  # noqa: ARG001 - it must run
    with closing(DeviceSource("mic", "ALSA: pulse", sample_rate=44100, channels=1)) as source:
        source.start()
        assert source.wait_ready(OPENING_S).channels == 1
        assert source.read(5.0).samples.shape[1] == 1


@needs("pulseaudio")
def test_a_slow_reader_loses_blocks_and_each_is_counted(pulse):  # noqa: ARG001 - it must run
    with closing(DeviceSource("mic", "pulse", sample_rate=48000, channels=1, capacity=9600)) as source:
        source.start()
        source.wait_ready(OPENING_S)
        first = source.read(5.0)
        time.sleep(1.0)
        blocks = [first]
        while (block := source.read(0.0)) is not None or len(blocks) < 40:
            if block is None:
                block = source.read(5.0)
            blocks.append(block)
    gap = sum(b.gap_samples for b in blocks)
    assert gap == source.stats.gap_samples >= source.stats.dropped_samples
    assert source.stats.dropped_samples >= 0.5 * 48000
    span_s = (blocks[-1].t_last_ns - first.t_last_ns) / 1e9
    delivered = sum(len(b.samples) for b in blocks[1:])
    assert delivered + gap == pytest.approx(span_s * 48000, abs=0.1 * 48000)


@needs("pulseaudio", "jackd")
def test_devices_are_listed_and_named(pulse, jack_server):  # noqa: ARG001 - they must run
    devices = list_devices(10.0)
    names = {d.full_name for d in devices}
    assert {"ALSA: pulse", "JACK Audio Connection Kit: system"} <= names
    assert sum(d.is_default for d in devices) == 1
    assert all(d.max_input_channels > 0 and d.default_samplerate > 0 for d in devices)


@needs("pulseaudio", "jackd")
@pytest.mark.parametrize(
    ("device", "options", "message", "remedy"),
    [
        ("ALSA: puls", {"channels": 99}, "does not give 99 channels", "1 to 32"),
        ("JACK Audio Connection Kit: system", {"sample_rate": 44100}, "does not take 44100 Hz", "48000 Hz"),
        ("sy stem", {}, "no input device 'sy stem'; did you mean system", "rtgenre devices"),
        ("s", {}, "'s' means [2-9] input devices: .*'ALSA: pulse'", "in full"),
    ],
)
def test_what_cannot_be_opened_is_one_clear_error(pulse, jack_server, device, options, message, remedy):  # noqa: ARG001
    with closing(DeviceSource("mic", device, **options)) as source:
        source.start()
        with pytest.raises(DeviceError, match=message) as caught:
            source.wait_ready(OPENING_S)
    assert remedy in caught.value.remedy


def test_without_a_sound_system_this_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nobody.sock")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nobody")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    if list_devices(20.0):
        pytest.skip("this machine has a sound card")
    with closing(DeviceSource("mic")) as source:
        source.start()
        with pytest.raises(DeviceError, match="no sound input device"):
            source.wait_ready(OPENING_S)
        with pytest.raises(DeviceError, match="not running"):
            source.wait_ready(0.1)


@pytest.mark.parametrize(
    ("stand_in", "message", "remedy"),
    [
        ("raise OSError('PortAudio library not found')", "PortAudio cannot be loaded", "apt install libportaudio2"),
        ("raise ImportError('none')", "sounddevice cannot be imported", "pip install"),
        ("import time; time.sleep(60)", "did not list its devices in 1 s", "restart the sound server"),
        ("import os; print('boom', file=__import__('sys').stderr); os.abort()", "exit status -6: boom", ""),
    ],
)
def test_a_broken_portaudio_is_one_clear_error(monkeypatch, tmp_path, stand_in, message, remedy):
    # Stands in for sounddevice, because the machine that runs this has a PortAudio that works.
    (tmp_path / "sounddevice.py").write_text(stand_in)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(DeviceError, match=message) as caught:
        list_devices(1.0 if "sleep" in stand_in else OPENING_S)
    assert remedy in caught.value.remedy
    with closing(DeviceSource("mic")) as source:
        source.start()
        with pytest.raises(DeviceError, match=message if "list" not in message else "took more than 1 s"):
            source.wait_ready(1.0 if "sleep" in stand_in else OPENING_S)
