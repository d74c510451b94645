"""What a start costs, and what a running daemon takes: the real command, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

RUN = [sys.executable, "-m", "rtgenre", "run", "--source", "demo", "--no-feed"]


def first_posterior_s() -> float:
    """Seconds from the start of the process to its first posterior on stdout (warm: run it twice)."""
    start = time.perf_counter()
    with subprocess.Popen(RUN, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as daemon:
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

    Returns:
        ``cpu_percent`` of one core and ``resident_mb``.
    """
    if not Path("/proc/self/stat").exists():
        return None
    with subprocess.Popen(RUN, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as daemon:
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


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6
