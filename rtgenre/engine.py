"""The real-time thread: waits for blocks, steps the pipeline, tells a listener, counts what went wrong."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rtgenre.audio.condition import Conditioner
from rtgenre.audio.source import EndOfSource
from rtgenre.errors import ConfigError, RtgenreError
from rtgenre.records import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtgenre.audio.condition import ConditionerState
    from rtgenre.audio.source import Source
    from rtgenre.pipeline import Pipeline, PipelineState
    from rtgenre.records import Block, FloatArray, Posterior, SourceInfo

log = logging.getLogger(__name__)

READ_TIMEOUT_S = 0.1
STALE_AFTER_S = 1.0
DEADLINE_S = 0.25  # from a hop's last sample to its answer: PulseAudio alone delivers up to 90 ms late


class Listener(Protocol):
    """Who is told of each hop; called in the engine's thread, must not block."""

    def on_hop(self, posterior: Posterior, t_audio_ns: int, t_start_ns: int, t_ready_ns: int) -> None:
        """A hop has been classified; the times are on the monotonic clock."""

    def on_stale(self, last: Posterior, t_audio_ns: int) -> None:
        """A live source has delivered nothing for a while."""

    def has_room(self) -> bool:
        """False while a source that can wait should wait."""


@dataclass(slots=True)
class EngineStats:
    """Counters, written by the engine's thread and read anywhere.

    Attributes:
        state: what is heard.
        hops: hops classified.
        late_hops: hops answered more than ``DEADLINE_S`` after their last sample was captured, once it kept up.
        resets: times that model and smoothing began afresh.
        clipped_samples: at or above full scale.
        non_finite_samples: NaN or infinite, replaced by zero.
    """

    state: State = State.STARTING
    hops: int = 0
    late_hops: int = 0
    resets: int = 0
    clipped_samples: int = 0
    non_finite_samples: int = 0


def open_conditioner(info: SourceInfo, sample_rate: int, pick: tuple[int, ...]) -> Conditioner:
    """What makes a source's blocks fit the frontend.

    Args:
        info: of the source.
        sample_rate: the frontend's, Hz.
        pick: channels to average, from 1; empty for all.

    Raises:
        ConfigError: a picked channel is not there.
    """
    if any(channel > info.channels for channel in pick):
        raise ConfigError(
            f"source.pick = {list(pick)}, but {info.description!r} is open with {info.channels} channel(s)",
            "choose from those, counted from 1, or open more with source.channels",
        )
    return Conditioner(info.sample_rate, info.channels, sample_rate, tuple(channel - 1 for channel in pick))


class Engine:
    """Runs one source through one pipeline until the source ends or ``stop`` is called.

    Args:
        source: started, and ready.
        info: what it delivers.
        pipeline: warm.
        pick: channels to average, from 1; empty for all.
        listener: told of each hop.
        on_end: called once, in the engine's thread, when nothing more will be told.

    Raises:
        ConfigError: a picked channel is not there.

    Attributes:
        stats: counters.
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
    ) -> None:
        self.source = source
        self.info = info
        self.pipeline = pipeline
        self.stats = EngineStats()
        self.error: RtgenreError | None = None
        self._conditioner = open_conditioner(info, pipeline.frontend.spec.sample_rate, pick)
        self._listener = listener
        self._on_end = on_end
        self._keeps_up = False
        self._last: tuple[Posterior, int] | None = None
        self._stop = threading.Event()
        self._reset = threading.Event()
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"rtgenre-{info.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def reset(self) -> None:
        """Ask for a fresh model state at the next block; any thread."""
        self._reset.set()

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
            self._finished.set()
            self._on_end()

    def _listen(self) -> None:
        heard = self._conditioner.init_state()
        state = self.pipeline.init_state()
        t_block_ns = time.monotonic_ns()
        try:
            while not self._stop.is_set():
                if self._reset.is_set():
                    self._reset.clear()
                    state = self.pipeline.reset(state)
                block = self.source.read(READ_TIMEOUT_S)
                if block is None:
                    self._look_for_stale(t_block_ns)
                else:
                    t_block_ns = time.monotonic_ns()
                    heard, state = self._hear(block, heard, state)
                    self._rest(heard, state)
                self.stats.resets = state.resets
        except (EndOfSource, RtgenreError):
            tail, heard = self._conditioner.flush(heard)
            self._classify(tail, heard, state)
            raise

    def _hear(
        self, block: Block, heard: ConditionerState, state: PipelineState
    ) -> tuple[ConditionerState, PipelineState]:
        if block.gap_samples:
            tail, gap, heard = self._conditioner.gap(block.gap_samples, heard)
            self._classify(tail, heard, state)
            state = self.pipeline.gap(gap, state)
        mono, heard = self._conditioner.step(block.samples, heard)
        self._conditioner.stamp(block.t_last_ns, heard)
        self.stats.clipped_samples = heard.clipped
        self.stats.non_finite_samples = heard.non_finite
        self._classify(mono, heard, state)
        while not self.info.live and not self._listener.has_room() and not self._stop.is_set():
            time.sleep(0.001)
        return heard, state

    def _classify(self, mono: FloatArray, heard: ConditionerState, state: PipelineState) -> None:
        t_start_ns = time.monotonic_ns()
        for posterior in self.pipeline.hops(mono, state):
            t_ready_ns = time.monotonic_ns()
            t_audio_ns = self._conditioner.capture_time_ns(posterior.end_sample - 1, heard)
            self._last = (posterior, t_audio_ns)
            self.stats.state = posterior.decision.state
            self.stats.hops += 1
            late = t_ready_ns - t_audio_ns > DEADLINE_S * 1e9
            # What was captured while the program was still loading is late, but not too late for anything.
            self._keeps_up = self._keeps_up or not late
            self.stats.late_hops += late and self._keeps_up
            self._listener.on_hop(posterior, t_audio_ns, t_start_ns, t_ready_ns)
            t_start_ns = time.monotonic_ns()

    def _rest(self, heard: ConditionerState, state: PipelineState) -> None:
        """Sleep until the next hop's last sample is captured: it cannot come earlier, and waking costs most."""
        if self.info.live:
            t_needed_ns = self._conditioner.capture_time_ns(self.pipeline.next_hop_end(state) - 1, heard)
            self._stop.wait(min(READ_TIMEOUT_S, max(0.0, (t_needed_ns - time.monotonic_ns()) / 1e9)))

    def _look_for_stale(self, t_block_ns: int) -> None:
        silent_s = (time.monotonic_ns() - t_block_ns) / 1e9
        if self.info.live and silent_s >= STALE_AFTER_S and self.stats.state is not State.STALE:
            self.stats.state = State.STALE
            if self._last is not None:
                self._listener.on_stale(*self._last)
