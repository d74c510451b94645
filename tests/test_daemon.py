"""The daemon as its users meet it: a process of its own, judged by what it prints, sends and returns."""

import itertools
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rtgenre.client import Subscriber
from rtgenre.outputs import wire
from tests import signals
from tests.in_process import environment, here
from tests.outputs.test_wire import VALIDATOR

pytestmark = pytest.mark.real
RTGENRE = [sys.executable, "-m", "rtgenre"]
TIMEOUT_S = 120.0


def rtgenre(*arguments: str, stdin: bytes = b"", **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*RTGENRE, *arguments],
        input=stdin,
        capture_output=True,
        timeout=TIMEOUT_S,
        env=environment(**more),
        check=False,
    )


def free_ports() -> list[str]:
    """--publish and --control on ports that are free now."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in (one, other)]
    return ["--publish", f"tcp://127.0.0.1:{ports[0]}", "--control", f"tcp://127.0.0.1:{ports[1]}"]


@contextmanager
def daemon(
    *arguments: str, stdin: int = subprocess.DEVNULL, **more: str
) -> Iterator[tuple[subprocess.Popen, Subscriber]]:
    addresses = free_ports()
    with (
        subprocess.Popen(
            [*RTGENRE, "run", *addresses, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(**more),
        ) as process,
        Subscriber(addresses[1], addresses[3]) as feed,
    ):
        try:
            yield process, feed
        finally:
            if process.poll() is None:
                process.kill()


def posteriors(feed: Subscriber, n: int) -> list[wire.PosteriorMessage]:
    found: list[wire.PosteriorMessage] = []
    deadline = time.monotonic() + TIMEOUT_S
    while len(found) < n and time.monotonic() < deadline:
        received = feed.receive(1.0)
        if received is not None and isinstance(received.message, wire.PosteriorMessage):
            found.append(received.message)
    assert len(found) == n
    return found


def wait_for(
    feed: Subscriber,
    wanted: Callable[[wire.Message], object],
    timeout_s: float = TIMEOUT_S,
    otherwise: str = "it never came",
) -> Any:
    """The first message that is wanted."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        received = feed.receive(1.0)
        if received is not None and wanted(received.message):
            return received.message
    raise AssertionError(otherwise)


def wav(path: Path, samples: np.ndarray, rate: int = 22050, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def test_in_a_pipe_it_prints_valid_messages_and_the_reader_may_leave() -> None:
    with daemon("--source", "demo") as (process, _):
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(80)]
        process.stdout.close()  # as `head -80` does
        assert process.wait(TIMEOUT_S) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    kinds = []
    for line in lines:
        message = json.loads(line)
        VALIDATOR.validate(message)
        kinds.append(message["kind"])
    assert kinds.count("posterior") >= 60
    assert {"heartbeat", "state"} <= set(kinds)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_under_the_lines_ends_nothing_else() -> None:
    addresses = free_ports()
    with (
        Path("/dev/full").open("wb") as full,
        subprocess.Popen(
            [*RTGENRE, "run", *addresses, "--source", "demo"], stdout=full, stderr=subprocess.PIPE, env=environment()
        ) as process,
        Subscriber(addresses[1], addresses[3]) as feed,
    ):
        try:
            posteriors(feed, 30)
            assert feed.request("stats")["stats"]["outputs"]["lines"]["unsent"] > 30
            process.terminate()
            assert process.wait(TIMEOUT_S) == 0
            assert process.stderr is not None
            told = process.stderr.read()
        finally:
            process.kill()
    assert b"JSON lines end after 0 messages: No space left" in told
    assert b"Traceback" not in told


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_under_the_only_output_ends_the_daemon() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*RTGENRE, "run", "--no-feed", "--source", "demo"],
            stdout=full, stderr=subprocess.PIPE, timeout=TIMEOUT_S, env=environment(), check=False,
        )  # fmt: skip
    assert done.returncode == 69
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_without_a_device_it_says_so_and_plays_the_demo() -> None:
    with daemon() as (process, feed):
        message = posteriors(feed, 1)[0]
        assert message.source == "demo"
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
        assert process.stderr is not None
        told = process.stderr.read().decode()
    assert "no input device" in told
    assert "demo" in told


def test_a_subscriber_in_another_process_gets_every_hop_in_order() -> None:
    with daemon("--source", "demo", "--quiet") as (process, feed):
        got = posteriors(feed, 30)
        process.terminate()
        process.wait(TIMEOUT_S)
    assert [m.seq for m in got] == list(range(got[0].seq, got[0].seq + 30))
    assert [m.hop for m in got] == list(range(got[0].hop, got[0].hop + 30))
    assert feed.missed == 0
    assert all(m.latency_ms.total < 1000 for m in got)
    assert all(
        b.t_audio_ns - a.t_audio_ns == pytest.approx(1920 / 22050 * 1e9, abs=30e6) for a, b in itertools.pairwise(got)
    )


