"""``rtgenre bridge`` when it is told to stop; what it passes on is shown where the outputs are."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.outputs.talking import started, talking
from tests.test_daemon import RTGENRE, TIMEOUT_S, environment
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.real
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGHUP, 0)], ids=["int", "term", "hup"]
)
def test_it_says_farewell_whatever_ends_it(tmp_path: Path, number: signal.Signals, code: int) -> None:
    text = tmp_path / "genre.txt"
    with started() as feed, talking(feed, every_s=0.02):
        command = [*RTGENRE, "bridge", "text", "--feed", feed.publish_address, "--control", feed.control_address]
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, env=environment(RTGENRE_TEXT__PATH=str(text))
        ) as process:
            try:
                assert eventually(lambda: text.is_file() and bool(text.read_text()))
                process.send_signal(number)
                assert process.wait(TIMEOUT_S) == code
                assert process.stderr is not None
                assert b"Traceback" not in process.stderr.read()
            finally:
                process.kill()
    assert text.read_text() == ""
