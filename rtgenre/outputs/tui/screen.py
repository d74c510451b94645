"""The whole screen: messages in, picture out. Pure; any one thread."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.segment import Segment

from rtgenre.outputs.tui import panels, tables, timeline
from rtgenre.outputs.tui.draw import (
    ASCII,
    BAD,
    FAINT,
    UNICODE,
    WARN,
    Frame,
    Glyphs,
    Line,
    beside,
    boxed,
    padded,
    safe_line,
    spread,
    style,
)
from rtgenre.outputs.tui.state import FeedView, SourceView
from rtgenre.outputs.tui.wording import clock, word
from rtgenre.palette import genre_colours

if TYPE_CHECKING:
    from rtgenre.outputs import wire

KEYS = (
    ("q  Ctrl-C", "quit"),
    ("r", "reset the model's state of this source"),
    ("f  space", "freeze the picture; counting goes on"),
    ("Tab  1–9", "next source, or the one with this number"),
    ("?  h", "these lines"),
)
FULL_WIDTH, FULL_HEIGHT = 78, 23
_TABLE_HEIGHT = 8
_OTHERS_HEIGHT = 10  # on a smaller screen other sources have no lines


@dataclass(slots=True)
class ScreenState:
    """What the screen shows and how.

    Attributes:
        live: all that came.
        frozen: a copy of ``live`` at the moment of freezing; None while the picture moves.
        source: name of the source shown; empty for the first.
        help_shown: True while the keys are explained.
        remark: answer to the last key, until the next.
        colours: by label, for the labels of ``labels``.
        labels: of the source shown, one's own last.
    """

    live: FeedView = field(default_factory=FeedView)
    frozen: FeedView | None = None
    source: str = ""
    help_shown: bool = False
    remark: str = ""
    colours: dict[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


class Screen:
    """Draws a feed.

    Args:
        unicode: False where the terminal shows ASCII only.
    """

    def __init__(self, *, unicode: bool = True) -> None:
        self.state = ScreenState()
        self._glyphs: Glyphs = UNICODE if unicode else ASCII

    def on_message(self, message: wire.Message) -> None:
        """Take in a message of the feed."""
        self.state.live.on_message(message)

    def on_stale(self, seconds: float) -> None:
        """Take in for how long no heartbeat has come; the next heartbeat ends it."""
        self.state.live.silent_s = seconds
        if self.state.frozen is not None:
            self.state.frozen.silent_s = seconds

    @property
    def source(self) -> str:
        """Name of the source shown, empty before the first message."""
        sources = self._shown.sources
        return self.state.source if self.state.source in sources else next(iter(sources), "")

    def choose_next(self) -> None:
        """Show the next source."""
        names = list(self.state.live.sources)
        if names:
            self.state.source = names[(names.index(self.source) + 1) % len(names) if self.source in names else 0]

    def choose(self, number: int) -> None:
        """Show source ``number``, counted from 1; nothing happens where there is none."""
        names = list(self.state.live.sources)
        if 1 <= number <= len(names):
            self.state.source = names[number - 1]

    def toggle_freeze(self) -> None:
        """Hold the picture, or let it go on."""
        self.state.frozen = None if self.state.frozen is not None else copy.deepcopy(self.state.live)

    def toggle_help(self) -> None:
        """Show or hide the keys."""
        self.state.help_shown = not self.state.help_shown

    def remark(self, text: str) -> None:
        """Say something on the last line."""
        self.state.remark = text

    def render(self, width: int, height: int) -> Frame:
        """The picture at this size: exactly ``height`` lines of ``width`` cells."""
        view = self._shown.sources.get(self.source, SourceView())
        labels = (*view.last.probs, *view.last.own) if view.last is not None else ()
        if labels != self.state.labels:
            self.state.labels, self.state.colours = labels, genre_colours(labels)
        others = self._others(height)
        full = not self.state.help_shown and width >= FULL_WIDTH and height - len(others) >= FULL_HEIGHT
        room = height - len(others) - (3 if full else 2)
        if self.state.help_shown:
            body = self._help(width, room)
        elif full:
            body = self._full(view, width, room)
        else:
            body = self._compact(view, width, room)
        head = self._head(view, width)
        if full:
            head.append(self._identity(width))
        lines = [*head, *body, *others, self._foot(view, width)]
        return Frame([padded(safe_line(line, self._glyphs), width) for line in lines[:height]])

    @property
    def _shown(self) -> FeedView:
        return self.state.frozen or self.state.live

    def _head(self, view: SourceView, width: int) -> list[Line]:
        feed, glyphs = self._shown, self._glyphs
        state, _ = panels.present(view, feed)
        right: Line = []
        if self.state.frozen is not None:
            right.append(Segment(" FROZEN ", style("#000000", WARN, bold=True)))
            right.append(Segment("  "))
        right.append(Segment(f"{glyphs.bullet} {word(state)} ", style(panels.STATE_COLOURS[state], bold=True)))
        left: Line = [Segment(" rtgenre ", style(bold=True))]
        names = list(feed.sources)
        if names:
            left.append(Segment(f" {glyphs.fit(self.source, min(len(self.source), 20))}", style(bold=True)))
            if len(names) > 1:
                left.append(Segment(f" {names.index(self.source) + 1}/{len(names)}", style(FAINT)))
        if view.report is not None:
            report = view.report
            text = f"{glyphs.between}{glyphs.note}{view.title}" if view.title else ""
            text += f"{glyphs.between}{report.description}{glyphs.between}{report.sample_rate / 1000:g} kHz"
            text += f" {'x' if glyphs.ascii_only else '×'}{report.channels}"
            room = width - sum(s.cell_length for s in (*left, *right)) - 1
            left.append(Segment(glyphs.fit(text, max(0, min(len(text), room))), style(FAINT)))
        return [spread(left, right, width)]

    def _others(self, height: int) -> list[Line]:
        """One line for each source that is not shown, as far as there is room for them."""
        feed, colours, glyphs = self._shown, self.state.colours, self._glyphs
        names = [name for name in feed.sources if name != self.source]
        room = min(len(names), height // 4) if height >= _OTHERS_HEIGHT else 0
        if not room:
            return []
        shown = names if len(names) <= room else names[: room - 1]
        numbers = {name: number for number, name in enumerate(feed.sources, start=1)}
        lines = [panels.summary_line(numbers[name], name, feed, colours, glyphs) for name in shown]
        if len(shown) < len(names):
            lines.append([Segment(f" and {len(names) - len(shown)} more: Tab", style(FAINT))])
        return lines

    def _identity(self, width: int) -> Line:
        heartbeat, glyphs = self._shown.heartbeat, self._glyphs
        if heartbeat is None:
            return [Segment(" waiting for the feed", style(FAINT))]
        left = f" model {heartbeat.model.id}{glyphs.between}{heartbeat.device}"
        left += f"{glyphs.between}session {heartbeat.session[:8]}"
        right = f"up {clock(heartbeat.uptime_s)}{glyphs.between}v{heartbeat.version} "
        room = max(0, width - len(right) - 1)
        return spread(
            [Segment(glyphs.fit(left, min(len(left), room)), style(FAINT))], [Segment(right, style(FAINT))], width
        )

    def _foot(self, view: SourceView, width: int) -> Line:
        feed, glyphs = self._shown, self._glyphs
        keys: Line = []
        for key, what in (("q", "quit"), ("r", "reset"), ("f", "freeze"), ("?", "help")):
            keys += [Segment(key, style(bold=True)), Segment(f" {what}  ", style(FAINT))]
        colour = FAINT
        if feed.stale:
            dash = "-" if glyphs.ascii_only else "–"
            text, colour = f"feed stale for {feed.silent_s:.0f} s {dash} waiting", BAD
        else:
            text = self.state.remark or (view.report.notice if view.report else "")
        room = max(0, width - sum(s.cell_length for s in keys) - 2)
        if room < 24:
            keys, room = [], width - 1
        return spread([Segment(" " + glyphs.fit(text, min(len(text), room)), style(colour))], keys, width)

    def _full(self, view: SourceView, width: int, height: int) -> list[Line]:
        """Framed panels: above, now and posterior; the last minutes; latency and counters below."""
        feed, glyphs, colours = self._shown, self._glyphs, self.state.colours
        left = min(46, max(32, width * 2 // 5))
        right = width - left
        bars_height = len(colours) + 2
        strip_height = max(4, min(7, height - _TABLE_HEIGHT - bars_height))
        rest = height - strip_height
        roomy = rest >= bars_height + _TABLE_HEIGHT
        now_height = rest - _TABLE_HEIGHT
        # Without room for both below each other, the counters run on instead of standing in columns.
        bars_height = now_height if roomy else min(bars_height, rest - 4)
        tally_height = rest - bars_height

        def posterior() -> list[Line]:
            return panels.bar_lines(view, feed, colours, right - 4, bars_height - 2, glyphs)

        def tally() -> list[Line]:
            draw = tables.counter_lines if roomy else tables.counter_flow
            return draw(view, feed, right - 4, tally_height - 2)

        since = ""
        if view.last is not None:
            age = clock(view.last.age_s)
            since = f"track {view.last.track}{glyphs.between}{age}" if view.last.track else f"{age} since reset"
            since = glyphs.between + since
        now = panels.now_lines(view, feed, colours, left - 4, now_height - 2, glyphs)
        latency = tables.latency_lines(view, left - 4, glyphs)
        west = [
            *boxed(f"now{since}", now, left, now_height, glyphs),
            *boxed("latency, ms, last minute", latency, left, _TABLE_HEIGHT, glyphs),
        ]
        east = [
            *boxed("posterior", posterior(), right, bars_height, glyphs),
            *boxed("counters", tally(), right, tally_height, glyphs),
        ]
        both = beside(west, east)
        strip = timeline.strip_lines(view, feed, colours, width - 4, strip_height - 2, glyphs)
        span = clock((width - 4) * timeline.seconds_per_cell(width - 4))
        framed = boxed(f"last {span}", strip, width, strip_height, glyphs)
        return [*both[:now_height], *framed, *both[now_height:]] if roomy else [*both, *framed]

    def _compact(self, view: SourceView, width: int, height: int) -> list[Line]:
        """The same without frames, most important first; what does not fit is left out."""
        feed, glyphs, colours = self._shown, self._glyphs, self.state.colours
        inner = width - 2
        state, top = panels.present(view, feed)
        colour = colours.get(top, "") if top else panels.STATE_COLOURS[state]
        said: Line = [Segment((top or word(state)).upper(), style(colour, bold=True))]
        if top and view.last is not None:
            since = clock((feed.now_ns - view.since_ns) / 1e9)
            said.append(Segment(f" {100 * view.last.confidence:.0f} %", style(bold=True)))
            said.append(Segment(f" for {since}", style(FAINT)))
        meter_width = inner - sum(s.cell_length for s in said) - 2
        if meter_width >= 24:
            [meter] = panels.meter_lines(view, feed, meter_width, glyphs, scale=False)
            said = [*said, Segment("  "), *meter]
        below: list[Line] = []
        if height >= 8:
            below += timeline.strip_lines(view, feed, colours, inner, 2, glyphs)
        if height >= 10:
            below += [[], tables.latency_line(view, glyphs), *tables.counter_flow(view, feed, inner, 1, zeros=False)]
        above: list[Line] = [said, []] if height >= 12 else [said]
        room = height - len(above) - len(below) - (1 if height >= 9 else 0)
        bars = panels.bar_lines(view, feed, colours, inner, max(1, room), glyphs)[: max(0, room)]
        body = [*above, *bars]
        body += [[]] * (height - len(body) - len(below))
        return [[Segment(" "), *line] for line in (*body, *below)][:height]

    def _help(self, width: int, height: int) -> list[Line]:
        glyphs = self._glyphs
        lines: list[Line] = [[]]
        for key, what in KEYS:
            shown = [Segment(glyphs.fit(key.replace("–", "-"), 12), style(bold=True)), Segment(what, style(FAINT))]
            lines += [shown, []]
        return boxed("keys", lines, width, height, glyphs)
