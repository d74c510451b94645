"""``Conditioner``: from what a source delivers to what the frontend takes: finite, mono, at one rate.

The first stage under the streaming contract. soxr's stream gives the same bits for any division into blocks; its
output is aligned with its input in time and only withheld for a while, so delay is a matter of indices: see
``capture_time_ns``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import soxr

if TYPE_CHECKING:
    from numpy.typing import NDArray

FULL_SCALE = 1.0 - 1.0 / 32768.0  # full scale of 16 bits
_LOUDEST = np.float32(64.0)  # +36 dBFS: beyond it lie only wrong formats, whose sums and squares would overflow
_FILTER_HALF = 106  # of soxr HQ, in samples of the lower rate; beyond it less than 1e-7 of the peak (measured)


@dataclass(slots=True)
class ConditionerState:
    """Where one stream is.

    Attributes:
        resampler: soxr's own state, opaque; None while rates agree.
        n_in: input frames so far, lost ones included.
        n_out: output samples so far, lost ones included.
        run_in: input frames since the last gap.
        stamp_in: input index one past the sample that ``stamp_ns`` belongs to.
        stamp_ns: monotonic clock at which input sample ``stamp_in − 1`` was captured.
        non_finite: samples that were NaN or infinite and became 0.
        clipped: samples at or beyond full scale.
        retired: True after ``flush``.
    """

    resampler: soxr.ResampleStream | None
    n_in: int = 0
    n_out: int = 0
    run_in: int = 0
    stamp_in: int = 0
    stamp_ns: int = 0
    non_finite: int = 0
    clipped: int = 0
    retired: bool = False

    def copy(self) -> Self:
        """Snapshot the state.

        Raises:
            NotImplementedError: it is resampling; soxr's state cannot be copied.
        """
        if self.resampler is not None:
            raise NotImplementedError("a state that resamples cannot be copied: soxr keeps its own, opaque")
        return type(self)(
            None, self.n_in, self.n_out, self.run_in, self.stamp_in, self.stamp_ns,
            self.non_finite, self.clipped, self.retired,
        )  # fmt: skip


class Conditioner:
    """Makes samples finite, mixes them to mono, resamples them; holds constants only.

    Any thread may call it; a state belongs to one thread at a time.

    Args:
        in_rate: Hz, of the source.
        channels: channels of the source.
        out_rate: Hz, of the frontend.
        pick: which channels to average, from 0; () for all.

    Raises:
        ValueError: a rate or count below 1, or a channel that is not there.
    """

    def __init__(self, in_rate: int, channels: int, out_rate: int, pick: tuple[int, ...] = ()) -> None:
        if min(in_rate, channels, out_rate) < 1:
            raise ValueError(f"{channels} channels from {in_rate} to {out_rate} Hz: all must be at least 1")
        if any(not 0 <= c < channels for c in pick):
            raise ValueError(f"channels {pick} picked of {channels}: they go from 0 to {channels - 1}")
        self.in_rate = in_rate
        self.channels = channels
        self.out_rate = out_rate
        self.pick = pick or tuple(range(channels))
        self._latency_samples = self._measure_withheld()

    @property
    def latency_samples(self) -> int:
        """At most this many output samples are withheld after a ``step``."""
        return self._latency_samples

    @property
    def receptive_field(self) -> int:
        """Input frames that an output sample depends on (by more than 1e-7)."""
        if self.in_rate == self.out_rate:
            return 1
        return 2 * math.ceil(_FILTER_HALF * max(1.0, self.in_rate / self.out_rate)) + 1

    def init_state(self, batch: int = 1) -> ConditionerState:
        """Give a complete fresh state.

        Args:
            batch: 1; a conditioner serves one source.
        """
        if batch != 1:
            raise ValueError(f"a conditioner takes one stream, not {batch}")
        return ConditionerState(self._resampler())

    def step(self, x: NDArray[np.float32], state: ConditionerState) -> tuple[NDArray[np.float32], ConditionerState]:
        """Condition one block of any length.

        Args:
            x: (n, channels) float32; not changed.
            state: as returned last.

        Returns:
            (m,) float32 mono at ``out_rate`` (m may be 0), and the state.

        Raises:
            ValueError: wrong shape or type, or the state was flushed.
        """
        if x.ndim != 2 or x.shape[1] != self.channels or x.dtype != np.float32:
            raise ValueError(f"a block must be (n, {self.channels}) float32, not {x.shape} {x.dtype}")
        if state.retired:
            raise ValueError("this state was flushed; begin with init_state()")
        mono = self._mix(x, state)
        state.n_in += len(x)
        state.run_in += len(x)
        if state.resampler is not None and len(mono):
            mono = state.resampler.resample_chunk(mono)
        elif state.resampler is not None:
            mono = np.empty(0, np.float32)
        state.n_out += len(mono)
        return mono, state

    def gap(self, n_in: int, state: ConditionerState) -> tuple[NDArray[np.float32], int, ConditionerState]:
        """Tell that input is missing: end the run before it and leave a hole of the right length.

        Args:
            n_in: input frames lost after the last block, ≥ 0.
            state: as returned last.

        Returns:
            (m,) float32, the samples that were still withheld; the length of the hole in output samples; the
            state. Output index ``i`` stays at input index ``i · in_rate / out_rate``, to half a sample.
        """
        tail = self._drain(state)
        state.resampler = self._resampler() if state.run_in else state.resampler
        state.run_in = 0
        state.n_in += n_in
        hole = max(0, self._out_index(state.n_in) - state.n_out)
        state.n_out += hole
        return tail, hole, state

    def flush(self, state: ConditionerState) -> tuple[NDArray[np.float32], ConditionerState]:
        """End the stream: give what is withheld, then retire the state.

        Returns:
            (m,) float32 and the retired state.
        """
        tail = self._drain(state)
        state.retired = True
        return tail, state

    def offline(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Condition a whole sound: init → step → flush.

        Args:
            x: (n, channels) float32.

        Returns:
            (m,) float32.
        """
        head, state = self.step(x, self.init_state())
        tail, _ = self.flush(state)
        return np.concatenate((head, tail))

    def stamp(self, t_last_ns: int, state: ConditionerState) -> None:
        """Tell when the last sample given to ``step`` was captured (``Block.t_last_ns``)."""
        state.stamp_ns, state.stamp_in = t_last_ns, state.n_in

    def capture_time_ns(self, out_index: int, state: ConditionerState) -> int:
        """Say when an output sample was captured.

        Args:
            out_index: index of the output sample since the beginning, holes included.
            state: stamped at least once.

        Returns:
            Monotonic clock, ns.
        """
        in_index = out_index * self.in_rate / self.out_rate
        return state.stamp_ns + round((in_index - (state.stamp_in - 1)) * 1e9 / self.in_rate)

    def _mix(self, x: NDArray[np.float32], state: ConditionerState) -> NDArray[np.float32]:
        """Average the picked channels, one after the other, so that a block's length cannot change a bit."""
        mono = np.zeros(len(x), np.float32)
        for c in self.pick:
            channel = x[:, c]
            finite = np.isfinite(channel)
            if not finite.all():
                state.non_finite += len(x) - int(np.count_nonzero(finite))
                channel = np.where(finite, channel, np.float32(0.0))
            state.clipped += int(np.count_nonzero(np.abs(channel) >= FULL_SCALE))
            mono += np.clip(channel, -_LOUDEST, _LOUDEST)
        mono *= np.float32(1.0 / len(self.pick))
        return mono

    def _drain(self, state: ConditionerState) -> NDArray[np.float32]:
        if state.resampler is None or not state.run_in or state.retired:
            return np.empty(0, np.float32)
        tail: NDArray[np.float32] = state.resampler.resample_chunk(np.empty(0, np.float32), last=True)
        state.n_out += len(tail)
        return tail

    def _resampler(self) -> soxr.ResampleStream | None:
        if self.in_rate == self.out_rate:
            return None
        return soxr.ResampleStream(self.in_rate, self.out_rate, 1, dtype="float32", quality="HQ")

    def _out_index(self, n_in: int) -> int:
        """Nearest output index of an input index, in whole numbers."""
        return (2 * n_in * self.out_rate + self.in_rate) // (2 * self.in_rate)

    def _measure_withheld(self) -> int:
        """Find how much soxr withholds at most, by listening to it for half a second of silence."""
        resampler = self._resampler()
        if resampler is None:
            return 0
        block = np.zeros(max(1, self.in_rate // 1000), np.float32)
        given = worst = 0
        for i in range(1, 501):
            given += len(resampler.resample_chunk(block))
            worst = max(worst, math.ceil(i * len(block) * self.out_rate / self.in_rate) - given)
        return worst + math.ceil(len(block) * self.out_rate / self.in_rate)  # between two looks
