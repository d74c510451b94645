"""The terminal UI: ``state`` reduces messages, ``panels`` draw them, ``screen`` arranges, ``terminal`` shows.

It reads the feed's messages and nothing else, so it looks the same in the daemon's terminal and from another
machine (``rtgenre watch``).
"""

from rtgenre.outputs.tui.screen import Screen
from rtgenre.outputs.tui.terminal import show

__all__ = ["Screen", "show"]
