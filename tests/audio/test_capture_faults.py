"""Everything that breaks under a running capture: it comes back, and what was lost is counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest

from rtgenre.audio.capture import DeviceSource, list_devices
from rtgenre.errors import DeviceError
from tests.virtual import OPENING_S, SHARED_MEMORY, JackServer, PulseServer, needs

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("nothing_left"), needs("pulseaudio", "pactl")]

RATE = 48000

_DAEMON = """
import sys, time
from rtgenre.audio.capture import DeviceSource
source = DeviceSource("mic", "pulse", sample_rate=48000)
source.start()
source.wait_ready(30.0)
assert source.read(5.0) is not None
print(source._child.pid, flush=True)
while True:
    source.read(1.0)
"""


@pytest.fixture
def server(tmp_path):
    with PulseServer(tmp_path / "pulse", rates=(RATE,)) as server, server.environment():
        yield server


@contextmanager
def running(device="pulse", **options):
    """Give a source that has delivered sound."""
    with closing(DeviceSource("mic", device, sample_rate=RATE, **options)) as source:
        source.start()
        source.wait_ready(OPENING_S)
        assert source.read(5.0) is not None
        yield source


def read_for(source, seconds):
    """Read for a while; no single read may take longer than it was given."""
    blocks, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        block = source.read(0.2)
        assert time.monotonic() - began < 3.0, "read hangs"
        if block is not None:
            blocks.append(block)
    return blocks


def read_until(source, condition, timeout_s=20.0):
    blocks, end = [], time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"in vain: {source.stats}"
        blocks += read_for(source, 0.1)
    return blocks


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def assert_time_is_whole(blocks, tolerance_s=0.25):
    """Samples delivered and samples told to be lost add up to the time that passed."""
    told = sum(len(b.samples) + b.gap_samples for b in blocks[1:])
    passed_s = (blocks[-1].t_last_ns - blocks[0].t_last_ns) / 1e9
    assert told / RATE == pytest.approx(passed_s, abs=tolerance_s)


def test_server_killed_and_back(server):
    with running() as source:
        blocks = read_for(source, 0.5)
        server.kill()
        blocks += read_for(source, 1.5)
        assert "no sound" in source.stats.notice
        assert source.stats.capture_restarts == 0
        server.start()
        blocks += read_until(source, lambda: source.stats.capture_restarts)
        blocks += read_for(source, 0.5)
        assert source.stats.capture_restarts == 1
        assert source.stats.notice.startswith("capture restarted after")
        assert source.stats.gap_samples == sum(b.gap_samples for b in blocks) > 1.0 * RATE
        assert_time_is_whole(blocks)


def test_server_frozen_the_child_is_killed_and_nobody_hangs(server):
    with running() as source:
        pid = source._child.pid
        blocks = read_for(source, 0.5)
        server.freeze()
        try:
            blocks += read_for(source, 2.5)
            assert not is_alive(pid)
            assert "stopped delivering" in source.stats.notice
            began = time.monotonic()
        finally:
            server.thaw()
        blocks += read_until(source, lambda: source.stats.capture_restarts)
        assert time.monotonic() - began < 8.0
        assert source.stats.gap_samples > 1.0 * RATE
        assert_time_is_whole(blocks)


def test_closing_while_the_server_is_frozen_does_not_hang(server):
    with running() as source:
        pid = source._child.pid
        server.freeze()
        began = time.monotonic()
        source.close()
        assert time.monotonic() - began < 3.0
        assert not is_alive(pid)
        source.close()
        server.thaw()


def test_a_server_that_hangs_from_the_start_is_said(server):
    server.freeze()
    with closing(DeviceSource("mic", "pulse")) as source:
        source.start()
        with pytest.raises(DeviceError, match="took more than 1 s: the sound system hangs") as caught:
            source.wait_ready(1.0)
    assert "restart the sound server" in caught.value.remedy
    with pytest.raises(DeviceError, match="did not list its devices in 1 s"):
        list_devices(1.0)
    server.thaw()


def test_child_killed(server):  # noqa: ARG001 - it must run
    with running() as source:
        blocks = read_for(source, 0.3)
        os.kill(source._child.pid, signal.SIGKILL)
        blocks += read_until(source, lambda: source.stats.capture_restarts)
        assert "exit status -9" in source.stats.notice
        assert 0 < source.stats.gap_samples < 5 * RATE
        assert_time_is_whole(blocks)


def test_a_suspended_source_is_no_storm_of_restarts_and_resumes(server, monkeypatch):
    spawned = []
    spawn = DeviceSource._spawn
    monkeypatch.setattr(DeviceSource, "_spawn", lambda source: (spawned.append(1), spawn(source)))
    with running() as source:
        server.pactl("suspend-sink", server.sinks[RATE], "1")
        read_for(source, 7.0)
        assert len(spawned) <= 3
        server.pactl("suspend-sink", server.sinks[RATE], "0")
        blocks = read_until(source, lambda: source.stats.capture_restarts)
        assert blocks[-1].samples.shape[1] == 2
        assert source.stats.gap_samples > 3 * RATE


def test_the_last_sink_unloaded_and_loaded_again(server):
    with running() as source:
        server.pactl("unload-module", "module-null-sink")
        read_for(source, 1.5)
        server.pactl(
            "load-module", "module-null-sink", f"sink_name={server.sinks[RATE]}", f"rate={RATE}", "norewinds=1"
        )
        read_until(source, lambda: source.stats.capture_restarts)
        assert read_for(source, 0.3)


def test_exact_zeros_reopen_the_device_less_and_less_often(server):  # noqa: ARG001 - it must run
    with running(zeros_restart_s=0.5) as source:  # nothing is played: a null sink's monitor gives zeros
        read_until(source, lambda: source.stats.capture_restarts >= 2)
        assert "exact zeros" in source.stats.notice
        assert source._zeros_patience_s == 2.0
        read_for(source, 1.0)
        assert source.stats.capture_restarts == 2


def test_exact_zeros_are_let_be_when_asked(server):  # noqa: ARG001 - it must run
    with running(zeros_restart_s=0.0) as source:
        read_for(source, 1.0)
        assert source.stats.capture_restarts == 0


def test_a_killed_daemon_leaves_neither_child_nor_shared_memory(server):  # noqa: ARG001 - it must run
    before = set(SHARED_MEMORY.glob("rtgenre_*"))
    with subprocess.Popen([sys.executable, "-c", _DAEMON], stdout=subprocess.PIPE, text=True) as daemon:
        child_pid = int(daemon.stdout.readline())
        assert is_alive(child_pid)
        daemon.kill()
    deadline = time.monotonic() + 5.0
    while is_alive(child_pid) and not _is_zombie(child_pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(child_pid) or _is_zombie(child_pid)  # a zombie waits for init, not for us
    assert set(SHARED_MEMORY.glob("rtgenre_*")) <= before


def _is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - one read
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


@needs("jackd", "jack_lsp")
def test_jack_server_killed_and_back(tmp_path):
    with JackServer(tmp_path / "jack", rate=RATE) as jack, jack.environment(), running("system") as source:
        blocks = read_for(source, 0.5)
        jack.kill()
        blocks += read_for(source, 1.5)
        jack.start()
        blocks += read_until(source, lambda: source.stats.capture_restarts)
        blocks += read_for(source, 0.3)
        assert source.stats.gap_samples > RATE
        assert_time_is_whole(blocks)
