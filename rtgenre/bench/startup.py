"""What a start costs, and what a running daemon takes: the real command, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from rtgenre.bench.music import music

_DAEMON = [sys.executable, "-m", "rtgenre", "run", "--no-feed"]
_RATE = 44_100


def first_posterior_s() -> float:
    """Seconds from the start of the process to its first posterior on stdout (warm: run it twice)."""
    start = time.perf_counter()
    command = [*_DAEMON, "--source", "demo"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as daemon:
        assert daemon.stdout is not None  # noqa: S101 - opened as a pipe above
        try:
            for line in daemon.stdout:
                if b'"kind":"posterior"' in line:
                    break
            return time.perf_counter() - start
        finally:
            daemon.kill()


def steady_use(seconds: float) -> dict[str, float] | None:
    """CPU and memory of a daemon in real time, start-up left out; None where the system does not tell (not Linux).

    It plays a file of the demo's medley at the pace of the clock, 44.1 kHz stereo, and prints JSON lines.

    Returns:
        ``cpu_percent`` of one core and ``resident_mb``.
    """
    if not Path("/proc/self/stat").exists():
        return None
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            _play(Path(folder) / "medley.wav", seconds + 10.0),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        ) as daemon,
    ):
        assert daemon.stdout is not None  # noqa: S101 - opened as a pipe above
        try:
            # Somebody must read, or the pipe fills: the daemon itself paces this loop.
            t_start, cpu_start = None, 0.0
            for line in daemon.stdout:
                if b'"kind":"posterior"' not in line:
                    continue
                now = time.perf_counter()
                if t_start is None:
                    t_start, cpu_start = now, _cpu_s(daemon.pid)
                elif now - t_start >= seconds:
                    used = _cpu_s(daemon.pid) - cpu_start
                    return {"cpu_percent": 100 * used / (now - t_start), "resident_mb": _resident_mb(daemon.pid)}
        finally:
            daemon.kill()
    return None


def _play(path: Path, seconds: float) -> list[str]:
    medley = music(round(seconds * _RATE), _RATE)
    soundfile.write(path, np.stack((medley, medley), axis=1), _RATE)
    return [*_DAEMON, "--source", f"file:{path}"]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6
