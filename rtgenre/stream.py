"""One source's way through the pipeline: its channels, its rate, its state, its counters, its listener.

A device carries one stream or several (the decks of a mixer); ``engine`` reads the device and drives them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rtgenre.audio.condition import Conditioner
from rtgenre.errors import ConfigError
from rtgenre.records import State

if TYPE_CHECKING:
    from rtgenre.pipeline import Pipeline
    from rtgenre.records import Block, FloatArray, Posterior, SourceInfo

DEADLINE_S = 0.25  # from a hop's last sample to its answer: PulseAudio alone delivers up to 90 ms late


class Listener(Protocol):
    """Who is told of each hop; called in the engine's thread, must not block."""

    def on_hop(self, posterior: Posterior, t_audio_ns: int, t_start_ns: int, t_ready_ns: int) -> None:
        """A hop has been classified; the times are on the monotonic clock."""

    def on_stale(self, last: Posterior, t_audio_ns: int) -> None:
        """A live source has delivered nothing for a while."""

    def on_title(self, title: str) -> None:
        """The source itself says what it plays from here on."""

    def has_room(self) -> bool:
        """False while a source that can wait should wait."""


@dataclass(slots=True)
class StreamStats:
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


class Stream:
    """What one source has heard, and who is told; the engine's thread.

    Args:
        info: what its device delivers, under the stream's own name.
        pipeline: warm.
        pick: channels to average, from 1; empty for all.
        listener: told of each hop.

    Raises:
        ConfigError: a picked channel is not there.

    Attributes:
        info: as given.
        stats: counters.
        state: the pipeline's.
    """

    def __init__(self, info: SourceInfo, pipeline: Pipeline, pick: tuple[int, ...], listener: Listener) -> None:
        self.info = info
        self.stats = StreamStats()
        self.state = pipeline.init_state()
        self._pipeline = pipeline
        self._conditioner = open_conditioner(info, pipeline.frontend.spec.sample_rate, pick)
        self._heard = self._conditioner.init_state()
        self._listener = listener
        self._keeps_up = False
        self._last: tuple[Posterior, int] | None = None

    def end_run(self, gap_samples: int) -> int:
        """Take in what came before a gap, whose hops are then to be classified.

        Args:
            gap_samples: lost, at the source's rate.

        Returns:
            The same at the frontend's rate: for ``lose``, afterwards.
        """
        tail, gap, self._heard = self._conditioner.gap(gap_samples, self._heard)
        self._feed(tail)
        return gap

    def lose(self, gap: int) -> None:
        """Tell that ``gap`` samples, at the frontend's rate, are missing here."""
        self.state = self._pipeline.gap(gap, self.state)

    def feed(self, block: Block) -> None:
        """Take a block in, whose hops are then to be classified; its gap has been told."""
        if block.title is not None:
            self._listener.on_title(block.title)
        mono, self._heard = self._conditioner.step(block.samples, self._heard)
        self._conditioner.stamp(block.t_last_ns, self._heard)
        self.stats.clipped_samples = self._heard.clipped
        self.stats.non_finite_samples = self._heard.non_finite
        self._feed(mono)

    def flush(self) -> None:
        """Take in what the resampler withheld: nothing more will come."""
        tail, self._heard = self._conditioner.flush(self._heard)
        self._feed(tail)

    def reset(self) -> None:
        """Begin afresh."""
        self.state = self._pipeline.reset(self.state)

    def tell(self, posterior: Posterior, t_start_ns: int) -> None:
        """Count a hop that was classified, and pass it on."""
        t_ready_ns = time.monotonic_ns()
        t_audio_ns = self._conditioner.capture_time_ns(posterior.end_sample - 1, self._heard)
        self._last = (posterior, t_audio_ns)
        self.stats.state = posterior.decision.state
        self.stats.hops += 1
        self.stats.resets = self.state.resets
        late = t_ready_ns - t_audio_ns > DEADLINE_S * 1e9
        # What was captured while the program was still loading is late, but not too late for anything.
        self._keeps_up = self._keeps_up or not late
        self.stats.late_hops += late and self._keeps_up
        self._listener.on_hop(posterior, t_audio_ns, t_start_ns, t_ready_ns)

    def go_stale(self) -> None:
        """Say, once, that nothing comes any more."""
        if self.stats.state is not State.STALE:
            self.stats.state = State.STALE
            if self._last is not None:
                self._listener.on_stale(*self._last)

    def retire(self) -> None:
        """Let go of the resampler, whose library complains of one that outlives the program."""
        self._heard.resampler, self._heard.retired = None, True

    def has_room(self) -> bool:
        """False while the listener asks a source that can wait to do so."""
        return self._listener.has_room()

    def needed_ns(self) -> int:
        """When the last sample of the next hop is captured, on the monotonic clock; a block has been heard."""
        return self._conditioner.capture_time_ns(self._pipeline.next_hop_end(self.state) - 1, self._heard)

    def _feed(self, mono: FloatArray) -> None:
        self._pipeline.feed(mono, self.state)
