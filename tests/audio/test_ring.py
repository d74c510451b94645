"""The ring: what goes in comes out, in order, and what does not is counted."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgenre.audio.ring import ChildState, RingReader, RingWriter

_RAMP_CHILD = """
import sys, array, time
from rtgenre.audio.ring import ChildState, RingWriter
ring = RingWriter(sys.argv[1])
ring.set_format(48000, 2)
ring.tell(ChildState.RUNNING, "ramp")
n, lengths = 0, (1, 480, 1024, 7, 997)
for i in range(2000):
    k = lengths[i % len(lengths)]
    block = array.array("f", (float(v % 65536) for f in range(n, n + k) for v in (f, -f)))
    n += k
    while not ring.write(memoryview(block).cast("B"), k, 0, time.monotonic_ns()):
        time.sleep(0.0005)
print(n)
"""


@pytest.fixture
def pair():
    reader = RingReader(capacity=64)
    writer = RingWriter(reader.name)
    yield reader, writer
    writer.close()
    reader.close()


def _write(writer, samples, xruns=0, arrival_ns=1):
    return writer.write(memoryview(np.ascontiguousarray(samples)).cast("B"), len(samples), xruns, arrival_ns)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=60))
def test_every_block_is_delivered_bit_equal_or_counted(channels, plan):
    reader = RingReader(capacity=64 * channels)
    writer = RingWriter(reader.name)
    writer.set_format(48000, channels)
    rng = np.random.default_rng(1)
    kept, lost, pending, got, drops = [], 0, 0, [], []

    def take():
        chunk = reader.read()
        if chunk is not None:
            got.append(np.frombuffer(chunk.raw, np.float32).reshape(chunk.n_frames, channels))
            drops.append(chunk.dropped_before)

    expected_drops = []
    for n, read_after in plan:
        block = rng.standard_normal((n, channels)).astype(np.float32)
        if _write(writer, block):
            kept.append(block)
            expected_drops.append(pending)
            pending = 0
        else:
            lost += n
            pending += n
        if read_after:
            take()
    while reader.has_block:
        take()
    assert reader.read() is None
    assert reader.dropped_frames == lost
    assert drops == expected_drops
    assert len(got) == len(kept)
    assert all(np.array_equal(a, b) for a, b in zip(got, kept, strict=True))
    writer.close()
    reader.close()


def test_stamp_carries_arrival_and_xruns_also_of_dropped_blocks(pair):
    reader, writer = pair
    writer.set_format(48000, 1)
    assert _write(writer, np.ones((60, 1), np.float32), xruns=1, arrival_ns=10)
    assert not _write(writer, np.ones((8, 1), np.float32), xruns=1, arrival_ns=20)
    first = reader.read()
    assert (first.arrival_ns, first.xruns, first.dropped_before) == (10, 1, 0)
    assert _write(writer, np.ones((5, 1), np.float32), xruns=1, arrival_ns=30)
    second = reader.read()
    assert (second.arrival_ns, second.xruns, second.dropped_before) == (30, 2, 8)
    assert reader.xruns == 3
    assert reader.heartbeat_ns == 30


def test_number_of_unread_blocks_is_bounded_by_the_stamps():
    reader = RingReader(capacity=1 << 16)
    writer = RingWriter(reader.name)
    writer.set_format(48000, 1)
    written = sum(_write(writer, np.full((1, 1), i, np.float32)) for i in range(3000))
    values = []
    while (chunk := reader.read()) is not None:
        values.append(np.frombuffer(chunk.raw, np.float32)[0])
    assert values == list(range(written))
    assert reader.dropped_frames == 3000 - written > 0
    writer.close()
    reader.close()


def test_state_and_text_are_told_and_cut_to_what_fits(pair):
    reader, writer = pair
    assert reader.state is ChildState.ATTACHED
    writer.tell(ChildState.FAILED, "ä" * 5000)
    assert reader.state is ChildState.FAILED
    assert reader.text.startswith("ää")
    assert 1000 < len(reader.text) < 5000


def test_name_is_gone_after_unlink_and_the_mapping_is_not(pair):
    reader, writer = pair
    writer.set_format(48000, 1)
    reader.unlink()
    with pytest.raises(FileNotFoundError):
        RingWriter(reader.name)
    assert _write(writer, np.full((3, 1), 0.5, np.float32))
    assert np.frombuffer(reader.read().raw, np.float32).tolist() == [0.5] * 3


def test_something_else_in_shared_memory_is_refused():
    reader = RingReader(capacity=64)
    reader._words[0] = 42
    with pytest.raises(ValueError, match="not a ring of this version"):
        RingWriter(reader.name)
    reader.close()
    reader.close()


@pytest.mark.real
def test_another_process_writes_while_this_one_reads():
    reader = RingReader(capacity=1 << 14)
    with subprocess.Popen([sys.executable, "-c", _RAMP_CHILD, reader.name], stdout=subprocess.PIPE) as child:
        deadline = time.monotonic() + 60
        parts = []
        while time.monotonic() < deadline and (child.poll() is None or reader.has_block):
            chunk = reader.read()
            if chunk is None:
                time.sleep(0.0002)
            else:
                parts.append(np.frombuffer(chunk.raw, np.float32).reshape(-1, 2))
        total = int(child.stdout.read())
    assert child.returncode == 0
    got = np.concatenate(parts)
    ramp = np.arange(total)
    np.testing.assert_array_equal(got[:, 0], ramp % 65536)
    np.testing.assert_array_equal(got[:, 1], -ramp % 65536)
    reader.close()
