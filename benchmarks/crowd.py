"""Five subscribers of one feed, each a process of its own, as a benchmark and a test need them.

Slow: reads a hundred messages and then nothing until it is told to go on. Late: joins when it is told to. Reconnecting:
cuts its own connection again and again. CURVE: with a key, at an address of its own. Node: another language, with
the examples' ``zeromq`` package. Each notes the number of every message of one topic, and says at the end what it
got and what it knows to have lost.

    python crowd.py ROLE TOPIC LAST PUBLISH CONTROL [SERVER_KEY KEY_FILE]
"""

from __future__ import annotations

import itertools
import json
import shutil
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import zmq

from rtgenre.client import Subscriber

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__)
NODE_PACKAGE = HERE.parents[1] / "examples" / "node_modules" / "zeromq"
NODE_SCRIPT = HERE.with_name("crowd.mjs")
PATIENCE_S = 20.0
BEFORE_STALLING = 100


@dataclass(frozen=True, slots=True)
class Told:
    """What a subscriber says at the end.

    Attributes:
        numbers: of the messages that it got, in order of arrival.
        missed: how many it knows to have lost.
    """

    numbers: list[int]
    missed: int

    @property
    def is_whole(self) -> bool:
        """True where nothing is missing from the first message to the last."""
        return self.missed == 0 and self.numbers == list(range(self.numbers[0], self.numbers[-1] + 1))


class Member:
    """One subscriber, in its process.

    Args:
        role: slow, late, reconnecting, curve or node.
        where: topic, number of the last message, address of the feed, of the control port, and keys if need be.
    """

    def __init__(self, role: str, where: Sequence[str]) -> None:
        command = ["node", str(NODE_SCRIPT), *where] if role == "node" else [sys.executable, str(HERE), role, *where]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def wait_joined(self) -> None:
        """Until its first message has come."""
        if self._process.stdout is None or not self._process.stdout.readline():
            raise RuntimeError("a subscriber ended before it got anything")

    def go_on(self) -> None:
        """Let a slow one read again, or a late one join."""
        if self._process.stdin is not None:
            self._process.stdin.write(b"go on\n")
            self._process.stdin.flush()

    def told(self, timeout_s: float = 60.0) -> Told:
        """Wait for what it has to say."""
        out, _ = self._process.communicate(timeout=timeout_s)
        return Told(**json.loads(out.splitlines()[-1]))

    def end(self) -> None:
        """Whatever it does."""
        self._process.kill()
        self._process.wait()


def node_is_there() -> bool:
    """Node.js, and the package that the example names."""
    return shutil.which("node") is not None and NODE_PACKAGE.exists()


def main() -> None:
    role, topic, last, publish, control, *keys = sys.argv[1:]
    if role == "slow":
        numbers, missed = stall(topic, int(last), publish)
    else:
        numbers, missed = listen(role, topic, int(last), publish, control, keys)
    print(json.dumps({"numbers": numbers, "missed": missed}))


def stall(topic: str, last: int, publish: str) -> tuple[list[int], int]:
    """Read some, stop reading until a line comes on stdin, read the rest; with a short queue, and nothing fetched."""
    numbers: list[int] = []
    with zmq.Context() as context, context.socket(zmq.SUB) as feed:
        # The system's own buffer: where it is smaller than the loopback's largest packet, TCP may wait for minutes.
        feed.linger, feed.rcvhwm = 0, 10
        feed.subscribe(topic)
        feed.connect(publish)
        while (not numbers or numbers[-1] < last) and feed.poll(PATIENCE_S * 1000):
            (number,) = struct.unpack("<Q", feed.recv_multipart()[2])
            if numbers and number <= numbers[-1]:
                continue
            numbers.append(number)
            if len(numbers) == 1:
                print("joined", flush=True)
            if len(numbers) == BEFORE_STALLING:
                sys.stdin.readline()
    return numbers, sum(b - a - 1 for a, b in itertools.pairwise(numbers))


def listen(role: str, topic: str, last: int, publish: str, control: str, keys: Sequence[str]) -> tuple[list[int], int]:
    """Read all, with our own client."""
    numbers: list[int] = []
    if role == "late":
        sys.stdin.readline()
    server_key, key = (keys[0], Path(keys[1])) if keys else (None, None)
    with Subscriber(publish, control, [topic], server_key=server_key, key=key) as feed:
        numbers += [received.seq for received in feed.join(PATIENCE_S)]
        print("joined", flush=True)
        next_cut = time.monotonic() + 0.5
        while not numbers or numbers[-1] < last:
            received = feed.receive(PATIENCE_S)
            if received is None:
                break
            numbers.append(received.seq)
            if role == "reconnecting" and time.monotonic() > next_cut:
                feed._socket.disconnect(publish)  # noqa: SLF001 - a cut network
                time.sleep(0.1)
                feed._socket.connect(publish)  # noqa: SLF001
                next_cut = time.monotonic() + 1.0
        return numbers, feed.missed


if __name__ == "__main__":
    main()
