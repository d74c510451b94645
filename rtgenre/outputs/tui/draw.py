"""Drawing with rich's segments: clipped text, bars, boxes. A line is a list of segments; widths are in cells.

rich's own tables and panels measure everything anew in each frame, which costs ten times as much.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

Line = list[Segment]

FRAME = "#68727f"
FAINT = "#8a929c"
GOOD = "#16c189"
WARN = "#ff9412"
BAD = "#fa3a13"


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters a terminal can show.

    Attributes:
        corners: top left, top right, bottom left, bottom right.
        horizontal: of frames.
        vertical: of frames.
        across: blocks filled from the left by 1/8, 2/8 … 8/8.
        upwards: blocks filled from below by 1/8 … 8/8.
        marker: stands before what is decided.
        bullet: stands before the state.
        peak: peak hold of the meter.
        dot: fills pauses.
        note: stands before a title.
        between: parts short remarks.
        minus: sign.
        ascii_only: True where all text has to be ASCII.
    """

    corners: tuple[str, str, str, str]
    horizontal: str
    vertical: str
    across: str
    upwards: str
    marker: str
    bullet: str
    peak: str
    dot: str
    note: str
    between: str
    minus: str
    ascii_only: bool

    def safe(self, text: str) -> str:
        """The text without anything that this terminal cannot show or that could steer it."""
        if self.ascii_only and not text.isascii():
            text = text.encode("ascii", "replace").decode()
        return text if text.isprintable() else "".join(c if c.isprintable() else self.dot for c in text)

    def fit(self, text: str, width: int) -> str:
        """Exactly ``width`` cells of safe text."""
        text = self.safe(text)
        if cell_len(text) > width > 3:
            text = set_cell_size(text, width - 1).rstrip() + ("~" if self.ascii_only else "…")
        return set_cell_size(text, width)


UNICODE = Glyphs(
    corners=("╭", "╮", "╰", "╯"),
    horizontal="─",
    vertical="│",
    across="▏▎▍▌▋▊▉█",
    upwards="▁▂▃▄▅▆▇█",
    marker="▶",
    bullet="●",
    peak="┃",
    dot="·",
    note="♪ ",
    between=" · ",
    minus="−",
    ascii_only=False,
)
ASCII = Glyphs(
    corners=("+", "+", "+", "+"),
    horizontal="-",
    vertical="|",
    across="  -===##",
    upwards="__..--==",
    marker=">",
    bullet="*",
    peak="|",
    dot=".",
    note="",
    between=", ",
    minus="-",
    ascii_only=True,
)


@lru_cache(maxsize=512)
def style(colour: str = "", background: str = "", *, bold: bool = False) -> Style:
    """A style, made once."""
    return Style(color=colour or None, bgcolor=background or None, bold=bold or None)


def line_width(line: Line) -> int:
    """Cells that a line takes."""
    return sum(segment.cell_length for segment in line)


def padded(line: Line, width: int) -> Line:
    """The line at exactly ``width`` cells, cut or filled with blanks."""
    missing = width - line_width(line)
    if missing > 0:
        return [*line, Segment(" " * missing)]
    return line if missing == 0 else Segment.adjust_line_length(line, width)


def spread(left: Line, right: Line, width: int) -> Line:
    """One line with something at both ends; the right end gives way where there is no room."""
    gap = width - line_width(left) - line_width(right)
    if gap < 1:
        return padded(left, width)
    return [*left, Segment(" " * gap), *right]


def bar(share: float, width: int, glyphs: Glyphs) -> str:
    """A bar to an eighth of a cell: ``width`` cells, blanks included."""
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    whole, part = divmod(eighths, 8)
    return (glyphs.across[7] * whole + (glyphs.across[part - 1] if part else "")).ljust(width)


def boxed(title: str, body: Sequence[Line], width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """A frame of ``width`` × ``height`` around lines that are ``width - 4`` wide; missing lines stay blank."""
    frame = style(FRAME)
    top_left, top_right, bottom_left, bottom_right = glyphs.corners
    side = Segment(glyphs.vertical, frame)
    shown = glyphs.fit(f" {title} ", min(cell_len(title) + 2, width - 4))
    rule = glyphs.horizontal * (width - 3 - cell_len(shown))
    lines: list[Line] = [
        [
            Segment(top_left + glyphs.horizontal, frame),
            Segment(shown, style(FAINT, bold=True)),
            Segment(rule + top_right, frame),
        ]
    ]
    blank: Line = [side, Segment(" " * (width - 2)), side]
    for i in range(height - 2):
        inner = body[i] if i < len(body) else None
        lines.append([side, Segment(" "), *padded(inner, width - 4), Segment(" "), side] if inner else blank)
    lines.append([Segment(bottom_left + glyphs.horizontal * (width - 2) + bottom_right, frame)])
    return lines


def beside(left: Sequence[Line], right: Sequence[Line]) -> list[Line]:
    """Two blocks of equal height next to each other."""
    return [[*a, *b] for a, b in zip(left, right, strict=True)]


def safe_line(line: Line, glyphs: Glyphs) -> Line:
    """The line with safe text only: the last gate before the terminal, for names come from afar."""
    return [
        s if s.text.isprintable() and not glyphs.ascii_only else Segment(glyphs.safe(s.text), s.style) for s in line
    ]


class Frame:
    """A finished picture of the whole screen, for rich to print.

    Args:
        lines: each of full width.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        for i, line in enumerate(self.lines):
            if i:
                yield Segment.line()
            yield from line
