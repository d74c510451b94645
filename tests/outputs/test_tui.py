"""What the screen knows and draws, at any size and in any terminal."""

from __future__ import annotations

import io
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from rtgenre.errors import FeedError, OutputError
from rtgenre.outputs.tui import Screen, show
from rtgenre.outputs.tui.letters import large
from rtgenre.outputs.tui.state import FeedView, LatencyWindow, Strip
from rtgenre.outputs.tui.terminal import on_key
from rtgenre.outputs.tui.wording import clock, milliseconds, number
from rtgenre.outputs.wire import Latency
from tests.outputs.story import LABELS, T0_NS, decision, heartbeat, posterior, report, story, track

SECOND = 1_000_000_000
JAZZ = dict.fromkeys(LABELS, 0.05) | {"jazz": 0.55}
POP = dict.fromkeys(LABELS, 0.05) | {"pop": 0.55}


def told(seconds: float = 100, *, unicode: bool = True) -> Screen:
    screen = Screen(unicode=unicode)
    for message in story(seconds):
        screen.on_message(message)
    return screen


def text_of(screen: Screen, width: int = 100, height: int = 30) -> str:
    return "\n".join("".join(s.text for s in line) for line in screen.render(width, height).lines)


# Knowing.


def test_a_cell_of_the_strip_shows_what_was_heard_for_most_of_it() -> None:
    strip = Strip()
    for i, label in enumerate(["jazz", "jazz", "pop", "rock", "rock", "rock"]):
        strip.add((100 + i) * SECOND, ("music", label), 0.5)
    # Cells are whole multiples of three seconds: 99-101, 102-104, 105-107.
    assert [cell and cell.heard[1] for cell in strip.cells(4, 3, 105)] == [None, "jazz", "rock", "rock"]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3 * SECOND), st.sampled_from(LABELS), st.floats(0, 1)), max_size=60),
    st.sampled_from([1, 2, 5]),
)
def test_cells_of_the_strip_hold_what_was_said_in_their_seconds(
    hops: list[tuple[int, str, float]], per_cell: int
) -> None:
    strip, t_ns, said = Strip(), 0, {}
    for step_ns, label, confidence in hops:
        t_ns += step_ns
        strip.add(t_ns, ("music", label), confidence)
        said.setdefault(t_ns // SECOND // per_cell, []).append((label, confidence))
    last = t_ns // SECOND // per_cell
    cells = strip.cells(12, per_cell, t_ns // SECOND)
    for i, cell in enumerate(cells):
        heard = said.get(last - 11 + i, [])
        assert (cell is not None) == bool(heard)
        if cell is not None:
            assert cell.heard[1] in {label for label, _ in heard}
            confidences = [c for _, c in heard]
            assert min(confidences) - 1e-9 <= cell.confidence <= max(confidences) + 1e-9


def test_latency_percentiles_cover_the_last_minute_only() -> None:
    window = LatencyWindow()
    for k in range(1200):
        ms = 500.0 if k < 500 else 1.0 + k % 100
        window.add(k * SECOND // 10, Latency(ms, 0, 0, 0, ms))
    assert window.table is not None
    seen = [1.0 + k % 100 for k in range(1191 - 599, 1191)]
    np.testing.assert_allclose(window.table[4], np.percentile(seen, (50, 95, 99)), atol=1.0)


def test_latency_window_keeps_its_size() -> None:
    window = LatencyWindow()
    for k in range(20_000):
        window.add(k * 1_000_000, Latency(1, 1, 1, 1, 4))
    assert window.ms.shape == (8192, 5)
    assert window.table is not None
    assert window.table[4].tolist() == [4, 4, 4]


def test_missed_messages_are_counted_by_their_numbers() -> None:
    view = FeedView()
    for seq in (5, 6, 9, 10):
        view.on_message(posterior(seq, T0_NS + seq, JAZZ))
    assert view.sources["demo"].missed == 2


def test_a_new_session_starts_afresh() -> None:
    view = FeedView()
    view.on_message(posterior(50, T0_NS, JAZZ))
    view.on_message(posterior(0, 5, POP, session="s2"))
    assert view.now_ns == 5
    assert view.sources["demo"].missed == 0
    assert view.sources["demo"].last is not None
    assert view.sources["demo"].last.top == "pop"


def test_since_when_a_decision_stands_is_known_after_joining_late() -> None:
    late = posterior(900, T0_NS + 90 * SECOND, JAZZ)
    for messages in ([decision(late, T0_NS), late], [late, decision(late, T0_NS)]):
        view = FeedView()
        for message in messages:
            view.on_message(message)
        assert view.sources["demo"].since_ns == T0_NS
    view.on_message(posterior(901, T0_NS + 91 * SECOND, POP))
    assert view.sources["demo"].since_ns == T0_NS + 91 * SECOND


def test_the_peak_is_held_and_then_falls() -> None:
    view = FeedView()
    levels = [-3.0] + [-40.0] * 40
    peaks = []
    for k, level in enumerate(levels):
        view.on_message(posterior(k, T0_NS + k * SECOND // 10, JAZZ, level_dbfs=level))
        peaks.append(view.sources["demo"].peak_dbfs)
    assert peaks[15] == -3.0
    assert -40.0 <= peaks[-1] < -30.0
    assert all(a >= b for a, b in pairwise(peaks))


def test_stopped_sound_is_no_latency() -> None:
    view = FeedView()
    view.on_message(posterior(0, T0_NS, JAZZ, total_ms=50))
    view.on_message(posterior(1, T0_NS + 2 * SECOND, JAZZ, state="stale", total_ms=9000))
    assert view.sources["demo"].latency.n == 1


# Drawing.


@settings(deadline=None)
@given(st.integers(1, 220), st.integers(1, 70), st.booleans(), st.sampled_from([0, 1, 30]))
def test_every_size_is_filled_exactly(width: int, height: int, unicode: bool, seconds: float) -> None:
    screen = told(seconds, unicode=unicode)
    for shown in range(2):
        if shown:
            screen.toggle_help()
        frame = screen.render(width, height)
        assert len(frame.lines) == height
        assert {sum(s.cell_length for s in line) for line in frame.lines} == {width}


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (100, 30), (160, 50)])
def test_the_essentials_are_on_every_screen(size: tuple[int, int]) -> None:
    text = text_of(told(25), *size)
    for word in ("rtgenre", "demo", "music", "dBFS", "latency", "hops", "now", *LABELS):
        assert word in text
    assert "▶ classical" in text


def test_a_full_screen_shows_every_counter_and_stage() -> None:
    screen = told(20)
    screen.on_message(heartbeat(21, T0_NS + 21 * SECOND, demo=report(xruns=3, gap_samples=123_456, late_hops=7)))
    text = text_of(screen)
    for word in ("xruns", "dropped", "gap samples", "clipped", "non-finite", "restarts", "late hops", "resets"):
        assert word in text
    for word in ("subscribers", "feed dropped", "missed here", "p50", "p95", "p99", "capture", "frontend", "model"):
        assert word in text
    assert "123k" in text
    assert "gtzan-lstm" in text
    assert "session s1" in text


def test_bars_stay_in_the_order_of_the_labels() -> None:
    text = text_of(told(100), 100, 30)
    rows = [next(line for line in text.splitlines() if f" {label} " in line[40:]) for label in LABELS]
    assert [text.splitlines().index(row) for row in rows] == sorted(text.splitlines().index(row) for row in rows)


@pytest.mark.parametrize("size", [(40, 10), (60, 16), (100, 30)])
def test_a_stale_feed_is_said_plainly_and_a_heartbeat_ends_it(size: tuple[int, int]) -> None:
    screen = told(20)
    screen.on_stale(7.2)
    text = text_of(screen, *size)
    assert "feed stale for 7 s – waiting" in text
    assert "▶" not in text
    screen.on_message(heartbeat(21, T0_NS + 21 * SECOND))
    assert "stale" not in text_of(screen, *size)


@pytest.mark.parametrize("size", [(100, 30), (78, 23), (60, 16)])
def test_own_labels_stand_below_the_models(size: tuple[int, int]) -> None:
    screen = told(5)
    own = {"dub techno": 0.07, "my fridge": 0.81}
    screen.on_message(msgspec.structs.replace(posterior(51, T0_NS + 6 * SECOND, JAZZ), own=own))
    text = text_of(screen, *size)
    where = [text.index(f" {name[:4]}") for name in own]
    assert all(place > text.index(label[:4]) for place in where for label in LABELS[:4])
    assert "81 %" in text
    assert "+ dub" in text, "an own label that is not heard has its own sign"
    assert "+ my f" not in text, "one that is heard is marked as what is decided is"


def test_silence_takes_the_colour_out_of_the_bars() -> None:
    def colours(screen: Screen) -> set[str]:
        lines = screen.render(60, 16).lines[3:8]
        return {s.style.color.name for line in lines for s in line if s.style and s.style.color and "█" in s.text}

    assert colours(told(25)) == {"#af81ca"}
    assert colours(told(36)) == {"#8a929c"}


def test_text_from_the_feed_cannot_steer_the_terminal() -> None:
    screen = Screen()
    evil = "\x1b]0;owned\x07\x1b[2J\n\r\x9b"
    screen.on_message(heartbeat(0, T0_NS, **{f"mic{evil}": report(description=evil, notice=evil)}))
    screen.on_message(posterior(0, T0_NS, {evil: 0.6, "pop": 0.4}, source=f"mic{evil}"))
    for size in ((60, 16), (100, 30)):
        assert all(line.isprintable() for line in text_of(screen, *size).splitlines())


def test_a_terminal_without_unicode_gets_ascii() -> None:
    screen = told(60, unicode=False)
    screen.on_message(heartbeat(61, T0_NS + 61 * SECOND, demo=report(notice="schöne Musik")))
    screen.on_stale(6)
    for size in ((60, 16), (120, 40)):
        assert text_of(screen, *size).isascii()


def test_without_colours_the_band_still_names_its_genres() -> None:
    console = Console(width=160, height=45, file=io.StringIO(), force_terminal=True, no_color=True)
    console.print(told(50).render(160, 45))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "38;2" not in text
    assert "disco" in text
    assert "▏classical" in text


def test_a_track_is_counted_and_marked_even_where_the_genre_stays_the_same() -> None:
    screen = Screen()
    for k in range(600):
        message = posterior(k, T0_NS + k * SECOND // 10, {"disco": 0.8, "pop": 0.2})
        screen.on_message(msgspec.structs.replace(message, track=1 + k // 300, age_s=k % 300 / 10))
    text = text_of(screen, 160, 45)
    assert "now · track 2 · 0:29" in text
    assert text.count("▏disco") == 2
    assert "disco disco" not in text


@pytest.mark.parametrize("size", [(100, 30), (60, 14), (48, 8)])
@pytest.mark.parametrize("unicode", [True, False])
def test_the_title_that_a_station_tells_is_shown_until_another_comes(size: tuple[int, int], unicode: bool) -> None:
    screen, last = Screen(unicode=unicode), posterior(0, T0_NS, JAZZ)
    screen.on_message(heartbeat(demo=report(description="radio.example/a/long/path/to/some/stream.mp3")))
    screen.on_message(last)
    for title in ("", "Monk - Misterioso\x1b[2J", "Mingus - Moanin'"):
        screen.on_message(track(last, title))
        shown = text_of(screen, *size)
        assert ("Monk - Misterioso" in shown) == title.startswith("Monk")
        assert ("Mingus - Moanin'" in shown) == title.startswith("Mingus")
        assert "\x1b" not in shown


def test_freezing_holds_the_picture_while_counting_goes_on() -> None:
    screen = told(10)
    screen.toggle_freeze()
    before = text_of(screen)
    assert "FROZEN" in before
    for message in story(40):
        screen.on_message(message)
    assert text_of(screen) == before
    screen.toggle_freeze()
    assert "FROZEN" not in text_of(screen)
    assert "39 since reset" in text_of(screen)


def test_keys_go_through_the_sources() -> None:
    screen = Screen()
    for name in ("mic", "line", "booth"):
        for message in story(2, source=name):
            screen.on_message(message)
    seen = [screen.source]
    for key in "\t\t\t31":
        on_key(key, screen, lambda _: None)
        seen.append(screen.source)
    assert seen == ["mic", "line", "booth", "mic", "booth", "mic"]
    on_key("9", screen, lambda _: None)
    assert screen.source == "mic"


def test_reset_asks_for_the_source_shown_and_says_what_came_of_it() -> None:
    asked: list[str] = []
    screen = told(5)
    on_key("r", screen, asked.append)
    assert asked == ["reset demo"]
    assert "reset of demo asked for" in text_of(screen)

    def refuse(_: str) -> None:
        raise FeedError("no daemon answers", "start it")

    on_key("r", screen, refuse)
    assert "no daemon answers" in text_of(screen)
    on_key("?", screen, refuse)
    assert "freeze the picture" in text_of(screen)


def test_a_pipe_is_no_terminal() -> None:
    with pytest.raises(OutputError, match="cannot be drawn here"):
        show(list, lambda _: None, console=Console(file=io.StringIO()))


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3600, "1:00:00"), (-1, "0:00")]
)
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


@pytest.mark.parametrize(("value", "shown"), [(0, "0"), (9999, "9999"), (10_000, "10k"), (12_345_678, "12M")])
def test_number(value: int, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.018, "0.02"), (9.999, "10.0"), (46.12, "46.1"), (1234.5, "1234")])
def test_milliseconds(value: float, shown: str) -> None:
    assert milliseconds(value) == shown


def test_large_letters_are_three_even_lines_or_nothing() -> None:
    lines = large("hip-hop 90", 80)
    assert lines is not None
    assert len({len(line) for line in lines}) == 1
    assert large("classical", 20) is None
    assert large("ジャズ", 80) is None
