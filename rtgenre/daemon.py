"""The daemon: the desk with its sources, the feed and the other outputs, until a signal or the end of the sound."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtgenre import __version__, app
from rtgenre.errors import EX_INTERRUPT, EX_OK, EX_UNAVAILABLE, UsageError
from rtgenre.outputs import wire
from rtgenre.outputs.fanout import FanOut
from rtgenre.outputs.interface import Asking
from rtgenre.outputs.jsonlines import JsonLines
from rtgenre.outputs.zmq_feed import ZmqFeed, seen_from_here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from rtgenre.config import Settings
    from rtgenre.desk import Desk
    from rtgenre.outputs.interface import Output
    from rtgenre.outputs.recorder import Recorder

log = logging.getLogger(__name__)

HEARTBEAT_S = 1.0
WATCH_S = 0.2  # how often the main thread looks whether the UI is still there


@dataclass(frozen=True, slots=True)
class Presentation:
    """How the daemon shows itself on its own terminal.

    Attributes:
        screen: run the terminal UI, in a process of its own, as a subscriber of the feed.
        lines: write messages to stdout as JSON lines.
        screen_lost: called when the UI was killed: puts the terminal right and lets the log through.
        source: name of the source that the UI shows first; empty for the first.
    """

    screen: bool
    lines: bool
    screen_lost: Callable[[], object] = lambda: None
    source: str = ""


class _Leaving(BaseException):  # nobody on the way may take it for an error
    """The end was asked for before serving began."""


class Daemon:
    """Wires and runs everything; the main thread's.

    Args:
        settings: validated.
        presentation: what to show here.
    """

    def __init__(self, settings: Settings, presentation: Presentation) -> None:
        self.settings = settings
        self.presentation = presentation
        self.session = str(uuid.uuid4())
        self._t_start = time.monotonic()
        self._stop = threading.Event()
        self._wake = threading.Event()  # set when the main thread has something to do before the next heartbeat
        self._only_waits = False  # for devices: the one place where a signal may break into what is done
        self._exit_code = EX_OK
        self._desk: Desk | None = None
        self._feed: ZmqFeed | None = None
        self._outputs: dict[str, Output] = {}  # all that read messages, the feed among them
        self._model = wire.ModelId("", "")
        self._model_device = ""
        self._labels: tuple[str, ...] = ()
        self._own_labels: tuple[str, ...] = ()
        self._heartbeats = 0

    def run(self) -> int:
        """Start, serve, and put everything back.

        Returns:
            The exit code: 0 at the end of the sound, on ``q``, SIGTERM and SIGHUP, 130 on SIGINT.

        Raises:
            RtgenreError: it cannot start, or a source failed for good.
        """
        with contextlib.suppress(_Leaving), contextlib.ExitStack() as stack:
            stack.enter_context(self._signals())
            # The sources come first: their child processes start while numba loads here.
            recorder = app.open_recorder(self.settings.record)
            if recorder is not None:
                stack.callback(recorder.close)  # last of all, whatever happens before it is started
            desk = self._start_desk(stack, recorder)
            self._look()
            self._open_outputs(stack, recorder)
            self._look()
            self._open_model(desk)
            self._look()
            desk.run()
            for engine in desk.engines:
                names = ", ".join(stream.info.name for stream in engine.streams)
                log.info("%s: listening to %s", names, engine.info.description)
            log.info("model %s on %s", self._model.id, self._model_device)
            if self._feed is not None:
                log.info("feed at %s, control at %s", *map(", ".join, self._feed.addresses))
            self._serve(desk, self._open_screen(stack) if self.presentation.screen else None)
        if desk.error is not None:
            raise desk.error
        return self._exit_code

    # Starting.

    def _start_desk(self, stack: contextlib.ExitStack, recorder: Recorder | None) -> Desk:
        from rtgenre.desk import Desk

        desk = Desk(self.settings.all_sources, self._wake.set, recorder.tap if recorder else lambda source: source)
        stack.callback(desk.close)
        desk.start()
        return desk

    def _open_outputs(self, stack: contextlib.ExitStack, recorder: Recorder | None) -> None:
        feed = self.settings.feed
        if feed.enabled:
            self._feed = ZmqFeed(
                feed.publish,
                feed.control,
                {"hello": self._hello, "stats": self._stats, "reset": self._reset},
                curve=app.feed_curve(feed),
                max_connections=feed.max_connections,
            )
            self._outputs["feed"] = self._feed
        if self.presentation.lines:
            self._outputs["lines"] = JsonLines(sys.stdout.buffer, self._lines_ended)
        self._outputs |= app.open_outputs(self.settings)
        if recorder is not None:
            self._outputs["record"] = recorder
        for output in self._outputs.values():
            if isinstance(output, Asking):
                output.ask = self._asked
            stack.callback(output.close)
            output.start()

    def _open_model(self, desk: Desk) -> None:
        from rtgenre.frontend.compiling import before_each_step

        checkpoint = app.load_checkpoint(self.settings.model)
        own = app.own_head(self.settings.labels, checkpoint, log.warning)
        with before_each_step(self._look):
            pipeline = app.open_pipeline(self.settings, checkpoint, own, streams=len(self.settings.all_sources))
        self._labels = pipeline.runtime.labels
        self._own_labels = () if own is None else own.names
        self._model = wire.ModelId(checkpoint.id, checkpoint.sha256)
        self._model_device = pipeline.runtime.device
        mailboxes = [output.mailbox for output in self._outputs.values()]

        def listener_of(name: str) -> FanOut:
            composer = wire.Composer(
                self.session, name, self._model, self._labels, checkpoint.spec.sample_rate, self._own_labels
            )
            return FanOut(composer, mailboxes)

        self._only_waits = True
        self._look()
        try:
            desk.open(pipeline, listener_of)
        finally:
            self._only_waits = False
        self._desk = desk
        # What exists now stays: the collector need not look at it again while sound runs.
        gc.collect()
        gc.freeze()

    def _open_screen(self, stack: contextlib.ExitStack) -> subprocess.Popen[bytes]:
        """The terminal UI, in a process of its own: in this one it would cost the engine milliseconds."""
        if self._feed is None:
            raise UsageError("the terminal UI reads the feed, which is disabled", "set feed.enabled = true, or --no-ui")
        publish, control = map(seen_from_here, (self._feed.publish_address, self._feed.control_address))
        screen = subprocess.Popen(
            [
                *(sys.executable, "-m", "rtgenre", "watch", publish, "--control", control),
                *("--ui-source", self.presentation.source, "--child-of", str(os.getpid())),
            ],
            env=os.environ | self._feed.guest_environment,
        )
        stack.callback(_end, screen)
        return screen

    # Serving.

    def _serve(self, desk: Desk, screen: subprocess.Popen[bytes] | None) -> None:
        next_heartbeat = time.monotonic()
        while not self._stop.is_set() and not desk.finished:
            now = time.monotonic()
            if now >= next_heartbeat:
                next_heartbeat = max(next_heartbeat + HEARTBEAT_S, now)  # none to make up for after a stop
                self._beat()
            if screen is not None and screen.poll() is not None:
                if screen.returncode in {EX_OK, EX_INTERRUPT}:
                    self._exit_code = screen.returncode
                    return
                self.presentation.screen_lost()
                log.error(
                    "the terminal UI ended with exit code %d; the daemon goes on, Ctrl-C ends it", screen.returncode
                )
                screen = None
            self._wake.wait(max(0.0, next_heartbeat - now) if screen is None else WATCH_S)
        self._beat()

    def _beat(self) -> None:
        if self._desk is not None:
            self._desk.tell_losses()
        envelope = wire.Envelope(wire.HEARTBEAT_TOPIC, self._heartbeat(), time.monotonic_ns())
        self._heartbeats += 1
        for output in self._outputs.values():
            output.mailbox.put(envelope)

    def _heartbeat(self) -> wire.Heartbeat:
        return wire.Heartbeat(
            session=self.session,
            seq=self._heartbeats,
            t_publish_ns=time.monotonic_ns(),
            t_wall=wire.wall_clock(),
            version=__version__,
            uptime_s=round(time.monotonic() - self._t_start, 3),
            device=self._model_device,
            model=self._model,
            sources={} if self._desk is None else self._desk.reports(),
            subscribers=0 if self._feed is None else self._feed.subscribers,
            feed_dropped=0 if self._feed is None else self._feed.dropped,
            feed_overruns=0 if self._feed is None else self._feed.overruns,
            refused_connections=0 if self._feed is None else self._feed.refused_connections,
            refused_requests=0 if self._feed is None else self._feed.refused_requests,
            own_labels=self._own_labels,
            outputs={name: output.report() for name, output in self._outputs.items()},
        )

    # Requests, in the feed's thread.

    def _hello(self, _rest: str) -> dict[str, object]:
        feed = self._feed
        return {
            "version": __version__,
            "schema": wire.SCHEMA_VERSION,
            "session": self.session,
            "publish": feed.publish_address if feed else None,
            "sources": [] if self._desk is None else list(self._desk.reports()),
            "labels": list(self._labels),
            "own_labels": list(self._own_labels),
            "model": self._model,
        }

    def _stats(self, _rest: str) -> dict[str, object]:
        return {"stats": self._heartbeat()}

    def _reset(self, name: str) -> dict[str, object]:
        if self._desk is None:
            raise ValueError("there is no source yet")
        self._desk.reset(name)
        return {"source": name}

    def _asked(self, request: str) -> None:
        """What an output was asked by its counterpart, in the output's thread; MIDI in knows one request."""
        word, _, name = request.partition(" ")
        if word == "reset":
            self._reset(name)

    def _lines_ended(self, error: OSError | None) -> None:
        """Nobody reads the lines any more, or they cannot be written; in their thread."""
        if error is None:
            self._ask_to_stop()
        elif self._outputs.keys() <= {"lines"}:  # nobody would ever hear of what goes on
            self._exit_code = EX_UNAVAILABLE
            self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        self._stop.set()
        self._wake.set()

    # Signals.

    def _look(self) -> None:
        """Leave, where the end was asked for while something was opened; nobody else looks until serving begins."""
        if self._stop.is_set():
            raise _Leaving

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, _frame: FrameType | None) -> None:
            if self._stop.is_set():  # asked twice: someone is in a hurry
                raise KeyboardInterrupt
            self._exit_code = EX_INTERRUPT if number == signal.SIGINT else EX_OK
            self._ask_to_stop()
            if self._only_waits:
                raise _Leaving

        wanted = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        # What the caller had us ignore stays ignored: nohup, and a shell's background jobs.
        names = [name for name in wanted if signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN]
        before = {name: signal.signal(getattr(signal, name), stop) for name in names}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(getattr(signal, name), handler)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask the UI to go, and make sure that it has: it must give the terminal back first."""
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(3.0)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
