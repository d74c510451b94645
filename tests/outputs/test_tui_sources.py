"""Several sources on one screen: one is shown, the others have a line each."""

from __future__ import annotations

import pytest

from rtgenre.outputs.tui import Screen
from tests.outputs.story import LABELS, T0_NS, heartbeat, posterior, report, story
from tests.outputs.test_tui import JAZZ, POP, SECOND, text_of

NAMES = ("deck_a", "deck_b", "booth")


def three(*, unicode: bool = True) -> Screen:
    screen = Screen(unicode=unicode)
    for message in story(5, source="deck_a"):
        screen.on_message(message)
    screen.on_message(posterior(0, T0_NS + 6 * SECOND, JAZZ, source="deck_b", level_dbfs=-14.2))
    screen.on_message(posterior(0, T0_NS + 6 * SECOND, POP, source="booth", state="silence", level_dbfs=-91.0))
    reports = {name: report(description=f"device of {name}") for name in NAMES}
    screen.on_message(heartbeat(6, T0_NS + 6 * SECOND, **reports))
    return screen


def line_of(name: str, text: str) -> str:
    [line] = [line for line in text.splitlines()[1:] if f" {name} " in line]
    return line


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (100, 30), (160, 50)])
def test_sources_that_are_not_shown_have_a_line_each(size: tuple[int, int]) -> None:
    screen = three()
    text = text_of(screen, *size)
    deck_b, booth = line_of("deck_b", text), line_of("booth", text)
    assert "2 deck_b" in deck_b
    assert "jazz" in deck_b
    assert "55 %" in deck_b
    assert "−14.2 dBFS" in deck_b
    assert "3 booth" in booth
    assert "silence" in booth
    assert "%" not in booth
    assert ("device of booth" in booth) == (size[0] >= 80)
    screen.choose(2)
    text = text_of(screen, *size)
    assert "1 deck_a" in line_of("deck_a", text)
    assert "device of deck_b" in text.splitlines()[0]
    assert size[0] < 80 or all(label in text for label in LABELS)


def test_a_device_that_is_not_there_is_stale_before_it_ever_said_anything() -> None:
    screen = three()
    reports = {name: report(state="stale" if name == "gone" else "music") for name in (*NAMES, "gone")}
    screen.on_message(heartbeat(7, T0_NS + 7 * SECOND, **reports))
    assert "stale" in line_of("gone", text_of(screen))


def test_one_source_alone_has_the_whole_screen() -> None:
    screen = Screen()
    for message in story(5):
        screen.on_message(message)
    assert " 1 demo" not in "\n".join(text_of(screen).splitlines()[1:])


def test_a_screen_begins_with_the_source_that_was_asked_for() -> None:
    screen = three()
    screen.state.source = "booth"
    assert screen.source == "booth"
    assert "deck_a" in line_of("deck_a", text_of(screen))
    screen.state.source = "nobody"
    assert screen.source == "deck_a"


def test_many_sources_do_not_push_the_one_shown_away() -> None:
    screen = Screen(unicode=False)
    for k in range(20):
        screen.on_message(posterior(0, T0_NS, JAZZ, source=f"source_{k}"))
    text = text_of(screen, 100, 32)
    lines = [line for line in text.splitlines()[1:] if "source_" in line]
    assert len(lines) == 7
    assert "and 12 more: Tab" in text
    assert "posterior" in text
    assert text.isascii()
    for size in ((100, 9), (30, 4), (1, 1)):
        assert len(text_of(screen, *size).splitlines()) == size[1]


def test_a_stale_feed_makes_every_line_old() -> None:
    screen = three()
    screen.on_stale(9.0)
    assert "jazz" not in line_of("deck_b", text_of(screen))
    assert "stale" in line_of("deck_b", text_of(screen))