def test_the_example_understands_the_daemon() -> None:
    example = Path(__file__).parents[1] / "examples" / "subscriber.py"
    with daemon("--source", "demo", "--quiet") as (process, feed):
        with subprocess.Popen([sys.executable, str(example), feed.publish], stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            said = other.stdout.readline().split()
            other.kill()
        process.terminate()
        process.wait(TIMEOUT_S)
    assert said[0] == b"demo"
    assert len(said) == 4


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_signals_end_it_cleanly(number: signal.Signals, code: int) -> None:
    with daemon("--source", "demo", "--quiet") as (process, feed):
        posteriors(feed, 1)
        process.send_signal(number)
        assert process.wait(TIMEOUT_S) == code
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_signals_end_it_while_kernels_are_compiled(number: signal.Signals, code: int, tmp_path: Path) -> None:
    compiled, recorded = tmp_path / "compiled", tmp_path / "recorded"
    addresses = ["--publish", f"ipc://{tmp_path}/feed", "--control", f"ipc://{tmp_path}/control"]
    with subprocess.Popen(
        [*RTGENRE, "run", "--source", "demo", "--quiet", *addresses, "--record", str(recorded)],
        stderr=subprocess.PIPE,
        env=environment(NUMBA_CACHE_DIR=str(compiled)),
    ) as process:
        assert process.stderr is not None
        try:
            assert b"compiling" in process.stderr.readline()
            assert (tmp_path / "feed").is_socket()
            process.send_signal(number)
            assert process.wait(TIMEOUT_S) == code
        finally:
            process.kill()
        told = process.stderr.read().decode()
    assert "recorded" in told, "what was open is closed"
    assert not {"Traceback", "ignored"} & set(re.findall(r"\w+", told)), told
    assert list(compiled.rglob("*.compiled")) == [], "it did not wait until everything was compiled"


def test_a_signal_ends_the_wait_for_a_device() -> None:
    """Of a station that takes the connection and says nothing."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/radio.mp3"
        with subprocess.Popen(
            [*RTGENRE, "run", "--source", url, "--quiet", "--no-feed"], stderr=subprocess.PIPE, env=environment()
        ) as process:
            assert process.stderr is not None
            try:
                connection, _ = mute.accept()
                time.sleep(3)
                process.send_signal(signal.SIGINT)
                assert process.wait(TIMEOUT_S) == 130
            finally:
                process.kill()
            assert b"Traceback" not in process.stderr.read()
            connection.close()


def test_requests_reach_the_engine() -> None:
    with daemon("--source", "demo", "--quiet") as (process, feed):
        posteriors(feed, 20)
        hello = feed.request("hello")
        assert hello["sources"] == ["demo"]
        assert len(hello["labels"]) == 10
        assert feed.request("reset demo")["ok"]
        ages = [m.age_s for m in posteriors(feed, 20)]
        assert min(ages) < 0.2
        stats = feed.request("stats")["stats"]
        assert stats["sources"]["demo"]["resets"] == 1
        process.terminate()
        process.wait(TIMEOUT_S)


def test_a_file_as_fast_as_possible_loses_no_line_and_equals_tag(tmp_path: Path) -> None:
    path = wav(tmp_path / "long.wav", np.tile(signals.music(22050 * 24), 10))
    live = rtgenre("run", "--source", f"file:{path}", "--fast", "--no-feed")
    offline = rtgenre("tag", str(path), "--json")
    assert (live.returncode, offline.returncode) == (0, 0)
    one = [json.loads(line) for line in live.stdout.splitlines()]
    one = [m for m in one if m["kind"] == "posterior"]
    other = [json.loads(line) for line in offline.stdout.splitlines()]
    assert [m["seq"] for m in one] == list(range(len(other)))
    assert len(other) == (22050 * 240 - 2048) // 1920 + 1
    for key in ("probs", "state", "top", "time_s", "level_dbfs"):
        assert [m[key] for m in one] == [m[key] for m in other]


def test_raw_pcm_on_stdin_is_the_same_sound(tmp_path: Path) -> None:
    samples = signals.music(22050 * 8)
    path = wav(tmp_path / "x.wav", samples)
    piped = rtgenre(
        "run", "--source", "stdin", "--rate", "22050", "--channels", "1", "--format", "f32le", "--no-feed",
        stdin=samples.astype("<f4").tobytes(),
    )  # fmt: skip
    offline = rtgenre("tag", str(path), "--json")
    one = [m for m in map(json.loads, piped.stdout.splitlines()) if m["kind"] == "posterior"]
    other = [json.loads(line) for line in offline.stdout.splitlines()]
    assert piped.returncode == 0
    assert [m["probs"] for m in one] == [m["probs"] for m in other]


def test_nan_and_clipped_samples_are_counted_and_survived(tmp_path: Path) -> None:
    samples = signals.music(22050 * 6)
    samples[1000:1100] = np.nan
    samples[2000:2003] = np.inf
    samples[3000:3010] = 2.0
    path = wav(tmp_path / "odd.wav", samples)
    done = rtgenre("run", "--source", f"file:{path}", "--fast", "--no-feed")
    assert done.returncode == 0
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    report = [m for m in messages if m["kind"] == "heartbeat"][-1]["sources"]["file"]
    assert report["non_finite_samples"] == 103
    assert report["clipped_samples"] == 10
    assert all(np.isfinite(list(m["probs"].values())).all() for m in messages if m["kind"] == "posterior")


def one_error(done: subprocess.CompletedProcess[bytes], code: int, *words: str) -> None:
    told = done.stderr.decode()
    assert done.returncode == code, told
    assert "Traceback" not in told
    assert told.count("error:") == 1, told
    assert [word for word in words if word not in told] == [], told


def test_errors_of_the_command_line() -> None:
    one_error(rtgenre("run", "--source", "devcie"), 2, "devcie", "did you mean device")
    one_error(here("run", "--source", "stdin"), 2, "--rate", "--channels")
    done = here("run", "--sorce", "demo")
    assert done.returncode == 2
    assert b"--source" in done.stderr


def test_an_unknown_device_lists_near_names_or_says_that_there_is_none() -> None:
    one_error(rtgenre("run", "--no-feed", "--source", "device:Nonsuch"), 69, "input device", "rtgenre devices")


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, ["missing.wav"]), (b"", ["empty"]), (b"no sound at all, just words" * 9, ["sound"]), (b"RIFF", [])],
)
def test_a_file_that_is_no_sound(tmp_path: Path, content: bytes | None, words: list[str]) -> None:
    path = tmp_path / "missing.wav"
    if content is not None:
        path.write_bytes(content)
    one_error(here("tag", str(path)), 69, str(path), *words)
    one_error(rtgenre("run", "--no-feed", "--source", f"file:{path}"), 69, str(path), *words)


def test_a_truncated_file_says_how_much_there_was_and_loses_nothing_of_it(tmp_path: Path) -> None:
    path = wav(tmp_path / "cut.wav", signals.music(22050 * 10), subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: 44 + 2 * 22050 * 4])
    done = rtgenre("tag", str(path), "--json")
    one_error(done, 69, "cut.wav", "truncated")
    assert len(done.stdout.splitlines()) == (22050 * 4 - 2048) // 1920 + 1


def test_settings_and_models_that_are_wrong(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[posterior]\nmargn = 0.2\n")
    one_error(rtgenre("run", "--config", str(config)), 78, "margn", "did you mean margin")
    one_error(here("run", "--no-feed", "--source", "demo", RTGENRE_POSTERIOR__MARGIN="7"), 78, "posterior.margin", "7")
    one_error(here("run", "--no-feed", "--source", "demo", "--model", "gtzan-lsmt"), 78, "gtzan-lstm")
    one_error(here("run", "--no-feed", "--source", "demo", "--model", str(tmp_path)), 78, str(tmp_path))
    one_error(here("run", "--source", "demo", "--publish", "tcp://0.0.0.0:5999"), 78, "other machines")


def test_a_port_in_use() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        address = f"tcp://127.0.0.1:{holder.getsockname()[1]}"
        one_error(rtgenre("run", "--source", "demo", "--publish", address), 69, address, "in use", "--publish")


def test_the_cpu_path_imports_no_torch() -> None:
    code = (
        "import sys; from rtgenre import app, config; s = config.Settings();"
        "app.open_pipeline(s, app.load_checkpoint(s.model)); import rtgenre.daemon, rtgenre.engine;"
        "sys.exit('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], timeout=TIMEOUT_S, check=False, env=environment()).returncode == 0
    )


def test_the_daemon_stays_small() -> None:
    psutil = pytest.importorskip("psutil")
    with daemon("--source", "demo", "--quiet") as (process, feed):
        posteriors(feed, 40)
        resident = psutil.Process(process.pid).memory_info().rss
        process.terminate()
        process.wait(TIMEOUT_S)
    assert resident <= 250e6
