"""The daemon: one source, one engine, the feed and the other outputs, until a signal or the end of the sound."""

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

import msgspec

from rtgenre import __version__, app
from rtgenre.errors import EX_INTERRUPT, EX_OK, DeviceError, UsageError
from rtgenre.outputs import wire
from rtgenre.outputs.fanout import FanOut
from rtgenre.outputs.jsonlines import JsonLines
from rtgenre.outputs.zmq_feed import ZmqFeed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from rtgenre.audio.source import Source
    from rtgenre.config import Settings, SourceSettings
    from rtgenre.engine import Engine
    from rtgenre.records import SourceInfo

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
    """

    screen: bool
    lines: bool
    screen_lost: Callable[[], object] = lambda: None


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
        self._exit_code = EX_OK
        self._engine: Engine | None = None
        self._feed: ZmqFeed | None = None
        self._lines: JsonLines | None = None
        self._model = wire.ModelId("", "")
        self._model_device = ""
        self._own_labels: tuple[str, ...] = ()
        self._heartbeats = 0
        self._told = ("", 0, 0)

    def run(self) -> int:
        """Start, serve, and put everything back.

        Returns:
            The exit code: 0 at the end of the sound, on ``q`` and on SIGTERM, 130 on SIGINT.

        Raises:
            RtgenreError: it cannot start, or the source failed for good.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._signals())
            # The source comes first: its child process starts while numba loads here.
            source = self._start_source(self.settings.source, stack)
            self._open_outputs(stack)
            engine = self._open_engine(source, stack)
            engine.start()
            log.info("listening to %s, model %s on %s", engine.info.description, self._model.id, self._model_device)
            if self._feed is not None:
                log.info("feed at %s, control at %s", self._feed.publish_address, self._feed.control_address)
            self._serve(engine, self._open_screen(stack) if self.presentation.screen else None)
        if engine.error is not None:
            raise engine.error
        return self._exit_code

    # Starting.

    def _start_source(self, settings: SourceSettings, stack: contextlib.ExitStack) -> Source:
        source = app.make_source(settings)
        stack.callback(source.close)
        source.start()
        return source

    def _ready_source(self, source: Source, stack: contextlib.ExitStack) -> tuple[Source, SourceInfo]:
        """Wait for the source; with ``auto`` the demo stands in for a device that is not there."""
        try:
            return source, source.wait_ready(app.READY_TIMEOUT_S)
        except DeviceError as error:
            if self.settings.source.use != "auto":
                raise
            source.close()
            log.warning("no input device (%s): playing the built-in demo, a synthesised medley", error.message)
        source = self._start_source(msgspec.structs.replace(self.settings.source, use="demo"), stack)
        return source, source.wait_ready(app.READY_TIMEOUT_S)

    def _open_outputs(self, stack: contextlib.ExitStack) -> None:
        feed = self.settings.feed
        if feed.enabled:
            self._feed = ZmqFeed(
                feed.publish, feed.control, {"hello": self._hello, "stats": self._stats, "reset": self._reset}
            )
            stack.callback(self._feed.close)
            self._feed.start()
        if self.presentation.lines:
            self._lines = JsonLines(sys.stdout.buffer, self._ask_to_stop)
            stack.callback(self._lines.close)
            self._lines.start()

    def _open_engine(self, source: Source, stack: contextlib.ExitStack) -> Engine:
        from rtgenre.engine import Engine

        checkpoint = app.load_checkpoint(self.settings.model)
        own = app.own_head(self.settings.labels, checkpoint, log.warning)
        pipeline = app.open_pipeline(self.settings, checkpoint, own)
        self._own_labels = () if own is None else own.names
        source, info = self._ready_source(source, stack)
        self._model = wire.ModelId(checkpoint.id, checkpoint.sha256)
        self._model_device = pipeline.runtime.device
        composer = wire.Composer(
            self.session,
            info.name,
            self._model,
            pipeline.runtime.labels,
            checkpoint.spec.sample_rate,
            self._own_labels,
        )
        mailboxes = [output.mailbox for output in (self._feed, self._lines) if output is not None]
        pick = tuple(self.settings.source.pick)
        self._engine = Engine(source, info, pipeline, pick, FanOut(composer, mailboxes), self._wake.set)
        stack.callback(self._engine.stop)
        # What exists now stays: the collector need not look at it again while sound runs.
        gc.collect()
        gc.freeze()
        return self._engine

    def _open_screen(self, stack: contextlib.ExitStack) -> subprocess.Popen[bytes]:
        """The terminal UI, in a process of its own: in this one it would cost the engine milliseconds."""
        if self._feed is None:
            raise UsageError("the terminal UI reads the feed, which is disabled", "set feed.enabled = true, or --no-ui")
        addresses = [self._feed.publish_address, "--control", self._feed.control_address]
        screen = subprocess.Popen(
            [sys.executable, "-m", "rtgenre", "watch", *addresses, "--child-of", str(os.getpid())]
        )
        stack.callback(_end, screen)
        return screen

    # Serving.

    def _serve(self, engine: Engine, screen: subprocess.Popen[bytes] | None) -> None:
        next_heartbeat = time.monotonic()
        while not self._stop.is_set() and not engine.finished:
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
        self._tell_losses()
        envelope = wire.Envelope(wire.HEARTBEAT_TOPIC, self._heartbeat(), time.monotonic_ns())
        self._heartbeats += 1
        for output in (self._feed, self._lines):
            if output is not None:
                output.mailbox.put(envelope)

    def _tell_losses(self) -> None:
        """Log what the counters and the source's notice say, when they change: nothing is lost silently."""
        engine = self._engine
        if engine is None:
            return
        stats = engine.source.stats
        told, now = self._told, (stats.notice, stats.gap_samples, engine.stats.non_finite_samples)
        self._told = now
        if now[0] != told[0]:
            log.log(logging.DEBUG if stats.notices_are_routine else logging.WARNING, "%s", now[0])
        if now[1] > told[1]:
            lost_s = (now[1] - told[1]) / engine.info.sample_rate
            log.warning("%s: %.2f s of sound lost", engine.info.name, lost_s)
        if now[2] and not told[2]:
            log.warning("%s: samples that are no numbers: is the format right? They count as silence", engine.info.name)

    def _heartbeat(self) -> wire.Heartbeat:
        engine = self._engine
        return wire.Heartbeat(
            session=self.session,
            seq=self._heartbeats,
            t_publish_ns=time.monotonic_ns(),
            t_wall=wire.wall_clock(),
            version=__version__,
            uptime_s=round(time.monotonic() - self._t_start, 3),
            device=self._model_device,
            model=self._model,
            sources={} if engine is None else {engine.info.name: _report(engine)},
            subscribers=0 if self._feed is None else self._feed.subscribers,
            feed_dropped=0 if self._feed is None else self._feed.dropped,
            own_labels=self._own_labels,
        )

    # Requests, in the feed's thread.

    def _hello(self, _rest: str) -> dict[str, object]:
        engine, feed = self._engine, self._feed
        return {
            "version": __version__,
            "schema": wire.SCHEMA_VERSION,
            "session": self.session,
            "publish": feed.publish_address if feed else None,
            "sources": [engine.info.name] if engine else [],
            "labels": list(engine.pipeline.runtime.labels) if engine else [],
            "own_labels": list(self._own_labels),
            "model": self._model,
        }

    def _stats(self, _rest: str) -> dict[str, object]:
        return {"stats": self._heartbeat()}

    def _reset(self, name: str) -> dict[str, object]:
        engine = self._engine
        if engine is None:
            raise ValueError("there is no source yet")
        if name != engine.info.name:
            raise ValueError(f"there is no source {name!r}; there is: {engine.info.name}")
        engine.reset()
        return {"source": name}

    def _ask_to_stop(self) -> None:
        self._stop.set()
        self._wake.set()

    # Signals.

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, _frame: FrameType | None) -> None:
            if self._stop.is_set():  # asked twice: someone is in a hurry
                raise KeyboardInterrupt
            self._exit_code = EX_INTERRUPT if number == signal.SIGINT else EX_OK
            self._ask_to_stop()

        wanted = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        # What the caller had us ignore stays ignored: nohup, and a shell's background jobs.
        names = [name for name in wanted if signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN]
        before = {name: signal.signal(getattr(signal, name), stop) for name in names}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(getattr(signal, name), handler)


def _report(engine: Engine) -> wire.SourceReport:
    """All counters of one source; any thread."""
    source, stats = engine.source.stats, engine.stats
    return wire.SourceReport(
        description=engine.info.description,
        sample_rate=engine.info.sample_rate,
        channels=engine.info.channels,
        state=stats.state.value,
        hops=stats.hops,
        late_hops=stats.late_hops,
        xruns=source.xruns,
        dropped_samples=source.dropped_samples,
        gap_samples=source.gap_samples,
        clipped_samples=stats.clipped_samples,
        non_finite_samples=stats.non_finite_samples,
        capture_restarts=source.capture_restarts,
        resets=stats.resets,
        notice=source.notice,
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask the UI to go, and make sure that it has: it must give the terminal back first."""
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(3.0)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
