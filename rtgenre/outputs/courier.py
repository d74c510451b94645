"""Carries messages from a mailbox to a counterpart that may be away: what MIDI, OSC, MQTT and text have in common."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from rtgenre.errors import OutputError
from rtgenre.outputs import wire
from rtgenre.outputs.mailbox import Mailbox

if TYPE_CHECKING:
    from rtgenre.outputs.wire import Envelope, SourceMessage

log = logging.getLogger(__name__)

CAPACITY = 4096  # messages kept while a counterpart is slow: a minute and a half of three sources
CHECK_S = 0.25  # how often it is asked whether the counterpart is still there
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0  # between two attempts to connect


class Counterpart(Protocol):
    """What is told; all of it runs in the courier's thread.

    Every method may raise ``OutputError`` or ``OSError`` where the counterpart is not to be reached: the courier
    then disconnects, and connects again later.
    """

    def connect(self) -> None:
        """Begin anew: nothing has been shown yet."""
        ...

    def show(self, message: SourceMessage) -> None:
        """Take what is heard now."""
        ...

    def beat(self, heartbeat: wire.Heartbeat) -> None:
        """Take the sign of life that comes once a second."""
        ...

    def check(self) -> None:
        """Look whether it is still there, and do what is due."""
        ...

    def disconnect(self) -> None:
        """Let go, whatever state it is in; what was shown last says already that nothing is heard."""
        ...


class Courier:
    """An output: one thread that reads a mailbox and tells one counterpart.

    The counterpart is always told the newest, in order: what comes late from another topic is left out. While it is
    away messages pass by (``unsent``), and when it is back it is told the present state first. When the feed falls
    silent, a source goes, or the courier ends, it is told that the source is ``stale``: nothing stands for ever.

    Args:
        name: for the log and the thread.
        counterpart: whom to tell.
        source: the only source to tell of; empty for the first that speaks; None for all.
        longest_wait_s: between two attempts to connect.

    Attributes:
        mailbox: where messages are put, by any thread; ``mailbox.dropped`` counts what it was too slow for.
        unsent: messages that passed while the counterpart was away.
        connections: times that it was connected.
    """

    def __init__(
        self,
        name: str,
        counterpart: Counterpart,
        source: str | None = None,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        self.mailbox: Mailbox[Envelope] = Mailbox(CAPACITY)
        self.unsent = 0
        self.connections = 0
        self._name = name
        self._counterpart = counterpart
        self._source = source
        self._longest_wait_s = longest_wait_s
        self._present: dict[str, SourceMessage] = {}  # source → the last of it
        self._t_heard = time.monotonic()
        self._connected = False
        self._t_next = 0.0  # when to try to connect
        self._wait_s = FIRST_WAIT_S
        self._missing_since: tuple[float, int] | None = None  # and ``unsent`` then
        self._told_dropped = 0
        # A daemon thread: a counterpart that never answers must not hold up the end of the program.
        self._thread = threading.Thread(target=self._run, name=f"rtgenre-{name}", daemon=True)

    def report(self) -> wire.OutputReport:
        """What the counterpart was not told; any thread."""
        return wire.OutputReport(dropped=self.mailbox.dropped, unsent=self.unsent + self.mailbox.ignored)

    def start(self) -> None:
        """Begin; a counterpart that is not there is waited for."""
        self._thread.start()

    def close(self, timeout_s: float = 3.0) -> None:
        """Tell what is left, say that it is over, and end; any thread, more than once is fine."""
        self.mailbox.end(self._thread, timeout_s)

    # Everything below runs in the courier's own thread.

    def _run(self) -> None:
        try:
            open_for_more = True
            while open_for_more:
                open_for_more = not self.mailbox.closed  # before draining: what was put before the end is still told
                self._keep_up()
                for envelope in self.mailbox.drain():
                    self._take(envelope.message)
                if open_for_more:
                    self.mailbox.wait(CHECK_S)
            self._all_stale()
            if self._connected:
                self._counterpart.disconnect()
        except (OutputError, OSError) as error:
            log.warning("%s ended before it could say so: %s", self._name, error)
        except Exception:  # a defect of ours must be visible, and must not stop the engine
            log.exception("%s stopped", self._name)
        finally:
            self.mailbox.release()

    def _take(self, message: wire.Message) -> None:
        if self._source == "" and not isinstance(message, wire.Heartbeat):
            self._source = message.source
        self._t_heard = time.monotonic()
        for name in [name for name, last in self._present.items() if last.session != message.session]:
            self._stale(name)  # the daemon was started anew, perhaps without it
            del self._present[name]
        if isinstance(message, wire.Heartbeat):
            self._tell(message)
        elif self._source in {None, message.source}:
            last = self._present.get(message.source)
            if last is None or message.t_publish_ns >= last.t_publish_ns:
                self._present[message.source] = message
                self._tell(message)

    def _tell(self, message: wire.Message) -> None:
        if not self._connected:
            self.unsent += 1
            return
        try:
            if isinstance(message, wire.Heartbeat):
                self._counterpart.beat(message)
            else:
                self._counterpart.show(message)
        except (OutputError, OSError) as error:
            self._lost(error)
            self.unsent += 1

    def _keep_up(self) -> None:
        now = time.monotonic()
        if self.mailbox.dropped != self._told_dropped:
            log.warning("%s was too slow for %d messages", self._name, self.mailbox.dropped - self._told_dropped)
            self._told_dropped = self.mailbox.dropped
        if now - self._t_heard > wire.STALE_AFTER_S:
            self._all_stale()
        try:
            if self._connected:
                self._counterpart.check()
            elif now >= self._t_next:
                self._counterpart.connect()
                self._arrived()
        except (OutputError, OSError) as error:
            self._lost(error)

    def _arrived(self) -> None:
        self._connected = True
        self.connections += 1
        self._wait_s = FIRST_WAIT_S
        if self._missing_since is not None:
            since, unsent = self._missing_since
            passed = self.unsent - unsent
            log.info("%s is back after %.1f s; %d messages passed", self._name, time.monotonic() - since, passed)
            self._missing_since = None
        for message in self._present.values():
            self._counterpart.show(message)

    def _lost(self, error: OutputError | OSError) -> None:
        now = time.monotonic()
        if self._missing_since is None:  # told once, however often it is tried
            self._missing_since = now, self.unsent
            log.warning("%s: %s; trying again", self._name, " → ".join(str(error).split("\n  → ")))
        if self._connected:
            self._connected = False
            try:
                self._counterpart.disconnect()
            except (OutputError, OSError) as another:
                log.debug("%s: %s", self._name, another)
        self._t_next = now + self._wait_s
        self._wait_s = min(2 * self._wait_s, self._longest_wait_s)

    def _all_stale(self) -> None:
        for name in self._present:
            self._stale(name)

    def _stale(self, name: str) -> None:
        last = self._present[name]
        if last.state != "stale" and self._source in {None, name}:
            self._present[name] = msgspec.structs.replace(last, state="stale", top=None)
            self._tell(self._present[name])  # type: ignore[arg-type]  # of the same kind as before
