"""Raw PCM from a pipe."""

from __future__ import annotations

import io
import os
import threading
import time

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgenre.audio import stdin as stdin_module
from rtgenre.audio.source import EndOfSource
from rtgenre.audio.stdin import SAMPLE_FORMATS, StdinSource
from rtgenre.errors import SourceError

SOUND = np.random.default_rng(2).uniform(-1, 1, (5000, 2)).astype(np.float32)


def _encode(x, sample_format):
    kind, bits, order = sample_format[0], int(sample_format[1:3]), "<" if sample_format.endswith("le") else ">"
    if kind == "f":
        return x.astype(f"{order}f{bits // 8}").tobytes()
    whole = np.clip(np.round(x.astype(np.float64) * 2 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if bits == 24:
        return whole.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    return whole.astype(f"{order}i{bits // 8}").tobytes()


def _read_all(source):
    source.start()
    parts = []
    while True:
        try:
            block = source.read(10.0)
        except EndOfSource:
            source.close()
            return np.concatenate(parts)
        assert block is not None, "nothing came"
        parts.append(block.samples)


@pytest.mark.parametrize("sample_format", SAMPLE_FORMATS)
def test_each_format_is_understood(sample_format):
    got = _read_all(StdinSource("stdin", 44100, 2, sample_format, io.BytesIO(_encode(SOUND, sample_format))))
    assert got.dtype == np.float32
    step = 2.0**-15 if "16" in sample_format else 2.0**-23
    np.testing.assert_allclose(got, SOUND, atol=step)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=12))
def test_a_pipe_may_be_written_in_any_pieces(pieces):
    raw = _encode(SOUND[:3000], "s24le")
    read_fd, write_fd = os.pipe()

    def write():
        with os.fdopen(write_fd, "wb", buffering=0) as pipe:
            at = i = 0
            while at < len(raw):
                at += pipe.write(raw[at : at + pieces[i % len(pieces)]])
                i += 1

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(read_fd, "rb") as stream:
        got = _read_all(StdinSource("stdin", 44100, 2, "s24le", stream))
        writer.join()
    np.testing.assert_allclose(got, SOUND[:3000], atol=2**-23)


def test_a_partial_frame_at_the_end_is_counted():
    source = StdinSource("stdin", 44100, 2, "s16le", io.BytesIO(_encode(SOUND, "s16le") + b"abc"))
    assert len(_read_all(source)) == len(SOUND)
    assert source.stats.dropped_samples == 1
    assert "3 bytes" in source.stats.notice


def _container(container, subtype):
    file = io.BytesIO()
    soundfile.write(file, SOUND, 44100, format=container, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (_container("WAV", "PCM_16"), "WAV"), (_container("FLAC", "PCM_16"), "FLAC"),
        (_container("OGG", "VORBIS"), "Ogg"), (b"ID3\x03\x00" + bytes(100), "MP3"),
        (b"\x00\x00\x00\x20ftypM4A " + bytes(100), "MP4"), (_container("AIFF", "PCM_16"), "AIFF"),
    ],
)  # fmt: skip
def test_a_file_is_not_taken_for_raw_pcm(start, kind):
    source = StdinSource("stdin", 44100, 2, "s16le", io.BytesIO(start))
    source.start()
    with pytest.raises(SourceError, match=f"a {kind} file, not raw PCM") as caught:
        source.wait_ready(10.0)
    assert "ffmpeg" in caught.value.remedy
    with pytest.raises(SourceError, match="not raw PCM"):
        source.read(10.0)
    with pytest.raises(SourceError, match="not raw PCM"):
        source.read(0.0)
    source.close()


def test_an_empty_pipe_is_an_error_and_a_terminal_too():
    source = StdinSource("stdin", 44100, 2, "s16le", io.BytesIO(b""))
    source.start()
    with pytest.raises(SourceError, match="before a single sample"):
        source.read(10.0)
    source.close()
    terminal = io.BytesIO()
    terminal.isatty = lambda: True
    with pytest.raises(SourceError, match="is a terminal"):
        StdinSource("stdin", 44100, 2, "s16le", terminal).start()


def test_unknown_formats_and_rates_are_refused():
    with pytest.raises(SourceError, match="'s12le'") as caught:
        StdinSource("stdin", 44100, 2, "s12le", io.BytesIO())
    assert "s16le" in caught.value.remedy
    with pytest.raises(SourceError, match="at 44 Hz"):
        StdinSource("stdin", 44, 2, "s16le", io.BytesIO())


def test_memory_is_bounded_and_the_writer_waits():
    class Endless(io.RawIOBase):
        given = 0

        def read(self, n=-1):
            self.given += n
            return bytes(n)

    stream = Endless()
    source = StdinSource("stdin", 44100, 1, "s16le", stream, block_samples=1000)
    source.start()
    source.wait_ready(10.0)
    before = -1
    while stream.given != before:  # until it reads no more
        before = stream.given
        time.sleep(0.3)
    assert stream.given <= 2000 * 40
    source.close()


def test_nothing_in_time_is_none_and_close_does_not_wait_for_the_writer():
    read_fd, write_fd = os.pipe()
    with os.fdopen(read_fd, "rb") as stream, os.fdopen(write_fd, "wb"):
        source = StdinSource("stdin", 44100, 1, "s16le", stream)
        source.start()
        assert source.wait_ready(0.05).sample_rate == 44100
        assert source.read(0.0) is None
        assert source.read(0.05) is None
        source.close()


def _simulated_pace(monkeypatch, said, true):
    """Raw PCM that arrives at a pace, by a clock that the test moves on."""
    block = 1024
    now_ns = iter(int(i * block / true * 1e9) for i in range(1, 1_000_000))
    monkeypatch.setattr(stdin_module.time, "monotonic_ns", lambda: next(now_ns))
    return StdinSource("stdin", said, 1, "s16le", io.BytesIO(bytes(2 * block * (true * 20 // block))), block)


@pytest.mark.parametrize(("said", "true"), [(22050, 44100), (48000, 44100)])
def test_a_live_pace_that_contradicts_the_rate_is_an_error(monkeypatch, said, true):
    source = _simulated_pace(monkeypatch, said, true)
    monkeypatch.setattr(source, "_blocks", stdin_module.queue.Queue())  # a consumer that is never behind
    with pytest.raises(SourceError, match=f"said to have {said} Hz") as caught:
        _read_all(source)
    assert f"looks like {true} Hz" in caught.value.remedy


@pytest.mark.parametrize(("said", "true"), [(44100, 44100), (44100, 1_500_000), (44100, 30_000)])
def test_a_true_pace_and_one_that_is_nobodys_rate_are_no_error(monkeypatch, said, true):
    source = _simulated_pace(monkeypatch, said, true)
    monkeypatch.setattr(source, "_blocks", stdin_module.queue.Queue())
    assert len(_read_all(source)) > 4 * said
