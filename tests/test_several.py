"""The daemon with several sources at once: each is what it would be alone, and none disturbs another."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rtgenre.outputs import wire
from tests import signals
from tests.outputs.test_wire import VALIDATOR
from tests.test_daemon import TIMEOUT_S, daemon, one_error, posteriors, rtgenre, wait_for, wav

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.client import Subscriber

pytestmark = pytest.mark.real
RATE = 22050


def by_source(lines: bytes, kind: str = "posterior") -> dict[str, list[dict]]:
    found = defaultdict(list)
    for message in map(json.loads, lines.splitlines()):
        VALIDATOR.validate(message)
        if message["kind"] == kind:
            found[message["source"]].append(message)
    return found


def heartbeats(lines: bytes) -> list[dict]:
    return [message for message in map(json.loads, lines.splitlines()) if message["kind"] == "heartbeat"]


def offline(paths: list[Path]) -> list[list[dict]]:
    done = rtgenre("tag", *map(str, paths), "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [[line for line in lines if line["source"] == str(path)] for path in paths]


SAME = ("probs", "state", "top", "time_s", "level_dbfs", "track")


def assert_same(one: list[dict], other: list[dict]) -> None:
    assert [m["seq"] for m in one] == list(range(len(other)))
    for key in SAME:
        assert [m[key] for m in one] == [m[key] for m in other]


def test_decks_of_one_file_and_a_file_of_another_rate_are_what_they_are_alone(tmp_path: Path) -> None:
    """Four channels at 22050 Hz are two decks; a third source has 48000 Hz. As fast as they can, side by side."""
    decks = [signals.music(RATE * 20, seed=1), np.concatenate([np.zeros(RATE * 4), signals.music(RATE * 16, seed=2)])]
    half = np.float32(0.5)  # of both channels: their mean is exact
    four = np.stack([decks[0], decks[0], decks[1] * half, decks[1] * half], axis=1).astype(np.float32)
    mixer = wav(tmp_path / "mixer.wav", four)
    other = wav(tmp_path / "other.wav", signals.music(48000 * 15, seed=3), rate=48000)
    alone = [
        wav(tmp_path / "a.wav", four[:, :2]),
        wav(tmp_path / "b.wav", four[:, 2:]),
        other,
    ]
    done = rtgenre(
        "run", "--no-feed", "--fast", "--source", f"deck_a@1,2=file:{mixer}", "--source", f"deck_b@3,4=file:{mixer}",
        "--source", f"tape=file:{other}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    heard = by_source(done.stdout)
    assert set(heard) == {"deck_a", "deck_b", "tape"}
    for name, expected in zip(sorted(heard), offline(alone), strict=True):
        if heard[name][-1]["state"] == "stale":  # whoever ends while others go on says so
            heard[name].pop()
        assert_same(heard[name], expected)
    reports = heartbeats(done.stdout)[-1]["sources"]
    assert [(report["channels"], report["sample_rate"]) for report in reports.values()] == [
        (4, RATE), (4, RATE), (1, 48000),
    ]  # fmt: skip
    assert reports["deck_b"]["description"] == "mixer.wav, channels 3, 4"
    assert [report["hops"] for report in reports.values()] == [len(heard[name]) for name in reports]
    assert {report["state"] for report in reports.values()} == {"stale"}


def wait_for_report(feed: Subscriber, name: str, wanted: str) -> wire.SourceReport:
    def says_so(message: wire.Message) -> bool:
        report = message.sources.get(name) if isinstance(message, wire.Heartbeat) else None
        return report is not None and wanted in report.notice

    report: wire.SourceReport = wait_for(feed, says_so, otherwise=f"{name} never said {wanted!r}").sources[name]
    return report


def test_a_source_that_is_not_there_is_told_and_the_others_go_on() -> None:
    with daemon("--source", "booth=device:Nonsuch", "--source", "tape=demo", "--quiet") as (process, feed):
        heard = posteriors(feed, 30)
        assert {m.source for m in heard} == {"tape"}
        assert [m.seq for m in heard] == list(range(heard[0].seq, heard[0].seq + 30))
        report = wait_for_report(feed, "booth", "input device")
        assert (report.state, report.hops, report.description) == ("stale", 0, "device:Nonsuch")
        hello = feed.request("hello")
        assert hello["sources"] == ["booth", "tape"]
        assert feed.request("reset tape")["ok"]
        with pytest.raises(Exception, match="there is: tape"):
            feed.request("reset booth")
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
        assert process.stderr is not None
        told = process.stderr.read().decode()
    assert "booth: " in told
    assert "looking again" in told
    assert "Traceback" not in told


def test_a_source_that_fails_on_the_way_ends_alone(tmp_path: Path) -> None:
    path = wav(tmp_path / "cut.wav", signals.music(RATE * 10), subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: 44 + 2 * RATE * 2])
    whole = wav(tmp_path / "whole.wav", signals.music(RATE * 5, seed=4))
    done = rtgenre("run", "--no-feed", "--source", f"cut=file:{path}", "--source", f"whole=file:{whole}")
    told = done.stderr.decode()
    assert done.returncode == 69
    assert "cut ended: " in told
    assert "truncated" in told or "cut off" in told
    assert "Traceback" not in told
    heard, states = by_source(done.stdout), by_source(done.stdout, "state")
    assert len(heard["cut"]) >= (RATE * 2 - 2048) // 1920
    assert states["cut"][-1]["state"] == "stale"
    assert len(heard["whole"]) >= (RATE * 5 - 2048) // 1920 + 1
    assert heartbeats(done.stdout)[-1]["sources"]["whole"]["gap_samples"] == 0


def test_resets_and_counters_are_each_sources_own() -> None:
    with daemon("--source", "a=demo", "--source", "b=demo", "--quiet") as (process, feed):
        posteriors(feed, 40)
        assert feed.request("reset b")["ok"]
        ages: dict[str, list[float]] = defaultdict(list)
        for message in posteriors(feed, 40):
            ages[message.source].append(message.age_s)
        stats = feed.request("stats")["stats"]
        assert isinstance(stats, dict)
        assert {name: report["resets"] for name, report in stats["sources"].items()} == {"a": 0, "b": 1}
        assert min(ages["b"]) < 0.2
        assert min(ages["a"]) > 1.0
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0


def test_what_cannot_be_started_is_one_clear_error(tmp_path: Path) -> None:
    one_error(rtgenre("run", "--source", "demo", "--source", "b=demo"), 2, "has no name", "NAME=USE")
    missing = tmp_path / "none.wav"
    one_error(rtgenre("run", "--no-feed", "--source", "a=demo", "--source", f"b=file:{missing}"), 69, str(missing))
    both = ("--source", "a=device:Nonsuch", "--source", "b=device:Nowhere")
    one_error(rtgenre("run", "--no-feed", *both), 69, "input device", "rtgenre devices")
    one_error(rtgenre("run", "--source", "b=demo", "--name", "c"), 2, "source.name", "once")
    short = wav(tmp_path / "mono.wav", signals.music(RATE))
    one_error(rtgenre("run", "--no-feed", "--source", f"a@3=file:{short}"), 78, "[3]", "1 channel")


def test_settings_of_several_are_shown_as_settings(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[[sources]]\nname = 'a'\nuse = 'demo'\n[[sources]]\nname = 'b'\nuse = 'demo'\nchannels = [1]\n")
    shown = rtgenre("config", "show", "--config", str(path)).stdout
    path.write_bytes(shown)
    again = rtgenre("config", "show", "--config", str(path), "--origin").stdout.decode()
    assert f"[[sources]]  # {path}" in again
    assert "channels = [1]" in again
    done = rtgenre("run", "--config", str(path), "--no-feed", "--help")
    assert done.returncode == 0
