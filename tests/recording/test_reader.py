"""Recordings as they are found: whole, killed, damaged, empty, or no recordings at all."""

from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING

import pytest

from rtgenre.errors import FeedError
from rtgenre.recording.reader import Recording
from tests.recording.evening import Part, kept, lines, messages

if TYPE_CHECKING:
    from pathlib import Path

EVENING = messages([Part("disco", 60.0), Part("metal", 60.0, track=2)])


def test_every_message_comes_back_in_order_and_more_than_once(tmp_path: Path) -> None:
    later = messages([Part("blues", 3.0)], session="two")
    recording = Recording(kept(tmp_path / "r", EVENING, later))
    assert list(recording.messages()) == [*EVENING, *later]
    assert list(recording.messages()) == [*EVENING, *later]
    assert str(recording.damage) == ""


def test_a_plain_file_a_gzipped_file_and_joined_files_are_recordings(tmp_path: Path) -> None:
    plain, joined = tmp_path / "x.jsonl", tmp_path / "x.jsonl.gz"
    plain.write_bytes(lines(EVENING))
    joined.write_bytes(gzip.compress(lines(EVENING[:100])) + gzip.compress(lines(EVENING[100:])))
    for path in (plain, joined):
        recording = Recording(path)
        assert list(recording.messages()) == EVENING
        assert str(recording.damage) == ""


def test_a_file_that_was_cut_off_anywhere_gives_what_comes_before(tmp_path: Path) -> None:
    whole = gzip.compress(lines(EVENING))
    path = tmp_path / "feed-x.jsonl.gz"
    rng = random.Random(0)
    for cut in [len(whole) - 1, *(rng.randrange(len(whole) // 4, len(whole)) for _ in range(20))]:
        path.write_bytes(whole[:cut])
        recording = Recording(tmp_path)
        read = list(recording.messages())
        assert read == EVENING[: len(read)]
        # Less than a block of the compressor's is missing, beyond what is not there.
        assert len(read) >= len(EVENING) * (cut / len(whole)) * 0.8 - 20
        assert recording.damage.cut_off == [path.name]
        assert path.name in str(recording.damage)


def test_a_file_with_a_wrong_byte_gives_what_comes_before_and_the_next_file(tmp_path: Path) -> None:
    folder = kept(tmp_path / "r", EVENING, later := messages([Part("blues", 3.0)], session="two"))
    first = min(folder.iterdir())
    whole = first.read_bytes()
    rng = random.Random(1)
    for _ in range(20):
        at = rng.randrange(20, len(whole))
        first.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        recording = Recording(folder)
        read = list(recording.messages())
        assert read[-len(later) :] == later
        assert recording.damage.broken == [first.name] or recording.damage.cut_off == [first.name]


def test_lines_that_are_no_messages_are_counted_and_skipped(tmp_path: Path) -> None:
    good = lines(EVENING[:3]).splitlines(keepends=True)
    newer = good[0].replace(b'"schema":1', b'"schema":2')
    path = tmp_path / "x.jsonl"
    path.write_bytes(good[0] + b"nonsense\n\xff\xfe\n{}\n[1]\n" + newer + good[1] + b"\n" + good[2] + b'{"kind": "post')
    recording = Recording(path)
    assert list(recording.messages()) == EVENING[:3]
    assert recording.damage.skipped_lines == 6
    assert "6 damaged line(s) skipped" in str(recording.damage)


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(lines(EVENING[:3]) + b" " * 50_000_000))
    recording = Recording(path)
    assert list(recording.messages()) == EVENING[:3]
    assert recording.damage.broken == [path.name]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("nothing", None, "there is no recording"),
        ("empty.jsonl", b"", "empty"),
        ("empty.jsonl.gz", b"", "without its end"),
        ("song.jsonl.gz", b"RIFF....WAVE" * 100, "damaged, the rest of it is lost: song.jsonl.gz"),
        ("other.jsonl", b'{"a": 1}\n{"b": 2}\n', "2 damaged line(s) skipped"),
    ],
)
def test_what_is_no_recording_is_one_clear_error(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FeedError) as caught:
        list(Recording(path).messages())
    assert said in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.remedy


def test_a_folder_without_files_of_messages_is_named(tmp_path: Path) -> None:
    (tmp_path / "sound-mic-x.flac").write_bytes(b"fLaC")
    with pytest.raises(FeedError, match="holds no recording"):
        Recording(tmp_path)
