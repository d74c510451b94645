"""From the last sample of a hop in the ring to the message in another process: the whole daemon, measured."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from rtgenre.audio.bell import Bell
from rtgenre.audio.ring import ChildState, RingReader
from rtgenre.audio.source import EndOfSource
from rtgenre.engine import Engine
from rtgenre.errors import RtgenreError
from rtgenre.outputs import wire
from rtgenre.outputs.fanout import FanOut
from rtgenre.outputs.zmq_feed import ZmqFeed
from rtgenre.records import Block, SourceInfo, SourceStats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.pipeline import Pipeline

_READY_S = 10.0


class _Answer(msgspec.Struct):
    rows: list[tuple[int, int, int]]
    missed: int


class RingSource:
    """The ring filled by ``producer``, as a ``Source``: the capture path without a sound device.

    Args:
        pipeline: whose framing the blocks follow.
        blocks: how many.
        pace: times real time.
    """

    def __init__(self, pipeline: Pipeline, blocks: int, pace: float) -> None:
        spec = pipeline.frontend.spec
        self.name = "bench"
        self.stats = SourceStats()
        self._info = SourceInfo("bench", "the demo's medley at an exact pace", spec.sample_rate, 1, live=pace == 1.0)
        self._ring = RingReader()
        self._bell = Bell()
        self._left = blocks
        self._command = [
            *(sys.executable, "-m", "rtgenre.bench.producer", f"--ring={self._ring.name}"),
            *(f"--bell={self._bell.fd_for_child}", f"--rate={spec.sample_rate}", f"--window={spec.n_fft}"),
            *(f"--hop={spec.hop}", f"--blocks={blocks}", f"--pace={pace}"),
        ]
        self._producer: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Spawn the producer."""
        bell = self._bell.fd_for_child
        self._producer = subprocess.Popen(self._command, pass_fds=(bell,) if bell >= 0 else ())
        self._bell.forget_child_end()

    def wait_ready(self, timeout_s: float) -> SourceInfo:
        """Wait for the producer.

        Raises:
            RtgenreError: it does not start.
        """
        deadline = time.monotonic() + timeout_s
        while self._ring.state is not ChildState.RUNNING:
            if time.monotonic() > deadline:
                raise RtgenreError("the benchmark's producer did not start", "see the message above")
            time.sleep(0.001)
        self._ring.unlink()
        return self._info

    def read(self, timeout_s: float) -> Block | None:
        """The next block, stamped with its arrival in the ring.

        Raises:
            EndOfSource: all blocks were read.
        """
        if self._left == 0:
            raise EndOfSource
        if not self._ring.has_block:
            self._bell.wait(timeout_s)
        chunk = self._ring.read()
        if chunk is None:
            return None
        self._left -= 1
        self.stats.dropped_samples = self._ring.dropped_frames
        samples = np.frombuffer(chunk.raw, np.float32).reshape(-1, 1)
        return Block(samples, chunk.arrival_ns, chunk.dropped_before)

    def close(self) -> None:
        """End the producer and release the ring."""
        if self._producer is not None:
            self._producer.kill()
            self._producer.wait()
        self._ring.close()
        self._bell.close()


def measure(pipeline: Pipeline, seconds: float, pace: float) -> tuple[NDArray[np.float64], dict[str, int]]:
    """Run ring, engine, feed and a subscriber in another process.

    Args:
        pipeline: warm.
        seconds: how long.
        pace: times real time.

    Returns:
        Microseconds of each hop, from its last sample in the ring to its message received, and what was lost.
    """
    hops = max(20, round(seconds * pipeline.hops_per_s * pace))
    source = RingSource(pipeline, hops, pace)
    feed = ZmqFeed("tcp://127.0.0.1:*", "tcp://127.0.0.1:*", {})
    feed.start()
    subscriber = subprocess.Popen(
        [sys.executable, "-m", "rtgenre.bench.subscriber", feed.publish_address, str(hops)], stdout=subprocess.PIPE
    )
    try:
        _wait_for(subscriber, feed)
        source.start()
        composer = wire.Composer(
            str(uuid.uuid4()),
            "bench",
            wire.ModelId("bench", ""),
            pipeline.runtime.labels,
            pipeline.frontend.spec.sample_rate,
        )
        engine = Engine(source, source.wait_ready(_READY_S), pipeline, (), FanOut(composer, [feed.mailbox]))
        engine.start()
        out, _ = subscriber.communicate(timeout=seconds + 60.0)
        engine.stop()
    finally:
        subscriber.kill()
        subscriber.wait()
        source.close()
        feed.close()
    answer = msgspec.json.decode(out, type=_Answer)
    return np.array([(received - audio) / 1e3 for _, audio, received in answer.rows]), {
        "hops": len(answer.rows),
        "missed_messages": answer.missed + hops - len(answer.rows),
        "dropped_samples": source.stats.dropped_samples,
        "late_hops": engine.stats.late_hops,
        "feed_dropped": feed.dropped,
    }


def _wait_for(subscriber: subprocess.Popen[bytes], feed: ZmqFeed) -> None:
    assert subscriber.stdout is not None  # noqa: S101 - opened as a pipe above
    subscriber.stdout.readline()
    deadline = time.monotonic() + _READY_S
    while not feed.subscribers and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)  # the subscription itself follows the connection
