"""The text file as its readers see it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec
import pytest

from rtgenre.errors import ConfigError
from rtgenre.outputs.settings import TextSettings
from rtgenre.outputs.textfile import check_template, open_text
from tests.outputs.telling import envelope, heard
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path


def test_the_genre_and_nothing_in_silence_at_the_start_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "genre.txt"
    path.write_text("of yesterday")
    output = open_text(TextSettings(path=str(path)))
    output.start()
    assert eventually(lambda: path.read_text() == "")
    for top, expected in (("disco", "disco"), (None, ""), ("jazz", "jazz")):
        output.mailbox.put(envelope(heard(top)))
        assert eventually(lambda expected=expected: path.read_text() == expected)
    output.close()
    assert path.read_text() == ""
    assert list(tmp_path.iterdir()) == [path]


def test_a_template_is_filled_in_and_numbers_come_now_and_then(tmp_path: Path) -> None:
    path = tmp_path / "genre.txt"
    settings = TextSettings(path=str(path), template="♪ {genre} {confidence:.0%} ({source})", every_s=3600)
    output = open_text(settings)
    output.start()
    output.mailbox.put(envelope(heard("disco", p=0.5)))
    output.mailbox.put(envelope(heard("disco", p=0.7)))
    assert eventually(lambda: path.exists() and path.read_text(encoding="utf-8") == "♪ disco 50% (mic)")
    output.mailbox.put(envelope(heard("jazz", p=0.9)))
    assert eventually(lambda: path.read_text(encoding="utf-8") == "♪ jazz 90% (mic)")
    output.close()


def test_a_label_of_ones_own_is_said_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "genre.txt"
    output = open_text(TextSettings(path=str(path), template="{genre}|{own}", every_s=3600))
    output.start()
    for message, expected in (
        (heard("disco", dub=0.4), "disco|"),
        (heard("disco", dub=0.6), "disco|dub"),
        (msgspec.structs.replace(heard(None, dub=0.9), state="unknown"), "|dub"),
        (heard(None, dub=0.9), ""),
    ):
        output.mailbox.put(envelope(message))
        assert eventually(lambda expected=expected: path.exists() and path.read_text() == expected)
    output.close()


def test_no_reader_ever_sees_half_a_text(tmp_path: Path) -> None:
    path = tmp_path / "genre.txt"
    output = open_text(TextSettings(path=str(path), template="{genre}" * 2000, every_s=0))
    output.start()
    assert eventually(path.exists)
    seen: set[str] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(200):
        for top in ("disco", "jazz", None):
            output.mailbox.put(envelope(heard(top)))
    output.close(10)
    stop.set()
    reader.join()
    assert seen <= {"", "disco" * 2000, "jazz" * 2000}
    assert path.read_text() == ""


def test_a_folder_that_comes_later_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "stick" / "genre.txt"
    output = open_text(TextSettings(path=str(path)))
    output.start()
    output.mailbox.put(envelope(heard("disco")))
    assert eventually(lambda: "trying again" in caplog.text)
    assert str(path.parent) in caplog.text
    path.parent.mkdir()
    assert eventually(lambda: path.exists() and path.read_text() == "disco")
    output.close()


@pytest.mark.parametrize(
    "template", ["{gnre}", "{genre", "{0}", "{genre.upper}", "{genre[0]}", "{confidence:zz}", "{}"]
)
def test_a_template_that_cannot_be_filled_in_is_one_clear_error(template: str) -> None:
    with pytest.raises(ConfigError, match=r"text\.template"):
        check_template(template)
    check_template("{{{genre}}} {confidence:5.1%} {source} {track}")
