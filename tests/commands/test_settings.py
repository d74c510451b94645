"""``rtgenre config check`` finds what the daemon would refuse, in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rtgenre import app, config
from rtgenre.commands import settings
from rtgenre.errors import EX_CONFIG, RtgenreError
from rtgenre.outputs.settings import WebSettings
from tests.in_process import here
from tests.test_daemon import one_error, rtgenre

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real
TWO = '[[sources]]\nname = "a"\nuse = "demo"\n[[sources]]\nname = "b"\nuse = "demo"\n'
REFUSED = {
    "a page for strangers": '[web]\nenabled = true\nhost = "0.0.0.0"\n',
    "a short token": '[web]\nenabled = true\ntoken = "abc"\n',
    "no target": '[osc]\nenabled = true\ntargets = ["resolum"]\n',
    "no address": '[osc]\nenabled = true\ndecided = "{gener}"\n',
    "no password": '[mqtt]\nenabled = true\nusername = "me"\npassword_file = "/nowhere/password"\n',
    "no field": '[text]\nenabled = true\ntemplate = "{gener}"\n',
    "sound for nobody": "[record]\nsound = true\n",
    "a file as a folder": '[record]\nfolder = "FOLDER/config.toml/friday"\n',
    "no such source": TWO + '[text]\nenabled = true\nsource = "c"\n',
    "one port for both": '[feed]\npublish = "tcp://127.0.0.1:5999"\ncontrol = "tcp://localhost:5999"\n',
    "one port, everywhere": '[feed]\npublish = "tcp://127.0.0.1:5999, tcp://[::1]:5999"\ncontrol = "tcp://[::1]:05999"\n',
    "one port twice": '[feed]\npublish = "tcp://127.0.0.1:5999, tcp://127.0.0.1:5999"\n',
    "one socket for both": '[feed]\npublish = "ipc://FOLDER/feed"\ncontrol = "ipc://FOLDER//feed"\n',
    "a socket nowhere": '[feed]\ncontrol = "ipc://FOLDER/nowhere/control"\n',
    "a page on the feed": "[web]\nenabled = true\nport = 5560\n",
    "a page on the control port": '[web]\nenabled = true\nhost = "localhost"\nport = 5561\n',
    "one device, two ways": TWO.replace("demo", "device:x") + "sample_rate = 8000\n",
}


def written(name: str, folder: Path) -> Path:
    path = folder / "config.toml"
    path.write_text(REFUSED[name].replace("FOLDER", str(folder)))
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_refused_at_the_start_is_found(name: str, tmp_path: Path) -> None:
    with pytest.raises(RtgenreError) as found:
        settings.check(config.load(written(name, tmp_path), environ={}))
    assert found.value.remedy


@pytest.mark.parametrize("name", ["a page for strangers", "a file as a folder", "no such source"])
def test_it_is_said_in_the_words_of_the_daemon(name: str, tmp_path: Path) -> None:
    path = written(name, tmp_path)
    found = rtgenre("config", "check", "--config", str(path))
    demo = [] if "[[sources]]" in REFUSED[name] else ["--source", "demo"]
    refused = rtgenre("run", *demo, "--no-feed", "--quiet", "--config", str(path))
    one_error(found, refused.returncode)
    assert found.stderr == refused.stderr
    assert found.returncode in {69, 78}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("one port for both", ["feed.publish", "feed.control", "5999"]),
        ("a socket nowhere", ["feed.control", "no folder", "mkdir"]),
        ("a page on the feed", ["feed.publish", "web.port", "5560"]),
    ],
)
def test_settings_in_each_others_way_are_no_other_program(name: str, words: list[str], tmp_path: Path) -> None:
    """Told before anything is bound: both by the check and at the start."""
    path = written(name, tmp_path)
    found = here("config", "check", "--config", str(path))
    refused = rtgenre("run", "--source", "demo", "--quiet", "--config", str(path))
    one_error(found, EX_CONFIG, *words)
    assert refused.returncode == EX_CONFIG
    assert found.stderr == refused.stderr
    assert b"another" not in found.stderr


def test_what_only_looks_alike_is_fine() -> None:
    apart = [
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*"),
        ("tcp://127.0.0.1:5999, tcp://127.0.0.2:5999", "tcp://[::1]:5999"),
        ("ipc://@feed", "ipc://feed"),
        ("ipc://*", "ipc://*"),
    ]
    for publish, control in apart:
        feed = config.FeedSettings(publish=publish, control=control)
        app.check_outputs(config.Settings(feed=feed, web=WebSettings(enabled=True, port=5999, host="127.0.0.3")))
        assert app.feed_curve(feed) is None
    app.OUTPUTS["web"](config.Settings(web=WebSettings(port=5560))).close()  # a bridge opens no feed


def test_what_is_fine_is_fine_and_nothing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        TWO + f"[record]\nfolder = '{tmp_path}/new/folder'\n"
        + "".join(f"[{name}]\nenabled = true\n" for name in ("web", "midi", "osc", "mqtt"))
        + f"[text]\nenabled = true\npath = '{tmp_path}/genre.txt'\nsource = 'b'\n"
    )  # fmt: skip
    assert rtgenre("config", "check", "--config", str(path)).returncode == 0
    assert [one.name for one in tmp_path.iterdir()] == ["config.toml"]
