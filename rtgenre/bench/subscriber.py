"""Another process that notes when each hop arrives. ``python -m rtgenre.bench.subscriber ADDRESS HOPS``."""

from __future__ import annotations

import sys
import time

import msgspec

from rtgenre.client import Subscriber
from rtgenre.outputs import wire

PATIENCE_S = 5.0


def main() -> None:
    """Print one JSON object: for each hop (seq, t_audio_ns, t_received_ns), and what was missed."""
    address, hops = sys.argv[1], int(sys.argv[2])
    rows: list[tuple[int, int, int]] = []
    with Subscriber(address, topics=[wire.topic("bench", "posterior")], recover=False) as feed:
        print("ready", flush=True)
        while len(rows) < hops:
            received = feed.receive(PATIENCE_S)
            t_received_ns = time.monotonic_ns()
            if received is None:
                break
            if isinstance(received.message, wire.PosteriorMessage):
                rows.append((received.seq, received.message.t_audio_ns, t_received_ns))
        answer = {"rows": rows, "missed": feed.missed}
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")


if __name__ == "__main__":
    main()
