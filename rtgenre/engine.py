"""The real-time thread of one device: waits for blocks, steps its streams through the pipeline, counts.

Each device has an engine of its own, so that one that hangs, fails or is opened again never holds up another; where
hops of several are ready at once, the model steps them as one batch (``model.together``).
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtgenre.audio.source import EndOfSource
from rtgenre.errors import RtgenreError
from rtgenre.stream import DEADLINE_S, Listener, Stream, StreamStats, open_conditioner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rtgenre.audio.source import Source
    from rtgenre.pipeline import Pipeline
    from rtgenre.records import Block, SourceInfo

__all__ = ["DEADLINE_S", "Deck", "Engine", "Listener", "open_conditioner"]

log = logging.getLogger(__name__)

READ_TIMEOUT_S = 0.1
STALE_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Deck:
    """One of several streams of a device.

    Attributes:
        name: its name in topics.
        pick: its channels, from 1; they are averaged.
        listener: told of each hop.
    """

    name: str
    pick: tuple[int, ...]
    listener: Listener


class Engine:
    """Runs one device through one pipeline until the sound ends or ``stop`` is called.

    Args:
        source: started, and ready.
        info: what it delivers.
        pipeline: warm; shared with other engines only where its runtime may be.
        pick: channels to average, from 1; empty for all.
        listener: told of each hop.
        on_end: called once, in the engine's thread, when nothing more will be told.
        more: further streams of the same device.
        last_word: called once, in the engine's thread, before it counts as finished: what it still has to say.

    Raises:
        ConfigError: a picked channel is not there.

    Attributes:
        streams: of this device, the first one first.
        error: why the engine ended, None where the source ended or it was stopped.
    """

    def __init__(
        self,
        source: Source,
        info: SourceInfo,
        pipeline: Pipeline,
        pick: tuple[int, ...],
        listener: Listener,
        on_end: Callable[[], object] = lambda: None,
        more: Sequence[Deck] = (),
        last_word: Callable[[], object] = lambda: None,
    ) -> None:
        self.source = source
        self.info = info
        self.pipeline = pipeline
        self.error: RtgenreError | None = None
        decks = (Deck(info.name, pick, listener), *more)
        self.streams = tuple(
            Stream(_describe(info, deck) if more else info, pipeline, deck.pick, deck.listener) for deck in decks
        )
        self._on_end, self._last_word = on_end, last_word
        self._stop = threading.Event()
        self._resets: set[str] = set()
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"rtgenre-{info.name}", daemon=True)

    @property
    def stats(self) -> StreamStats:
        """Counters of the first stream; any thread."""
        return self.streams[0].stats

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def reset(self, name: str = "") -> None:
        """Ask for a fresh model state at the next block; any thread.

        Args:
            name: of the stream; empty for the first.
        """
        self._resets.add(name or self.info.name)

    def stop(self, timeout_s: float = 2.0) -> None:
        """End after the block under way; any thread but the engine's."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def finished(self) -> bool:
        """True once nothing more will be told; any thread."""
        return self._finished.is_set()

    # Everything below runs in the engine's own thread.

    def go_stale(self) -> None:
        """Say of every stream that nothing comes any more; for ``last_word`` where others go on."""
        for stream in self.streams:
            stream.go_stale()

    def _run(self) -> None:
        try:
            self._listen()
        except EndOfSource:
            pass
        except RtgenreError as error:
            self.error = error
        except Exception as error:  # the daemon must end with a message rather than hang without sound
            log.exception("the engine stopped")
            self.error = RtgenreError(f"the engine stopped: {error}", "this is a defect; please report the log above")
        finally:
            for stream in self.streams:
                stream.retire()
            try:
                self._last_word()  # before anybody may take it that all is over, and close
            finally:
                self._finished.set()
                self._on_end()

    def _listen(self) -> None:
        t_block_ns = time.monotonic_ns()
        try:
            while not self._stop.is_set():
                self._reset_asked()
                block = self.source.read(READ_TIMEOUT_S)
                if block is not None:
                    t_block_ns = time.monotonic_ns()
                    self._hear(block)
                    self._rest()
                elif self.info.live and time.monotonic_ns() - t_block_ns >= STALE_AFTER_S * 1e9:
                    self.go_stale()
        except (EndOfSource, RtgenreError):
            for stream in self.streams:
                stream.flush()
            self._classify()
            raise

    def _hear(self, block: Block) -> None:
        if block.gap_samples:
            gaps = [stream.end_run(block.gap_samples) for stream in self.streams]
            self._classify()
            for stream, gap in zip(self.streams, gaps, strict=True):
                stream.lose(gap)
        for stream in self.streams:
            stream.feed(block)
        self._classify()
        while not self.info.live and not self._has_room() and not self._stop.is_set():
            time.sleep(0.001)

    def _classify(self) -> None:
        """Answer every hop that is complete: one of each stream at a time, as one batch."""
        t_start_ns = time.monotonic_ns()
        states = [stream.state for stream in self.streams]
        while True:
            hops = self.pipeline.next_hops(states)
            for stream, posterior in zip(self.streams, hops, strict=True):
                if posterior is not None:
                    stream.tell(posterior, t_start_ns)
            if hops.count(None) == len(hops):
                return
            t_start_ns = time.monotonic_ns()

    def _rest(self) -> None:
        """Sleep until the next hop's last sample is captured: it cannot come earlier, and waking costs most."""
        if self.info.live:
            t_needed_ns = min(stream.needed_ns() for stream in self.streams)
            self._stop.wait(min(READ_TIMEOUT_S, max(0.0, (t_needed_ns - time.monotonic_ns()) / 1e9)))

    def _reset_asked(self) -> None:
        while self._resets:
            name = self._resets.pop()
            for stream in self.streams:
                if stream.info.name == name:
                    stream.reset()

    def _has_room(self) -> bool:
        return all(stream.has_room() for stream in self.streams)


def _describe(info: SourceInfo, deck: Deck) -> SourceInfo:
    """The device, as one of its decks sees it."""
    channels = f", channels {', '.join(map(str, deck.pick))}" if deck.pick else ""
    return dataclasses.replace(info, name=deck.name, description=info.description + channels)
