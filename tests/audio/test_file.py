"""Files: what they hold is delivered, whatever is wrong with them is one clear error."""

from __future__ import annotations

import os
import struct
import time
from contextlib import closing

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtgenre.audio.file import FileSource
from rtgenre.audio.source import EndOfSource
from rtgenre.errors import SourceError

RATE = 22050
SOUND = (0.2 * np.random.default_rng(5).standard_normal((RATE * 2, 2))).astype(np.float32)


def _read_all(source):
    parts = []
    while True:
        try:
            block = source.read(1.0)
        except (EndOfSource, SourceError) as end:
            return np.concatenate(parts) if parts else np.empty((0, 0)), end
        parts.append(block.samples)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "sound.wav"
    soundfile.write(path, SOUND, RATE, subtype="FLOAT")
    return path


def test_every_sample_is_delivered_in_blocks(wav):
    source = FileSource("file", wav, realtime=False, block_samples=1000)
    source.start()
    info = source.wait_ready(1.0)
    assert (info.sample_rate, info.channels, info.duration_s, info.live) == (RATE, 2, 2.0, False)
    assert info.description == "sound.wav"
    got, end = _read_all(source)
    np.testing.assert_array_equal(got, SOUND)
    assert isinstance(end, EndOfSource)
    with pytest.raises(EndOfSource):
        source.read(0.0)
    source.close()
    source.close()
    with pytest.raises(SourceError, match="is closed"):
        source.read(0.0)


def test_realtime_blocks_come_when_due_and_not_before(wav):
    source = FileSource("file", wav, realtime=True, block_samples=2205)
    assert source.wait_ready(1.0).live
    began = time.monotonic_ns()
    assert source.read(0.0) is None
    due = []
    while len(due) < 5:
        block = source.read(0.03)  # shorter than a block: returns None in between
        if block is not None:
            due.append(block.t_last_ns)
            assert time.monotonic_ns() >= block.t_last_ns
    assert np.diff(due).tolist() == [100_000_000] * 4
    assert due[0] - began >= 100_000_000
    time.sleep(0.35)  # whoever comes late gets what is due at once, and no drift
    late = [source.read(0.0) for _ in range(3)]
    assert np.diff([due[-1], *(b.t_last_ns for b in late)]).tolist() == [100_000_000] * 3
    source.close()


@pytest.mark.parametrize(
    ("name", "container", "subtype"),
    [
        ("a.wav", "WAV", "PCM_16"), ("a.rf64", "RF64", "PCM_24"), ("a.flac", "FLAC", "PCM_16"),
        ("a.ogg", "OGG", "VORBIS"), ("a.mp3", "MP3", "MPEG_LAYER_III"), ("a.aiff", "AIFF", "PCM_16"),
        ("a.au", "AU", "PCM_16"),
    ],
)  # fmt: skip
def test_a_file_cut_off_gives_what_it_holds_and_then_an_error(tmp_path, name, container, subtype):
    path = tmp_path / name
    soundfile.write(path, SOUND, RATE, format=container, subtype=subtype)
    whole, end = _read_all(FileSource("whole", path, realtime=False))
    assert isinstance(end, EndOfSource)
    assert len(whole) == len(SOUND)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    part, end = _read_all(FileSource("part", path, realtime=False))
    assert 0.3 * len(SOUND) < len(part) < 0.7 * len(SOUND)
    assert isinstance(end, SourceError)
    assert "cut off" in end.message
    assert f"{len(part) / RATE:.2f} s" in end.message
    if container not in ("OGG", "AU"):  # these do not say how long they were
        assert "of 2.00 s" in end.message


def _bytes_file(tmp_path, content):
    path = tmp_path / "odd.wav"
    path.write_bytes(content)
    return path


def _wav_header(rate, byte_rate, frames=100, data_size=None):
    size = frames * 2 if data_size is None else data_size
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, byte_rate, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + frames * 2) + b"WAVE" + fmt + struct.pack("<4sI", b"data", size)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello, I am a text, and no sound at all " * 20, "not a sound file"),
        (b"RIFF", "not a sound file"),
        (_wav_header(22050, 44100)[:24], "cut off inside its header"),
        (_wav_header(22050, 44100, frames=0), "its length is zero"),
        (_wav_header(22050, 88200) + bytes(200), "contradicts itself: it says 22050 Hz, .* which is 44100 Hz"),
        (_wav_header(0, 0) + bytes(200), "says it has 0 Hz|not a sound file"),
        (_wav_header(3000, 6000) + bytes(200), "says it has 3000 Hz"),
        (_wav_header(2_000_000, 4_000_000) + bytes(200), "says it has 2000000 Hz"),
    ],
)
def test_what_is_no_sound_is_refused_at_the_start(tmp_path, content, message):
    source = FileSource("odd", _bytes_file(tmp_path, content), realtime=False)
    with pytest.raises(SourceError, match=message) as caught:
        source.start()
    assert caught.value.remedy
    source.close()


@pytest.mark.parametrize("unknown", [0xFFFFFFFF, 0x7FFFFFFF + 0x80000000])
def test_a_wav_written_into_a_pipe_does_not_know_its_length_and_is_whole(tmp_path, unknown):
    path = _bytes_file(tmp_path, _wav_header(8000, 16000, 8000, data_size=unknown) + bytes(16000))
    got, end = _read_all(FileSource("pipe", path, realtime=False))
    assert len(got) == 8000
    assert isinstance(end, EndOfSource)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([b"", b"RIFF", b"RF64", b"OggS\0", b"FORM", b".snd", b"fLaC", _wav_header(8000, 16000)]),
    st.lists(st.sampled_from([b"fmt ", b"data", b"ds64", b"WAVE", b"AIFF", b"COMM", b"\xff" * 4, b"\0" * 4, b"\1\2"])),
    st.binary(max_size=40),
)
def test_whatever_a_file_holds_the_only_error_is_a_source_error(tmp_path, start, middle, end):
    path = _bytes_file(tmp_path, start + b"".join(middle) + end)
    with closing(FileSource("odd", path, realtime=False, block_samples=1000)) as source:
        outcome = _open_and_read_all(source)
    assert isinstance(outcome, EndOfSource | SourceError)
    assert not isinstance(outcome, SourceError) or "odd.wav" in outcome.message


def _open_and_read_all(source):
    try:
        source.wait_ready(0.0)
    except SourceError as error:
        return error
    return _read_all(source)[1]


def test_missing_folder_and_forbidden_files_are_told_apart(tmp_path, wav):
    with pytest.raises(SourceError, match=r"there is no file .*nothing\.wav"):
        FileSource("f", tmp_path / "nothing.wav", realtime=False).start()
    with pytest.raises(SourceError, match="is a folder"):
        FileSource("f", tmp_path, realtime=False).start()
    with pytest.raises(SourceError, match="cannot be read"):
        FileSource("f", wav / "inside_a_file.wav", realtime=False).start()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_refused(wav):
    wav.chmod(0)
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        FileSource("f", wav, realtime=False).start()
