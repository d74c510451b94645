"""Commands other than the daemon: what needs a process of its own has one, the rest runs in this one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtgenre import config
from rtgenre.errors import nearest, printable
from tests import signals
from tests.in_process import here
from tests.test_daemon import RTGENRE, TIMEOUT_S, environment, free_ports, one_error, rtgenre, wav

pytestmark = pytest.mark.real
COMMANDS = ["run", "watch", "tag", "devices", "monitor", "doctor", "bench", "train", "eval", "config"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches(command: str) -> None:
    done = here(command, "--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 5


def test_without_a_command_it_teaches_and_is_a_usage_error() -> None:
    done = rtgenre()
    assert done.returncode == 2
    assert all(command in done.stderr.decode() for command in COMMANDS)
    assert rtgenre("--version").stdout.startswith(b"rtgenre ")


def test_config_show_is_a_config(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(rtgenre("config", "show", RTGENRE_POSTERIOR__MARGIN="0.25").stdout)
    assert config.load(path, environ={}).settings.posterior.margin == 0.25
    shown = here("config", "show", "--origin", RTGENRE_POSTERIOR__MARGIN="0.25").stdout.decode()
    assert "margin = 0.25  # $RTGENRE_POSTERIOR__MARGIN" in shown
    assert here("config", "check", "--config", str(path)).returncode == 0
    assert json.loads(here("config", "schema").stdout)["$defs"]


def test_no_device_is_said() -> None:
    one_error(rtgenre("devices"), 69, "no input device", "doctor")


def test_the_doctor_names_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    done = rtgenre("doctor", "--json")
    findings = {f["check"]: f for f in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0
    assert findings["sound input"]["verdict"] == "warning"
    assert findings["model"]["verdict"] == "ok"
    assert all(f["remedy"] for f in findings.values() if f["verdict"] != "ok")
    broken = tmp_path / "broken.toml"
    broken.write_text("[model]\npath = 'none'\n[feed]\npublish = 'tcp://0.0.0.0:1'\n")
    done = rtgenre("doctor", "--json", "--config", str(broken))
    failed = {f["check"] for f in map(json.loads, done.stdout.splitlines()) if f["verdict"] == "failure"}
    assert failed == {"model", "ports"}
    assert done.returncode == 78


def test_the_monitor_measures_levels(tmp_path: Path) -> None:
    stereo = np.stack([signals.tone(22050 * 2, level=0.5), np.zeros(22050 * 2, np.float32)], axis=1)
    path = wav(tmp_path / "stereo.wav", stereo)
    done = rtgenre("monitor", "--source", f"file:{path}", "--json", "--seconds", "1.2")
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) >= 8
    assert lines[3]["rms_dbfs"][0] == pytest.approx(-6.0, abs=0.2)  # a sine of half scale, AES17
    assert lines[3]["peak_dbfs"][0] == pytest.approx(-6.0, abs=0.2)
    assert lines[3]["rms_dbfs"][1] <= -90


def test_tag_draws_the_posterior(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", signals.music(22050 * 6))
    for suffix in ("png", "svg"):
        out = tmp_path / f"x.{suffix}"
        done = rtgenre("tag", str(path), "--plot", str(out))
        assert done.returncode == 0, done.stderr
        assert out.stat().st_size > 5000
    one_error(here("tag", str(path), "--plot", str(tmp_path / "x.doc")), 2, "x.doc", ".png")
    one_error(here("tag", str(path), "--plot", str(tmp_path / "none" / "x.png")), 2, "no folder")


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    good = wav(tmp_path / "good.wav", signals.music(22050 * 3))
    short = wav(tmp_path / "short.wav", signals.music(500))
    done = rtgenre("tag", str(tmp_path), str(short), str(good), "--json")
    told = done.stderr.decode()
    assert done.returncode == 69
    assert told.count("error:") == 2
    assert "folder" in told
    assert "too short" in told
    assert {json.loads(line)["source"] for line in done.stdout.splitlines()} == {str(good)}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows file names are Unicode")
def test_file_names_may_be_anything(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    names = [b"na\xffme.wav", b"[bold]x.wav", b"esc\x1b[31m.wav", "Füße – 音楽.wav".encode()]
    for name in names:
        with Path(os.fsdecode(folder + b"/" + name)).open("wb") as stream:
            soundfile.write(stream, signals.music(22050 * 3), 22050, format="WAV")
    paths = [os.fsdecode(folder + b"/" + name) for name in names]
    done = rtgenre("tag", *paths, "--json")
    assert done.returncode == 0, done.stderr
    assert len({json.loads(line)["source"] for line in done.stdout.splitlines()}) == len(names)
    missing = rtgenre("tag", paths[2] + "x")
    one_error(missing, 69, "x1b")
    assert b"\x1b" not in missing.stderr


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes on this system")
    fifo = tmp_path / "fifo.wav"
    os.mkfifo(fifo)
    one_error(rtgenre("tag", str(fifo)), 69, "pipe", "stdin")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("arguments", [["config", "show"], ["tag", "FILE", "--json"]])
def test_a_full_disk_is_one_clear_error(tmp_path: Path, arguments: list[str]) -> None:
    path = wav(tmp_path / "x.wav", signals.music(22050 * 3))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*RTGENRE, *(str(path) if a == "FILE" else a for a in arguments)],
            stdout=full, stderr=subprocess.PIPE, timeout=TIMEOUT_S, env=environment(), check=False,
        )  # fmt: skip
    assert done.returncode == 69
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_watch_in_a_pipe_prints_lines_and_waits_for_a_daemon() -> None:
    addresses = free_ports()
    with subprocess.Popen(
        [*RTGENRE, "watch", addresses[1], "--control", addresses[3]], stdout=subprocess.PIPE, env=environment()
    ) as watcher:
        with subprocess.Popen(
            [*RTGENRE, "run", *addresses, "--source", "demo", "--quiet"], stderr=subprocess.DEVNULL, env=environment()
        ) as running:
            assert watcher.stdout is not None
            lines = [json.loads(watcher.stdout.readline()) for _ in range(5)]
            running.terminate()
        watcher.terminate()
    assert {"session", "kind"} <= set(lines[0])


def test_choices_are_named() -> None:
    one_error(here("run", "--device", "gpu"), 2, "auto, cpu, torch, cuda")
    assert nearest("devcie", ["device", "file"]) == "did you mean device?"
    assert nearest("xyz", ["device"]) == "known: device"
    assert printable("a\x1bb\udcff\nc") == "a\\x1bb\\udcff\nc"
