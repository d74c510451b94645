"""JSON lines into real pipes."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from rtgenre.outputs import wire
from rtgenre.outputs.jsonlines import JsonLines
from tests.outputs.story import story


def envelopes(seconds: float) -> list[wire.Envelope]:
    return [wire.Envelope("topic", message, time.monotonic_ns()) for message in story(seconds)]


def test_every_message_is_a_line_in_order() -> None:
    stream = io.BytesIO()
    output = JsonLines(stream, lambda _: None)
    output.start()
    sent = envelopes(10)
    for envelope in sent:
        output.mailbox.put(envelope)
    assert output.close(10)
    lines = stream.getvalue().splitlines(keepends=True)
    assert all(line.endswith(b"\n") for line in lines)
    read = [wire.decode(line) for line in lines]
    assert [(type(m), m.seq) for m in read] == [(type(e.message), e.message.seq) for e in sent]
    assert output.written == len(sent)
    assert output.mailbox.dropped == 0


def test_a_message_is_stamped_when_it_is_written() -> None:
    stream = io.BytesIO()
    output = JsonLines(stream, lambda _: None)
    before_ns = time.monotonic_ns()
    output.mailbox.put(next(e for e in envelopes(1) if isinstance(e.message, wire.PosteriorMessage)))
    output.start()
    assert output.close(10)
    line = json.loads(stream.getvalue())
    assert before_ns <= line["t_publish_ns"] <= time.monotonic_ns()
    assert line["latency_ms"]["publish"] > 0


def test_a_line_reaches_the_pipe_at_once() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as lines, os.fdopen(writer, "wb") as stream:
        output = JsonLines(stream, lambda _: None)
        output.start()
        for envelope in envelopes(0.5):
            output.mailbox.put(envelope)
            assert wire.decode(lines.readline()).seq == envelope.message.seq
        assert output.close(10)


def test_a_reader_that_leaves_ends_it_quietly(caplog: pytest.LogCaptureFixture) -> None:
    reader, writer = os.pipe()
    closed, said = threading.Event(), []
    # Unbuffered, so that nothing is left over to be written when the stream is closed.
    with os.fdopen(writer, "wb", buffering=0) as stream, caplog.at_level(logging.DEBUG):
        output = JsonLines(stream, lambda error: (said.append(error), closed.set()))
        output.start()
        os.close(reader)
        output.mailbox.put(envelopes(0.1)[0])
        assert closed.wait(10)
        assert output.close(10)
    assert output.written == 0
    assert not caplog.records
    assert said == [None]
    output.mailbox.put(envelopes(0.1)[0])  # too late, and no error
    assert output.mailbox.dropped == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_said_and_what_it_costs_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    closed, said = threading.Event(), []
    with Path("/dev/full").open("wb", buffering=0) as stream:
        output = JsonLines(stream, lambda error: (said.append(error), closed.set()))
        for envelope in envelopes(1)[:5]:
            output.mailbox.put(envelope)
        output.start()
        assert closed.wait(10)
        output.mailbox.put(envelopes(0.1)[0])
        assert output.close(10)
    assert "No space left" in caplog.text
    assert isinstance(said[0], OSError)
    assert output.report().unsent == 6


def test_a_reader_that_sleeps_delays_nobody_and_its_losses_are_counted() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as lines, os.fdopen(writer, "wb", buffering=0) as stream:
        output = JsonLines(stream, lambda _: None, capacity=20)
        output.start()
        sent, full_after_s = 0, 0.0
        while full_after_s < 0.3:
            output.mailbox.put(envelopes(0.1)[0])
            sent += 1
            t_put = time.monotonic()
            while output.written < sent and (full_after_s := time.monotonic() - t_put) < 0.3:
                time.sleep(0.0005)
        for envelope in envelopes(3):
            output.mailbox.put(envelope)
            sent += 1
        assert output.mailbox.dropped > 0
        assert not output.close(0.05)
        read: list[bytes] = []
        drain = threading.Thread(target=lambda: read.extend(iter(lines.readline, b"")))
        drain.start()
        assert output.close(10)
        stream.close()
        drain.join(10)
    assert len(read) == output.written == sent - output.mailbox.dropped


def test_close_before_start_does_not_hang() -> None:
    output = JsonLines(io.BytesIO(), lambda _: None)
    assert output.close(0.1)
    assert output.close(0.1)
