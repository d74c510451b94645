"""Draw the terminal UI into an SVG: the picture in the README.

    python scripts/screenshot.py tcp://127.0.0.1:5560 --seconds 90
    rtgenre run --source demo > lines.jsonl; python scripts/screenshot.py lines.jsonl

The messages come from a feed that is running, or from a file of JSON lines as ``rtgenre run`` prints into a pipe.
"""

from __future__ import annotations

import argparse
import io
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from rtgenre.client import Subscriber
from rtgenre.outputs import wire
from rtgenre.outputs.tui import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLACK, _WHITE = (24, 27, 32), (222, 226, 230)
_COLOURS = [(250, 58, 19), (22, 193, 137), (234, 238, 48), (13, 121, 255), (175, 129, 202), (61, 243, 245)]
THEME = TerminalTheme(_BLACK, _WHITE, [_BLACK, *_COLOURS, _WHITE])
# The picture uses the reader's own monospaced font and fetches nothing.
SVG_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def from_feed(endpoint: str, seconds: float) -> Iterator[wire.Message]:
    """What a feed sends for some time."""
    end = time.monotonic() + seconds
    with Subscriber(endpoint) as feed:
        while (left := end - time.monotonic()) > 0:
            received = feed.receive(left)
            if received is not None:
                yield received.message


def from_file(path: Path) -> Iterator[wire.Message]:
    """What a file of JSON lines holds."""
    with path.open("rb") as lines:
        for line in lines:
            yield wire.decode(line)


def main() -> None:
    """Read the arguments, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("messages", help="address of a feed, or a file of JSON lines")
    parser.add_argument("--seconds", type=float, default=90.0, help="how long to listen (default: %(default)s)")
    parser.add_argument("--size", default="100x30", metavar="WxH", help="in cells (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("docs/tui.svg"), help="default: %(default)s")
    arguments = parser.parse_args()
    width, height = (int(n) for n in arguments.size.split("x"))

    screen = Screen()
    is_feed = "://" in arguments.messages
    source = from_feed(arguments.messages, arguments.seconds) if is_feed else from_file(Path(arguments.messages))
    for message in source:
        screen.on_message(message)
    console = Console(
        width=width, height=height, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(screen.render(width, height))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    # A fixed id keeps the file the same where the picture is the same.
    console.save_svg(str(arguments.out), title="rtgenre", theme=THEME, code_format=SVG_FORMAT, unique_id="rtgenre")
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
