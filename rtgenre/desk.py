"""The desk: every device that is listened to, the sources it carries, and an engine for each device.

With one source whatever goes wrong at the start is raised. With several, a device that is not there yet is told,
looked for again every few seconds, and disturbs no other; so does one that fails later.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from rtgenre import app, captures
from rtgenre.engine import Deck, Engine
from rtgenre.errors import DeviceError, RtgenreError, SourceError
from rtgenre.reports import missing_report, report_of, tell_losses
from rtgenre.sources import source_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rtgenre.audio.source import Source
    from rtgenre.outputs import wire
    from rtgenre.pipeline import Pipeline
    from rtgenre.records import SourceInfo
    from rtgenre.sources import SourceSettings
    from rtgenre.stream import Listener, Stream

log = logging.getLogger(__name__)

AGAIN_S = 5.0
_MAY_COME = {"device", "pulse", "auto", "url"}  # a file that is not there will not come


@dataclass(slots=True)
class Capture:
    """One device and what it carries.

    Attributes:
        members: its sources; more than one are decks that name channels of it.
        source: the device, opened or opening; None between two attempts.
        engine: runs it, once it is open.
        missing: why it is not open; None while it is, or may be.
        told: notice, lost samples and samples that were no numbers that have been logged.
    """

    members: tuple[SourceSettings, ...]
    source: Source | None = None
    engine: Engine | None = None
    missing: RtgenreError | None = None
    told: tuple[str, int, int] = field(default=("", 0, 0))

    @property
    def names(self) -> str:
        """Of its sources, for people."""
        return ", ".join(member.name or source_kind(member.use)[0] for member in self.members)


class Desk:
    """Opens, runs, watches and closes all devices; the main thread's, but for what says otherwise.

    Args:
        sources: what is to be listened to.
        on_end: called when an engine has ended, in its thread.
        tap: given every device before it is started, gives back what stands in for it: one that is also recorded.
    """

    def __init__(
        self,
        sources: Sequence[SourceSettings],
        on_end: Callable[[], object],
        tap: Callable[[Source], Source] = lambda source: source,
    ) -> None:
        self.captures = tuple(Capture(members) for members in captures.by_device(sources))
        self._on_end = on_end
        self._tap = tap
        self._closed = threading.Event()
        self._late: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to open every device, and return at once: child processes start while numba loads here.

        Raises:
            RtgenreError: settings that cannot work, or the only source there is cannot be read.
        """
        for capture in self.captures:
            try:
                self._begin(capture)
            except SourceError as error:
                self._miss(capture, error)

    def open(self, pipeline: Pipeline, listener_of: Callable[[str], Listener]) -> None:
        """Wait for the devices and make their engines, not yet running.

        Args:
            pipeline: warm; its runtime is shared by all engines.
            listener_of: makes the listener of a source from its name.

        Raises:
            RtgenreError: none of them can be read.
        """
        for capture in self.captures:
            try:
                self._ready(capture, pipeline, listener_of)
            except SourceError as error:
                self._miss(capture, error)
        missing = [capture for capture in self.captures if capture.missing is not None]
        if len(missing) == len(self.captures) and missing[0].missing is not None:
            raise missing[0].missing
        for capture in missing:
            log.error("%s: %s; looking again every %.0f s", capture.names, capture.missing, AGAIN_S)
            arguments = (capture, pipeline, listener_of)
            self._late.append(threading.Thread(target=self._open_late, args=arguments, daemon=True))

    def run(self) -> None:
        """Start every engine, and the search for what is missing."""
        for engine in self.engines:
            engine.start()
        for thread in self._late:
            thread.start()

    def close(self) -> None:
        """End engines and devices; more than once is fine."""
        self._closed.set()
        for engine in self.engines:
            engine.stop()
        for capture in self.captures:
            # One that is just being opened late belongs to another thread; its child dies with this process.
            if capture.source is not None and (capture.engine is not None or not self._late):
                capture.source.close()

    @property
    def engines(self) -> list[Engine]:
        """Of the devices that are open; any thread."""
        return [capture.engine for capture in self.captures if capture.engine is not None]

    @property
    def streams(self) -> list[Stream]:
        """Of the devices that are open; any thread."""
        return [stream for engine in self.engines for stream in engine.streams]

    @property
    def finished(self) -> bool:
        """True once nothing more will come from any device; any thread."""
        return all(capture.engine is not None and capture.engine.finished for capture in self.captures)

    @property
    def error(self) -> RtgenreError | None:
        """Why an engine ended, the first one that failed."""
        return next((engine.error for engine in self.engines if engine.error is not None), None)

    def reset(self, name: str) -> None:
        """Give a source a fresh state; any thread.

        Raises:
            ValueError: there is none of that name.
        """
        for engine in self.engines:
            if any(stream.info.name == name for stream in engine.streams):
                engine.reset(name)
                return
        names = [stream.info.name for stream in self.streams]
        raise ValueError(f"there is no source {name!r}; there is: {', '.join(names)}" if names else "no source yet")

    def reports(self) -> dict[str, wire.SourceReport]:
        """All counters of all sources, by name, in the order of the settings; any thread."""
        found: dict[str, wire.SourceReport] = {}
        for capture in self.captures:
            engine = capture.engine
            if engine is None:
                found |= {member.name: missing_report(member, capture.missing) for member in capture.members}
            else:
                found |= {stream.info.name: report_of(engine, stream) for stream in engine.streams}
        order = [member.name for capture in self.captures for member in capture.members]
        return found if "" in order else {name: found[name] for name in order if name in found}

    def tell_losses(self) -> None:
        """Log what the counters and the notices of devices say, when they change: nothing is lost silently."""
        for capture in self.captures:
            if capture.engine is not None:
                capture.told = tell_losses(capture.engine, capture.told)

    # Opening.

    def _begin(self, capture: Capture) -> None:
        capture.source = self._tap(captures.make_capture(capture.members))
        capture.source.start()

    def _ready(self, capture: Capture, pipeline: Pipeline, listener_of: Callable[[str], Listener]) -> None:
        if capture.source is None:
            return
        source, info = self._wait_for(capture, capture.source)
        first, *others = capture.members
        names = [info.name, *(member.name for member in others)]
        decks = [Deck(name, m.heard, listener_of(name)) for name, m in zip(names, capture.members, strict=True)]
        capture.engine = Engine(
            source,
            info,
            pipeline,
            first.heard,
            decks[0].listener,
            self._on_end,
            decks[1:],
            partial(self._say_last, capture),
        )
        capture.missing = None

    def _wait_for(self, capture: Capture, source: Source) -> tuple[Source, SourceInfo]:
        """Wait for a device; with ``auto`` the demo stands in for a device that is not there."""
        try:
            return source, source.wait_ready(app.READY_TIMEOUT_S)
        except DeviceError as error:
            source.close()
            if capture.members[0].use != "auto" or len(capture.members) > 1:
                raise
            log.warning("no input device (%s): playing the built-in demo, a synthesised medley", error.message)
        capture.source = self._tap(captures.make_source(msgspec.structs.replace(capture.members[0], use="demo")))
        capture.source.start()
        return capture.source, capture.source.wait_ready(app.READY_TIMEOUT_S)

    def _miss(self, capture: Capture, error: SourceError) -> None:
        kind, _ = source_kind(capture.members[0].use)
        if len(self.captures) == 1 or kind not in _MAY_COME:
            raise error
        if capture.source is not None:
            capture.source.close()
        capture.source, capture.missing = None, error

    def _open_late(self, capture: Capture, pipeline: Pipeline, listener_of: Callable[[str], Listener]) -> None:
        while not self._closed.wait(AGAIN_S):
            try:
                self._begin(capture)
                self._ready(capture, pipeline, listener_of)
            except RtgenreError as error:
                if capture.missing is None or error.message != capture.missing.message:
                    log.warning("%s: %s; looking again every %.0f s", capture.names, error, AGAIN_S)
                if capture.source is not None:
                    capture.source.close()
                capture.source, capture.missing = None, error
            else:
                break
        if capture.engine is not None and not self._closed.is_set():
            capture.engine.start()
            log.info("%s is there: listening to %s", capture.names, capture.engine.info.description)
            self._closed.wait()  # Linux ends a child process with the thread that started it

    def _say_last(self, capture: Capture) -> None:
        """In the engine's thread: its last word, where others go on."""
        engine = capture.engine
        if engine is not None and len(self.captures) > 1 and not self._closed.is_set():
            engine.go_stale()
            why = "its sound is over" if engine.error is None else str(engine.error)
            log.log(logging.INFO if engine.error is None else logging.ERROR, "%s ended: %s", capture.names, why)
