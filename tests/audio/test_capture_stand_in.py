"""Faults that no sound server can be made to show: a stand-in for sounddevice, all else is real."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from rtgenre.audio.capture import DeviceSource
from rtgenre.errors import DeviceError
from tests.virtual import OPENING_S

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("nothing_left")]


@pytest.fixture
def fault(monkeypatch):
    def choose(name):
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).with_name("stand_in")))
        monkeypatch.setenv("STAND_IN", name)

    return choose


def read_blocks(source, n):
    blocks = []
    while len(blocks) < n:
        block = source.read(5.0)
        if block is not None:
            blocks.append(block)
    return blocks


def test_a_busy_device_is_said_to_be_busy(fault):
    fault("busy")
    with closing(DeviceSource("mic", "stand-in")) as source:
        source.start()
        with pytest.raises(DeviceError, match="'Test: stand-in' is busy") as caught:
            source.wait_ready(OPENING_S)
    assert "close that program" in caught.value.remedy


def test_a_device_that_lies_about_its_rate_is_refused(fault):
    fault("lying")
    with closing(DeviceSource("mic", "stand-in")) as source:
        source.start()
        assert source.wait_ready(OPENING_S).sample_rate == 48000
        with pytest.raises(DeviceError, match=r"says 48000 Hz but delivers 4[34]\d\d\d samples") as caught:
            read_blocks(source, 2000)
    assert "44100 Hz" in caught.value.remedy


def test_overflows_are_counted_in_blocks_and_stats(fault):
    fault("overflowing")
    with closing(DeviceSource("mic", "stand-in")) as source:
        source.start()
        blocks = read_blocks(source, 40)
        assert sum(b.xruns for b in blocks) == 4
        assert source.stats.xruns >= 4
        assert (blocks[0].samples == 0.5).all()


def test_a_stream_that_ends_is_begun_again(fault):
    fault("stopping")
    with closing(DeviceSource("mic", "stand-in")) as source:
        source.start()
        blocks = read_blocks(source, 25)
        assert source.stats.capture_restarts >= 2  # blocks that waited come as one: 25 may take more streams than three
        assert "stream of 'Test: stand-in' ended" in source.stats.notice
        assert source.stats.gap_samples == sum(b.gap_samples for b in blocks) > 0
    with pytest.raises(DeviceError, match="is closed"):
        source.read(0.0)
