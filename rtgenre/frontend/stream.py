"""The frontend: a stream of samples in, one frame of features a hop out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.errors import ConfigError
from rtgenre.frontend import compiling, fft, kernels
from rtgenre.frontend.plan import aligned, make_plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec

    FloatArray = NDArray[np.float32]

_FLOAT32 = np.dtype(np.float32)
_STEP_SAMPLES = 16_384  # ``step`` feeds long blocks in pieces, so that the buffer stays small


@dataclass(slots=True)
class FrontendState:
    """Everything a stream carries from hop to hop; the caller owns it, one thread at a time uses it.

    Attributes:
        samples: (capacity,) float32; ``samples[start:stop]`` have been fed and are still needed.
        start: first sample of the next window.
        stop: one past the last sample fed.
        memory: float32 scratch, spectrum and running statistics of the kernels.
        position: index in the stream of ``samples[start]``, lost samples counted.
        heard: frames since the state was made or ``forget`` was called.
        follows: the next frame directly follows the last one.
        pending_gap: samples lost before the next frame.
        hop: index of the last frame; hops lost to gaps are counted too. -1 before the first.
        end_sample: index one past the last frame's last sample, lost samples counted.
        level_power: mean square of the last frame's window, before windowing.
        gap_samples: samples lost directly before the last frame.
        lost_samples: samples lost since the state was made.
        discarded_samples: samples that were fed but ended up in no whole window (before a gap, at the end).
        retired: ``flush`` has been called.
    """

    samples: FloatArray
    start: int
    stop: int
    memory: FloatArray
    position: int = 0
    heard: int = 0
    follows: bool = False
    pending_gap: int = 0
    hop: int = -1
    end_sample: int = 0
    level_power: float = 0.0
    gap_samples: int = 0
    lost_samples: int = 0
    discarded_samples: int = 0
    retired: bool = False

    def copy(self) -> FrontendState:
        """A snapshot that continues exactly as this state would."""
        return FrontendState(
            self.samples.copy(),
            self.start,
            self.stop,
            aligned(self.memory),
            self.position,
            self.heard,
            self.follows,
            self.pending_gap,
            self.hop,
            self.end_sample,
            self.level_power,
            self.gap_samples,
            self.lost_samples,
            self.discarded_samples,
            self.retired,
        )


class Frontend:
    """Computes the frames of a spec. Holds constants only, so any number of streams and threads can share it.

    Args:
        spec: what to compute.
    """

    def __init__(self, spec: FrontendSpec) -> None:
        self.spec = spec
        self._plan = make_plan(spec)
        self._hop_power = fft.hop_power_kernel(spec.n_fft)
        self._n_features = spec.n_features
        self._from_power_forbidden = "zcr" in spec.features

    @property
    def latency_samples(self) -> int:
        """Samples between an input and the frames that show it: none is held back beyond its own hop."""
        return 0

    @property
    def receptive_field(self) -> int:
        """Samples that one frame sees (its running statistics remember more)."""
        return self.spec.n_fft

    def compiled(self) -> bool:
        """Whether the kernels of this spec are on disk already; otherwise ``warm`` takes some seconds."""
        return compiling.is_marked(kernels.frame_of_power, self.spec.n_fft)

    def warm(self) -> None:
        """Load or compile every kernel, so that no later call does. Any thread; before audio starts."""
        state = self.init_state()
        self.feed(np.zeros(self.spec.n_fft, np.float32), state)
        self.next_frame(state, np.empty(self.spec.n_features, np.float32))
        compiling.mark(kernels.frame_of_power, self.spec.n_fft)

    def init_state(self, batch: int = 1) -> FrontendState:
        """A complete fresh state, for one stream.

        Raises:
            ConfigError: ``batch`` is not 1; a batch of streams has one state each.
        """
        if batch != 1:
            raise ConfigError(f"frontend batch = {batch} is not allowed", "make one state for each stream")
        return FrontendState(
            samples=np.zeros(8 * self.spec.n_fft, np.float32),
            start=0,
            stop=0,
            memory=aligned(np.zeros(self._plan.memory_size, np.float32)),
        )

    def feed(self, block: FloatArray, state: FrontendState) -> None:
        """Append samples to the state; then call ``next_frame`` until it says False.

        The buffer grows only for a block longer than any before (or when frames are left untaken).

        Args:
            block: (n,) float32, nominally in [-1, 1], finite; any n, at the spec's sample rate.
            state: the stream's state; changed.

        Raises:
            TypeError: the block is not one-dimensional float32.
            ValueError: the state has been flushed.
        """
        if block.ndim != 1 or block.dtype != _FLOAT32:
            raise TypeError(f"a block is (n,) float32, not {block.shape} {block.dtype}")
        if state.retired:
            raise ValueError("this state has been flushed; make a new one with init_state()")
        n = block.size
        if state.stop + n > state.samples.size:
            self._make_room(n, state)
        state.samples[state.stop : state.stop + n] = block
        state.stop += n

    def _make_room(self, n: int, state: FrontendState) -> None:
        waiting = state.stop - state.start
        kept = state.samples[state.start : state.stop]
        # Twice a window more than the block: then what is kept never overlaps where it goes.
        wanted = 2 * max(waiting, self.spec.n_fft) + n
        if wanted > state.samples.size:
            state.samples = np.zeros(1 << (wanted - 1).bit_length(), np.float32)
        state.samples[:waiting] = kept
        state.start, state.stop = 0, waiting

    def next_frame(self, state: FrontendState, out: FloatArray) -> bool:
        """Compute one hop, without allocating. The real-time call.

        Args:
            state: the stream's state; changed. Its ``hop``, ``end_sample``, ``level_power`` and
                ``gap_samples`` describe the frame afterwards.
            out: (n_features,) float32, contiguous; written whole.

        Returns:
            False where there are not enough samples for a window; ``out`` is then untouched.
        """
        start = state.start
        n_fft = self.spec.n_fft
        if state.stop - start < n_fft:
            return False
        plan = self._plan
        memory = state.memory
        self._hop_power(state.samples, start, plan.fft, memory)
        kernels.frame_of_power(plan.weights, plan.layout, memory, state.heard, state.follows, out)
        state.level_power = memory.item(fft.MEAN_SQUARE)
        hop = self.spec.hop
        state.start = start + hop
        self._advance(state, hop)
        return True

    def _advance(self, state: FrontendState, hop: int) -> None:
        state.hop = state.position // hop
        state.end_sample = state.position + self.spec.n_fft
        state.position += hop
        state.heard += 1
        state.follows = True
        state.gap_samples = state.pending_gap
        state.pending_gap = 0

    def step(self, block: FloatArray, state: FrontendState) -> tuple[FloatArray, FrontendState]:
        """Every frame that a block completes.

        Args:
            block: as for ``feed``.
            state: the stream's state; keep the returned one only.

        Returns:
            (k, n_features) float32, k >= 0, and the state.

        Raises:
            TypeError: the block is not one-dimensional float32.
            ValueError: the state has been flushed.
        """
        waiting = state.stop - state.start + block.size - self.spec.n_fft
        frames = np.empty((max(0, waiting // self.spec.hop + 1), self.spec.n_features), np.float32)
        k = 0
        for at in range(0, max(1, block.size), _STEP_SAMPLES):
            self.feed(block[at : at + _STEP_SAMPLES], state)
            while k < len(frames) and self.next_frame(state, frames[k]):
                k += 1
        return frames, state

    def spectra(self, x: FloatArray) -> FloatArray:
        """Power spectra of a whole signal, framed and transformed as the stream is: for data sets of sound.

        ``step_power`` makes of them, bit for bit, the frames that ``offline`` makes of the samples (``zcr`` and
        ``rms`` aside).

        Args:
            x: (n,) float32, finite, at the spec's sample rate.

        Returns:
            (k, n_bins) float32 in the spec's scaling; k = 0 where no window is full.

        Raises:
            TypeError: the signal is not one-dimensional float32.
        """
        if x.ndim != 1 or x.dtype != _FLOAT32:
            raise TypeError(f"a signal is (n,) float32, not {x.shape} {x.dtype}")
        samples = np.require(x, requirements=["C", "A", "W"])  # the one kind of array the kernel is compiled for
        memory = aligned(np.zeros(self._plan.memory_size, np.float32))
        n_bins = self.spec.n_bins
        starts = range(0, samples.size - self.spec.n_fft + 1, self.spec.hop)
        power = np.empty((len(starts), n_bins), np.float32)
        for k, start in enumerate(starts):
            self._hop_power(samples, start, self._plan.fft, memory)
            power[k] = memory[fft.POWER : fft.POWER + n_bins]
        return power

    def step_power(self, power: FloatArray, state: FrontendState) -> tuple[FloatArray, FrontendState]:
        """One frame from a power spectrum, by the same kernels: for training data that are spectra.

        ``level_power`` and ``rms`` are then estimated from the spectrum (Parseval), which weighs the
        samples with the window; on steady sound they agree with those of the samples.

        Args:
            power: (n_bins,) float32, non-negative and finite, in the spec's scaling.
            state: a state that is fed spectra only; keep the returned one only.

        Returns:
            (n_features,) float32 and the state.

        Raises:
            ConfigError: the spec has ``zcr``, which no spectrum tells.
            ValueError: wrong shape.
        """
        if self._from_power_forbidden:
            raise ConfigError(
                "a zero-crossing rate cannot be had from a power spectrum", "leave 'zcr' out of the features"
            )
        if power.shape != (self.spec.n_bins,):
            raise ValueError(f"a power spectrum is ({self.spec.n_bins},), not {power.shape}")
        plan = self._plan
        memory = state.memory
        memory[fft.POWER : fft.POWER + self.spec.n_bins] = power
        state.level_power = float(np.dot(plan.parseval, power))
        memory[fft.MEAN_SQUARE] = state.level_power
        out = np.empty(self._n_features, np.float32)
        kernels.frame_of_power(plan.weights, plan.layout, memory, state.heard, state.follows, out)
        self._advance(state, self.spec.hop)
        return out, state

    @property
    def row_size(self) -> int:
        """Values of one ``spectrum_row``."""
        return fft.POWER + self.spec.n_bins

    def spectrum_row(self, state: FrontendState) -> FloatArray:
        """All that the last hop's frame was made of, statistics aside: for ``hear_again``, later.

        Args:
            state: a stream that has had a frame.

        Returns:
            (row_size,) float32, a view that the next hop overwrites: copy it.
        """
        return state.memory[: self.row_size]

    def hear_again(self, row: FloatArray, state: FrontendState, out: FloatArray) -> None:
        """One frame from a kept row, without allocating: running statistics learn it, the clock stands still.

        After ``forget``, the frames of a stretch of rows are bit for bit those of a stream that began with it,
        whatever the spec (zero crossings and level are in the row).

        Args:
            row: (row_size,) float32, from ``spectrum_row``.
            state: the stream's state; only what ``forget`` forgets is changed.
            out: (n_features,) float32, contiguous; written whole.
        """
        plan = self._plan
        state.memory[: self.row_size] = row
        kernels.frame_of_power(plan.weights, plan.layout, state.memory, state.heard, state.follows, out)
        state.heard += 1
        state.follows = True

    def gap(self, n_samples: int, state: FrontendState) -> FrontendState:
        """Tell the stream that samples were lost here.

        A window never spans the gap: what waits for its window is discarded and counted. Running values and
        resonators are kept as they are, as if nothing had been between; only flux and deltas know better.
        ``end_sample`` and ``hop`` move on, and the next frame carries the gap. Take the frames that are
        complete before calling.

        Args:
            n_samples: samples lost, at the spec's sample rate; 0 does nothing.
            state: the stream's state; keep the returned one only.

        Raises:
            ValueError: fewer than 0 samples.
        """
        if n_samples < 0:
            raise ValueError(f"a gap of {n_samples} samples: it cannot be negative")
        if n_samples:
            self._discard(state)
            state.position += n_samples
            state.pending_gap += n_samples
            state.lost_samples += n_samples
            state.follows = False
        return state

    def seek_onset(self, magnitude: float, state: FrontendState) -> int:
        """Let the next window begin where sound begins, if it does so within that window.

        What is said of a piece then does not depend on when listening began: the hops of a file and those of
        the same file played into a microphone lie at the same places. Only for use in silence: the samples
        before the onset are in no window.

        Args:
            magnitude: the first sample at least this large is the onset.
            state: the stream's state; changed.

        Returns:
            Samples passed over; 0 where there is no onset, or not yet a whole window to look at.
        """
        if state.stop - state.start < self.spec.n_fft:
            return 0
        loud = np.abs(state.samples[state.start : state.start + self.spec.n_fft]) >= magnitude
        quiet = int(loud.argmax())  # 0 as well where none is loud
        state.start += quiet
        state.position += quiet
        state.discarded_samples += quiet
        return quiet

    def take_over(self, other: FrontendState, state: FrontendState) -> None:
        """Go on with what another state has heard; samples and their count run on.

        The next frames are bit for bit those that ``other`` would give for the same spectra.

        Args:
            other: of this frontend; left as it is.
            state: the stream's state; only what ``forget`` forgets is changed.
        """
        state.memory[self._plan.memory_kept :] = other.memory[self._plan.memory_kept :]
        state.heard = other.heard
        state.follows = other.follows

    def forget(self, state: FrontendState) -> FrontendState:
        """Forget every frame, as at the start of a piece; samples and their count run on.

        The next frames are bit for bit those of a fresh state.

        Args:
            state: the stream's state; keep the returned one only.
        """
        state.memory[self._plan.memory_kept :] = 0.0
        state.heard = 0
        state.follows = False
        return state

    def _discard(self, state: FrontendState) -> None:
        waiting = state.stop - state.start
        # The first n_fft - hop of these have been in the window before, if there was one.
        seen = min(waiting, self.spec.n_fft - self.spec.hop) if state.follows else 0
        state.discarded_samples += waiting - seen
        state.position += waiting
        state.start = state.stop = 0

    def flush(self, state: FrontendState) -> tuple[FloatArray, FrontendState]:
        """End the stream: an incomplete last window is not a frame, its samples are counted as discarded.

        Returns:
            (0, n_features) float32 and the retired state.
        """
        self._discard(state)
        state.retired = True
        return np.empty((0, self.spec.n_features), np.float32), state

    def offline(self, x: FloatArray) -> FloatArray:
        """All frames of a whole signal: ``init_state`` → ``step`` → ``flush``.

        Args:
            x: (n,) float32.

        Returns:
            (k, n_features) float32.
        """
        frames, state = self.step(x, self.init_state())
        self.flush(state)
        return frames
