"""The sound that is kept: the very samples, with holes where the holes were."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from rtgenre.audio.file import FileSource
from rtgenre.audio.source import EndOfSource
from rtgenre.errors import OutputError
from rtgenre.outputs.recorder import Limits, Recorder
from rtgenre.outputs.recorder.sound import CAPACITY, SoundTap, _Piece
from rtgenre.records import Block, SourceInfo, SourceStats
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.audio.source import Source

RATE = 8000


class Blocks:
    """A source that gives the blocks it was given."""

    def __init__(self, blocks: list[Block], channels: int = 2, *, live: bool = True) -> None:
        self.name = "mic"
        self.stats = SourceStats()
        self._blocks = iter(blocks)
        self._info = SourceInfo("mic", "a mixer", RATE, channels, live)

    def start(self) -> None:
        pass

    def wait_ready(self, timeout_s: float) -> SourceInfo:  # noqa: ARG002
        return self._info

    def read(self, timeout_s: float) -> Block | None:  # noqa: ARG002
        block = next(self._blocks, None)
        if block is None:
            raise EndOfSource
        return block

    def close(self) -> None:
        pass


def noise(n: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Samples that 24 bits hold exactly."""
    whole = np.random.default_rng(seed).integers(-(2**23), 2**23, (n, channels))
    return (whole / 2**23).astype(np.float32)


def listen(source: Source, folder: Path, rotate_s: float = 3600.0) -> None:
    """Read a source to its end through a tap."""
    recorder = Recorder(folder, sound=True, limits=Limits(rotate_s=rotate_s))
    tap = recorder.tap(source)
    tap.start()
    tap.wait_ready(1.0)
    try:
        while True:
            tap.read(1.0)
    except EndOfSource:
        tap.close()
    recorder.close()


def kept(folder: Path) -> list[np.ndarray]:
    return [
        soundfile.read(path, dtype="float32", always_2d=True)[0] for path in sorted(folder.glob("sound-mic-*.flac"))
    ]


def test_a_file_is_kept_as_it_is_however_fast_it_is_read(tmp_path: Path) -> None:
    samples = noise(60 * RATE)
    path = tmp_path / "x.wav"
    soundfile.write(path, samples, RATE, subtype="PCM_24")
    listen(FileSource("mic", path, realtime=False, block_samples=100), tmp_path)
    (found,) = kept(tmp_path)
    np.testing.assert_array_equal(found, samples)


def test_files_follow_one_another_without_a_seam(tmp_path: Path) -> None:
    samples = noise(10 * RATE, channels=1)
    blocks = [Block(samples[k : k + 700], 0) for k in range(0, len(samples), 700)]
    listen(Blocks(blocks, 1), tmp_path, rotate_s=3.0)
    found = kept(tmp_path)
    assert [len(part) for part in found] == [3 * RATE, 3 * RATE, 3 * RATE, RATE]
    np.testing.assert_array_equal(np.concatenate(found), samples)


def test_lost_audio_is_as_long_as_it_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, other = noise(1000), noise(500, seed=1)
    other[3] = np.nan
    with caplog.at_level(logging.WARNING):
        listen(Blocks([Block(one, 0), Block(other, 0, gap_samples=300)]), tmp_path)
    (found,) = kept(tmp_path)
    other[3] = 0.0
    np.testing.assert_array_equal(found, np.concatenate([one, np.zeros((300, 2), np.float32), other]))
    assert "0.04 s of the sound of mic are missing" in caplog.text


def test_after_a_long_hole_another_file_begins(tmp_path: Path) -> None:
    listen(Blocks([Block(noise(1000), 0), Block(noise(500), 0, gap_samples=3600 * RATE)]), tmp_path)
    assert [len(part) for part in kept(tmp_path)] == [1000, 500]


def test_what_the_disk_was_too_slow_for_is_a_hole_of_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = noise(CAPACITY + 50, channels=1)
    tap = SoundTap(Blocks([Block(samples[k : k + 1], 0) for k in range(len(samples))], 1), tmp_path, 3600.0)
    tap.wait_ready(1.0)
    keeper = tap._keeper
    assert keeper is not None
    go_on, keep = threading.Event(), keeper._keep

    def keep_later(piece: _Piece) -> None:
        go_on.wait()
        keep(piece)

    monkeypatch.setattr(keeper, "_keep", keep_later)
    tap.read(0.0)
    assert eventually(lambda: len(keeper.mailbox) == 0)  # the writer has taken it, and is busy
    for _ in range(len(samples) - 1):
        tap.read(0.0)
    go_on.set()
    tap.close()
    assert keeper.lost == keeper.mailbox.dropped == 49
    samples[1:50] = 0.0
    (found,) = kept(tmp_path)
    np.testing.assert_array_equal(found, samples)


def test_more_channels_than_flac_has_are_refused(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, sound=True)
    tap = recorder.tap(Blocks([], channels=10))
    with pytest.raises(OutputError, match="10 channels") as caught:
        tap.wait_ready(1.0)
    recorder.close()
    assert "source.channels" in caught.value.remedy


def test_without_sound_nothing_stands_in_between(tmp_path: Path) -> None:
    recorder, source = Recorder(tmp_path), Blocks([])
    assert recorder.tap(source) is source
    recorder.close()


def test_a_disk_that_fails_stops_no_sound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocks = [Block(noise(100), 0) for _ in range(2000)]
    tap = SoundTap(Blocks(blocks, live=False), tmp_path / "gone", 3600.0)
    tap.wait_ready(1.0)
    heard = 0
    with caplog.at_level(logging.ERROR):
        try:
            while True:
                heard += tap.read(1.0) is not None
        except EndOfSource:
            tap.close()
    assert heard == 2000
    assert "the sound of mic is kept no longer" in caplog.text
