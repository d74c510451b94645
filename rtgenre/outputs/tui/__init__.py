"""The terminal UI: messages of the feed in, pictures out.

``state`` reduces messages; ``panels``, ``timeline`` and ``tables`` draw; ``screen`` arranges; ``terminal`` shows.
It reads the feed's messages and nothing else, so it looks the same in the daemon's terminal and from another
machine (``rtgenre watch``).
"""

from rtgenre.outputs.tui.screen import Screen
from rtgenre.outputs.tui.terminal import show

__all__ = ["Screen", "show"]
