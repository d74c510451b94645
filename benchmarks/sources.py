"""What several sources cost: CPU and memory of a daemon and its capture children, live from a private PulseAudio.

Writes one JSON line for each arrangement: one device, one device with two decks, two devices, four devices. All of
them hear the same synthesised medley. Needs pulseaudio, paplay and psutil.

    python benchmarks/sources.py [--seconds N] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1]))
from rtgenre.audio.synth import medley
from rtgenre.client import Subscriber
from rtgenre.outputs import wire
from tests.test_daemon import environment, free_ports
from tests.virtual import PulseServer

RATE = 48000
WARM_S = 8.0
QUAD = "front-left,front-right,rear-left,rear-right"
SINKS = ("one", "two", "three", "four")
ARRANGEMENTS = {
    "one device": ["one=pulse:one.monitor"],
    "one device, two decks": ["a@1,2=pulse:mixer.monitor", "b@3,4=pulse:mixer.monitor"],
    "two devices": ["one=pulse:one.monitor", "two=pulse:two.monitor"],
    "four devices": [f"{name}=pulse:{name}.monitor" for name in SINKS],
}


def write_music(folder: Path, seconds: float) -> tuple[Path, Path]:
    """A stereo file and one of four channels."""
    parts, n = [], 0
    for passage in medley(0, RATE):
        parts.append(passage.samples)
        n += len(passage.samples)
        if n > seconds * RATE:
            break
    mono = np.concatenate(parts)[:, None] * np.float32(0.7)
    paths = folder / "two.wav", folder / "four.wav"
    for path, channels in zip(paths, (2, 4), strict=True):
        soundfile.write(path, np.repeat(mono, channels, axis=1), RATE, subtype="PCM_16")
    return paths


def cpu_s(processes: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def measure(what: str, sources: list[str], seconds: float, env: dict[str, str]) -> dict[str, object]:
    addresses = free_ports()
    asked = [word for source in sources for word in ("--source", source)]
    command = [sys.executable, "-m", "rtgenre", "run", *addresses, *asked, "--quiet"]
    with (
        subprocess.Popen(command, env=environment(**env), stderr=subprocess.DEVNULL) as daemon,
        Subscriber(addresses[1], addresses[3]) as feed,
    ):
        until, total_ms, states = time.monotonic() + 60.0, [], set()
        while feed.receive(0.2) is None and time.monotonic() < until:
            pass
        until = time.monotonic() + WARM_S
        while (left_s := until - time.monotonic()) > 0:
            feed.receive(left_s)
        root = psutil.Process(daemon.pid)
        children = [child for child in root.children() if "rtgenre.audio.device" in child.cmdline()]
        before, t_begin = (cpu_s([root]), cpu_s(children)), time.monotonic()
        while (left_s := t_begin + seconds - time.monotonic()) > 0:
            received = feed.receive(left_s)
            if received is not None and isinstance(received.message, wire.PosteriorMessage):
                total_ms.append(received.message.latency_ms.total)
                states.add(received.message.state)
        spent_s = time.monotonic() - t_begin
        after = cpu_s([root]), cpu_s(children)
        memory = [process.memory_info().rss / 1e6 for process in (root, *children)]
        stats: Any = feed.request("stats")["stats"]
        daemon.terminate()
    reports = stats["sources"].values()
    return {
        "what": what,
        "sources": len(sources),
        "captures": len(children),
        "seconds": round(spent_s, 1),
        "daemon_cpu_percent": round(100 * (after[0] - before[0]) / spent_s, 2),
        "capture_cpu_percent": round(100 * (after[1] - before[1]) / spent_s, 2),
        "daemon_mb": round(memory[0], 1),
        "capture_mb": round(sum(memory[1:]), 1),
        "hops": len(total_ms),
        "p50_ms": round(float(np.percentile(total_ms, 50)), 2),
        "p99_ms": round(float(np.percentile(total_ms, 99)), 2),
        "late_hops": sum(report["late_hops"] for report in reports),
        "gap_samples": sum(report["gap_samples"] for report in reports),
        "states": sorted(states),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--out", type=Path, help="append the JSON lines here")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stereo, four = write_music(folder, asked.seconds + WARM_S + 30.0)
        with PulseServer(folder / "pulse", rates=(RATE,)) as server:
            for sink in SINKS:
                server.pactl("load-module", "module-null-sink", f"sink_name={sink}", f"rate={RATE}", "channels=2")
            quad = ("channels=4", f"channel_map={QUAD}")
            server.pactl("load-module", "module-null-sink", "sink_name=mixer", f"rate={RATE}", *quad)
            for what, sources in ARRANGEMENTS.items():
                players = [server.client("paplay", f"--device={sink}", str(stereo)) for sink in SINKS]
                players.append(server.client("paplay", "--device=mixer", f"--channel-map={QUAD}", str(four)))
                line = json.dumps(measure(what, sources, asked.seconds, server.client_env))
                for player in players:
                    player.kill()
                    player.communicate()
                print(line, flush=True)
                if asked.out is not None:
                    with asked.out.open("a", encoding="utf-8") as out:
                        out.write(line + "\n")


if __name__ == "__main__":
    main()
