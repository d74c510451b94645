"""Whatever an output could not pass on is in the heartbeat, and in the metrics."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

import pytest

from rtgenre.outputs import wire
from tests.outputs.web.overlay import free_port
from tests.test_daemon import TIMEOUT_S, daemon, wait_for
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.client import Subscriber

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def beat_with(feed: Subscriber, output: str, field: str) -> wire.Heartbeat:
    """The first heartbeat that counts a loss of an output."""

    def counts(message: wire.Message) -> bool:
        report = message.outputs.get(output) if isinstance(message, wire.Heartbeat) else None
        return report is not None and bool(getattr(report, field))

    heartbeat: wire.Heartbeat = wait_for(feed, counts, otherwise=f"{output} has lost nothing")
    return heartbeat


def test_what_passes_while_a_broker_is_away_and_a_disk_is_gone_is_counted(tmp_path: Path) -> None:
    nobody, port, record = free_port(), free_port(), tmp_path / "record"
    (tmp_path / "config.toml").write_text(
        f"[mqtt]\nenabled = true\nport = {nobody}\n[text]\nenabled = true\npath = '{tmp_path}/text/genre.txt'\n"
        f"[web]\nenabled = true\nport = {port}\n[record]\nfolder = '{record}'\nsound = true\nrotate_h = 0.001\n"
    )

    def measured(text: str) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return text in answer.read().decode()

    with daemon("--source", "demo", "--config", str(tmp_path / "config.toml"), "--quiet") as (process, feed):
        heartbeat = beat_with(feed, "mqtt", "unsent")
        assert set(heartbeat.outputs) == {"feed", "web", "mqtt", "text", "record"}
        assert beat_with(feed, "text", "unsent"), "there is no such folder"
        assert heartbeat.outputs["record"] == wire.OutputReport()
        for path in record.iterdir():
            path.unlink()
        record.rmdir()
        heartbeat = beat_with(feed, "record", "unsent")
        assert beat_with(feed, "record", "lost_samples")
        assert heartbeat.outputs["feed"] == heartbeat.outputs["web"] == wire.OutputReport()
        for one in ("mqtt", "text", "record"):
            assert eventually(lambda: not measured(f'rtgenre_output_unsent_total{{output="{one}"}} 0.0'))  # noqa: B023
        assert measured('rtgenre_output_dropped_total{output="record"} 0.0')
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
