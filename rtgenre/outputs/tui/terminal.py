"""The screen on a real terminal: ten pictures a second, keys, and the terminal given back whatever happens."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live

from rtgenre.errors import OutputError, RtgenreError
from rtgenre.outputs import wire
from rtgenre.outputs.tui.keyboard import open_keyboard
from rtgenre.outputs.tui.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from rich.console import RenderableType

PICTURES_PER_S = 10
_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name))


def show(
    next_messages: Callable[[], Sequence[wire.Message]],
    request: Callable[[str], object],
    *,
    console: Console | None = None,
    source: str = "",
) -> None:
    """Show a feed until ``q``.

    Belongs on the main thread, because signals are handled there. A signal that ends the program is answered by
    giving the terminal back first and then letting the signal do what it would have done.

    Args:
        next_messages: gives the messages that came since the last call; must not wait.
        request: sends a request (``"reset SOURCE"``) to the daemon; may take a second, may raise ``RtgenreError``.
        console: where to draw; standard output by default.
        source: name of the source to show first; empty, or one that is not there, for the first.

    Raises:
        OutputError: standard output is no terminal that can be drawn on.
        KeyboardInterrupt: Ctrl-C, after the terminal was given back.
    """
    # Where COLUMNS and LINES are exported, rich would keep to them, and not follow the terminal's size.
    console = console or Console(_environ={k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}})
    if not console.is_terminal or console.is_dumb_terminal:
        raise OutputError(
            f"the terminal UI cannot be drawn here (TERM={os.environ.get('TERM', '')!r})",
            "run it on a terminal, or pipe the output to get JSON lines",
        )
    screen = Screen(unicode=console.encoding.startswith("utf"))
    screen.state.source = source
    last_beat = time.monotonic()
    with Terminal(console) as terminal:
        while True:
            due = time.monotonic() + 1 / PICTURES_PER_S
            for message in next_messages():
                screen.on_message(message)
                if isinstance(message, wire.Heartbeat):
                    last_beat = time.monotonic()
            screen.on_stale(time.monotonic() - last_beat)
            terminal.draw(screen.render(*console.size))
            while not terminal.ending and (wait_s := due - time.monotonic()) > 0:
                typed = terminal.keyboard.wait(wait_s)
                for key in typed:
                    if key in "qQ":
                        return
                    on_key(key, screen, request)
                if typed:
                    terminal.draw(screen.render(*console.size))
            terminal.heed_signals()
            if terminal.ending:
                return


def on_key(key: str, screen: Screen, request: Callable[[str], object]) -> None:
    """Do what a key means; keys without a meaning are ignored."""
    screen.remark("")
    if key in "rR" and screen.source:
        try:
            request(f"reset {screen.source}")
            screen.remark(f"reset of {screen.source} asked for")
        except RtgenreError as error:
            screen.remark(error.message)
    elif key in "fF ":
        screen.toggle_freeze()
    elif key in "?hH":
        screen.toggle_help()
    elif key == "\t":
        screen.choose_next()
    elif key.isdecimal():
        screen.choose(int(key))


class Terminal:
    """The alternate screen, the keyboard and the signals, taken together and given back together.

    Args:
        console: where to draw.

    Attributes:
        keyboard: keys, without echo.
        ending: True once a signal asks the program to end.
    """

    def __init__(self, console: Console) -> None:
        self.keyboard = open_keyboard()
        self.ending = False
        self._console = console
        self._live: Live | None = None
        self._signal: int | None = None
        self._stop_wanted = False
        self._continued = False
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                self._handlers[number] = signal.signal(number, self._on_ending)
            if sys.platform != "win32":
                self._handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._on_stop)
                self._handlers[signal.SIGCONT] = signal.signal(signal.SIGCONT, self._on_continue)
        # A second net: some other part of the program may end it without unwinding this thread.
        atexit.register(self._give_back)
        try:
            self._take()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self._give_back()
        atexit.unregister(self._give_back)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as signal.signal returned it
        self._handlers.clear()
        if self._signal is not None:
            signal.raise_signal(self._signal)

    def draw(self, picture: RenderableType) -> None:
        """Show a picture now."""
        if self._live is not None:
            self._live.update(picture, refresh=True)

    def heed_signals(self) -> None:
        """Stop (Ctrl-Z) and go on where that was asked for; to be called between pictures."""
        if sys.platform == "win32":
            return
        if self._stop_wanted:
            self._stop_wanted = False
            self._give_back()
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, self._on_stop)
            self._continued = True
        if self._continued:
            # The shell may have changed everything while this program was stopped.
            self._continued = False
            self._give_back()
            self._take()

    def _take(self) -> None:
        self.keyboard.begin()
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()

    def _give_back(self) -> None:
        live, self._live = self._live, None
        # Each half is given back even where the other fails, as on a terminal that has gone away.
        with contextlib.suppress(OSError, ValueError):
            if live is not None:
                live.stop()
        self.keyboard.end()

    def _on_ending(self, number: int, _frame: FrameType | None) -> None:
        self._signal = number
        self.ending = True

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_wanted = True

    def _on_continue(self, _number: int, _frame: FrameType | None) -> None:
        self._continued = True
