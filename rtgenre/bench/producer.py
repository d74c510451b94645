"""Stands in for the capture child: fills the ring with the demo's medley at an exact pace; see ``end_to_end``."""

from __future__ import annotations

import argparse
import time

from rtgenre.audio.bell import Ringer
from rtgenre.audio.ring import BYTES_PER_SAMPLE, ChildState, RingWriter
from rtgenre.bench.music import music


def main() -> None:
    """Write one window, then a hop at a time, each block completing exactly one hop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ring", required=True)
    parser.add_argument("--bell", type=int, default=-1)
    parser.add_argument("--rate", type=int, required=True, help="Hz")
    parser.add_argument("--window", type=int, required=True, help="samples of the first block")
    parser.add_argument("--hop", type=int, required=True, help="samples of every other block")
    parser.add_argument("--blocks", type=int, required=True)
    parser.add_argument("--pace", type=float, required=True, help="times real time")
    asked = parser.parse_args()
    ring, ringer = RingWriter(asked.ring), Ringer(asked.bell)
    ring.set_format(asked.rate, 1)
    left = memoryview(music(asked.window + asked.hop * (asked.blocks - 1), asked.rate).tobytes())
    ring.tell(ChildState.RUNNING, "the demo's medley at an exact pace")
    period_ns = round(asked.hop / asked.rate / asked.pace * 1e9)
    due_ns = time.monotonic_ns() + period_ns
    for block in range(asked.blocks):
        while (wait_ns := due_ns - time.monotonic_ns()) > 0:
            time.sleep(wait_ns / 1e9)
        n_samples = asked.window if block == 0 else asked.hop
        n_bytes = n_samples * BYTES_PER_SAMPLE
        ring.write(left[:n_bytes], n_samples, 0, time.monotonic_ns())
        left = left[n_bytes:]
        ringer.ring()
        due_ns += period_ns
    time.sleep(1.0)  # the reader sees the end of the pipe when we leave; let it read first
    ring.close()


if __name__ == "__main__":
    main()
