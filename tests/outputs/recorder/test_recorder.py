"""What the recorder keeps: every message, in files that can be read at any moment."""

from __future__ import annotations

import logging
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from rtgenre.errors import OutputError
from rtgenre.outputs import wire
from rtgenre.outputs.fanout import FanOut
from rtgenre.outputs.recorder import KeptLines, Limits, Recorder, lines
from rtgenre.recording.reader import Recording
from tests.outputs.test_wire import composer, hop
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path


def tell(recorder: Recorder, first: int, n: int) -> None:
    fan = FanOut(composer(), [recorder.mailbox])
    for k in range(first, first + n):
        fan.on_hop(hop(k), 0, 0, time.monotonic_ns())


def test_every_message_is_kept_in_order(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "new" / "folder")
    recorder.start()
    tell(recorder, 0, 500)
    recorder.close()
    recording = Recording(tmp_path / "new" / "folder")
    read = [m for m in recording.messages() if isinstance(m, wire.PosteriorMessage)]
    assert [m.hop for m in read] == list(range(500))
    assert str(recording.damage) == ""
    assert recorder.written == 502  # a decision and a state, too
    assert recorder.mailbox.dropped == 0


def test_what_is_a_second_old_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.start()
    tell(recorder, 0, 50)

    def readable() -> bool:
        try:
            return sum(isinstance(m, wire.PosteriorMessage) for m in Recording(tmp_path).messages()) == 50
        except Exception:  # noqa: BLE001 - nothing there yet
            return False

    assert eventually(readable)
    recorder.close()


def test_files_follow_one_another_without_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "FLUSH_S", 0.0)
    kept = KeptLines(tmp_path, Limits(rotate_mb=0.0005))
    table = composer()
    bodies = [wire.publish(e) for k in range(300) for e in table.compose(hop(k), 0, 0, 0)]
    for body in bodies:
        kept.write(body)
    kept.close()
    recording = Recording(tmp_path)
    assert kept.files == len(recording.files) > 5
    assert [wire.decode(body) for body in bodies] == list(recording.messages())
    assert str(recording.damage) == ""


def test_an_old_file_is_followed_by_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "FLUSH_S", 0.0)
    kept = KeptLines(tmp_path, Limits(rotate_s=0.05))
    for _ in range(3):
        kept.write(b"{}")
        time.sleep(0.06)
        kept.flush_if_due()
    kept.close()
    assert kept.files == 3


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="taken"):
        Recorder(tmp_path / "taken" / "folder")


def test_a_disk_that_fails_ends_the_recording_and_holds_nobody_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    with caplog.at_level(logging.ERROR):
        recorder.start()
        fan = FanOut(composer(), [recorder.mailbox])
        for k in range(5000):
            fan.on_hop(hop(k), 0, 0, 0)
        assert eventually(lambda: recorder.mailbox.closed and fan.has_room())
        fan.on_hop(hop(5000), 0, 0, 0)
        recorder.close()
    report = recorder.report()
    assert report.dropped + report.unsent == 5003  # hops, a decision and a state: not one is forgotten
    assert "the recording ends after 0 messages" in caplog.text
    assert "No such file" in caplog.text
