"""The benchmark measures; these tests see that it measures everything, and never how fast."""

import subprocess
import sys

import numpy as np
import pytest

from rtgenre.audio.ring import RingReader
from rtgenre.bench import end_to_end, stages
from rtgenre.frontend.stream import Frontend
from rtgenre.model.runtime import open_runtime
from rtgenre.pipeline import Pipeline
from rtgenre.posterior.calibration import Calibration
from rtgenre.posterior.decision import PolicySettings
from tests.model.small import checkpoint

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    model = checkpoint()
    pipeline = Pipeline(Frontend(model.spec), open_runtime(model, "cpu"), Calibration.of(model), PolicySettings())
    pipeline.warm()
    return pipeline


def test_every_hop_goes_from_the_ring_to_another_process(pipeline: Pipeline) -> None:
    latency_us, counts = end_to_end.measure(pipeline, seconds=1.0, pace=10.0)
    assert len(latency_us) == counts["hops"] == round(pipeline.hops_per_s * 10)
    assert (latency_us > 0).all()
    assert (counts["missed_messages"], counts["dropped_samples"], counts["feed_dropped"]) == (0, 0, 0)


def test_every_stage_is_timed_hop_by_hop(pipeline: Pipeline) -> None:
    taken = stages.measure(pipeline)
    assert set(taken) == {"frontend", "model", "pipeline", "message"}
    assert all(len(t) == stages.HOPS and np.all(t > 0) for t in taken.values())


def test_the_producer_leaves_without_a_word_where_nobody_ends_it() -> None:
    ring = RingReader()
    numbers = ("--rate=22050", "--window=2048", "--hop=1920", "--blocks=3", "--pace=100")
    command = [sys.executable, "-m", "rtgenre.bench.producer", f"--ring={ring.name}", *numbers]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    written = [ring.read() for _ in range(4)]
    ring.close()
    assert (done.returncode, done.stderr) == (0, b"")
    assert [chunk is not None for chunk in written] == [True, True, True, False]
