"""Several sources: what settings and the command line mean by them, and which devices they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rtgenre import captures, config
from rtgenre.errors import ConfigError, RtgenreError, UsageError
from rtgenre.sources import SourceSettings, asked_for, source_kind

if TYPE_CHECKING:
    from pathlib import Path

DECKS = """
[source]
sample_rate = 48000
zeros_restart_s = 0

[[sources]]
name = "deck_a"
use = "device:DJM"
channels = [1, 2]

[[sources]]
name = "deck_b"
use = "device:djm"
channels = [3, 4]

[[sources]]
name = "radio"
use = "https://radio.example/live.mp3?token=x"
sample_rate = 0
"""


def load(path: Path, text: str, *asked: str, **environ: str) -> config.Settings:
    path.write_text(text)
    return config.load(path, asked_for(asked), environ).settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_tables_take_from_source_what_they_do_not_say(path: Path) -> None:
    sources = load(path, DECKS).all_sources
    assert [source.name for source in sources] == ["deck_a", "deck_b", "radio"]
    assert [source.sample_rate for source in sources] == [48000, 48000, 0]
    assert [source.zeros_restart_s for source in sources] == [0, 0, 0]
    assert [source.heard for source in sources] == [(1, 2), (3, 4), ()]
    assert [source.opened for source in sources] == [2, 4, 0]


def test_decks_of_a_device_share_it(path: Path) -> None:
    decks, radio = captures.by_device(load(path, DECKS).all_sources)
    assert [source.name for source in decks] == ["deck_a", "deck_b"]
    assert [source.name for source in radio] == ["radio"]
    capture = captures.make_capture(decks)
    assert (capture.name, capture._channels, capture._capacity) == ("deck_a", 4, 2 << 20)  # type: ignore[attr-defined]
    demos = [SourceSettings(name=name, use="demo") for name in "ab"]
    assert len(captures.by_device(demos)) == 2


def test_one_source_is_what_it_always_was(path: Path) -> None:
    settings = load(path, "[source]\nuse = 'device:USB'\nname = 'mic'\npick = [2]\nchannels = 2\n")
    assert settings.sources == ()
    assert settings.all_sources == (settings.source,)
    assert (settings.source.heard, settings.source.opened) == ((2,), 2)
    assert load(path, "[source]\nchannels = [3, 4]\n").source.opened == 4


def test_the_command_line_names_sources() -> None:
    assert asked_for([]) == {}
    assert asked_for(["demo"]) == {"source.use": "demo"}
    assert asked_for(["file:/a=b@1.wav"]) == {"source.use": "file:/a=b@1.wav"}
    assert asked_for(["https://x.example/?a=b"]) == {"source.use": "https://x.example/?a=b"}
    assert asked_for(["booth=device"]) == {"source.use": "device", "source.name": "booth"}
    assert asked_for(["b@3,4=device:DJM"]) == {
        "source.use": "device:DJM", "source.name": "b", "source.channels": [3, 4],
    }  # fmt: skip
    assert asked_for(["a=demo", "b@2=file:x=y.wav"]) == {
        "sources": [{"name": "a", "use": "demo"}, {"name": "b", "use": "file:x=y.wav", "channels": [2]}]
    }


def test_what_is_named_later_replaces_what_the_file_names(path: Path) -> None:
    assert load(path, DECKS, "demo").all_sources[0].use == "demo"
    assert load(path, DECKS, RTGENRE_SOURCE__USE="stdin").all_sources[0].use == "stdin"
    both = load(path, DECKS, "a=demo", "b=file:x.wav", RTGENRE_SOURCE__USE="stdin").all_sources
    assert [(source.name, source.use, source.sample_rate) for source in both] == [
        ("a", "demo", 48000), ("b", "file:x.wav", 48000),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[sources]]\nuse = 'demo'\n", ["sources[1]", "no name"]),
        ("[[sources]]\nname = 'a'\nuse = 'demo'\n[[sources]]\nname = 'a'\nuse = 'demo'\n", ["[1]", "[2]", "'a'"]),
        ("[[sources]]\nname = 'a'\nuse = 'dmeo'\n", ["sources[1].use", "did you mean demo"]),
        ("[[sources]]\nname = 'A b'\n", ["sources[1].name", "use a-z"]),
        ("[[sources]]\nname = 'heartbeat'\n", ["sources[1].name", "another name"]),
        ("[[sources]]\nname = 'a'\nchannel = [1]\n", ["'channel'", "did you mean channels"]),
        ("[[sources]]\nname = 'a'\nchannels = [0]\n", ["sources[1].channels", "counted from 1"]),
        ("[[sources]]\nname = 'a'\nchannels = 'left'\n", ["sources[1].channels", "left"]),
        ("[[sources]]\nname = 'a'\nchannels = [1]\npick = [1]\n", ["sources[1]", "channels", "pick"]),
        ("[source]\nuse = 'demo'\n[[sources]]\nname = 'a'\n", ["source.use", "[[sources]]"]),
        ("[source]\nname = 'mic'\n[[sources]]\nname = 'a'\n", ["source.name", "1 sources"]),
        ("[sources]\nname = 'a'\n", ["[[sources]]"]),
        ("sources = 3\n", ["[[sources]]"]),
        ("[source]\nuse = 'url:radio'\n", ["url:radio", "https://"]),
        ("[source]\nuse = 'pulse'\n", ["pulse", "not complete"]),
    ],
)
def test_bad_sources_are_one_clear_error(path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, text)
    assert [word for word in words if word not in str(caught.value)] == []


def test_bad_sources_of_the_command_line_are_usage_errors(path: Path) -> None:
    for asked, word in {("demo", "b=demo"): "has no name", ("a=dmeo", "b=demo"): "did you mean demo"}.items():
        with pytest.raises(UsageError, match=word):
            load(path, "", *asked)
    with pytest.raises(RtgenreError, match="both called 'a'"):
        load(path, "", "a=demo", "a=demo")


def test_a_device_cannot_be_opened_in_two_ways() -> None:
    decks = [SourceSettings(name=n, use="device:DJM", sample_rate=rate) for n, rate in (("a", 44100), ("b", 48000))]
    with pytest.raises(ConfigError, match="a and b share 'device:DJM', but differ in sample_rate: 44100 and 48000"):
        captures.by_device(decks)


def test_addresses_need_no_prefix() -> None:
    assert source_kind("http://x.example/a") == ("url", "http://x.example/a")
    assert source_kind("url:https://x.example/a") == ("url", "https://x.example/a")
    assert source_kind("pulse:a.monitor") == ("pulse", "a.monitor")
