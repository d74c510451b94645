"""What the live pipeline answers, hop by hop, to clips one after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from rtgenre.records import State
from rtgenre.training import scores

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from rtgenre.pipeline import Pipeline, PipelineState
    from rtgenre.records import Posterior
    from rtgenre.training.datasets.interface import DataSet

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]
    BoolArray = NDArray[np.bool_]

STATES = tuple(State)
MUSIC, SILENCE, NOT_MUSIC = (STATES.index(s) for s in (State.MUSIC, State.SILENCE, State.NOT_MUSIC))
_BLOCK_SAMPLES = 16_384


@runtime_checkable
class HasSound(Protocol):
    """A data set that has its clips as sound, which then is what the pipeline hears."""

    def samples(self, clip: int) -> FloatArray:
        """(n,) float32, mono, at the rate of the model's frontend."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Every answer of one stream that heard some tracks back to back.

    Attributes:
        end_sample: (hops,) int64, one past the last sample of each hop since the stream began.
        probs: (hops, n_labels) float32, smoothed.
        state: (hops,) int8, index into ``STATES``.
        decided: (hops,) int16, index of the genre decided for, −1 for none.
        music: (hops,) float32, probability that this is music; None where the model does not tell.
        changed: (hops,) bool, whether a change of track was reported; None where the policy does not.
        first_hop: (tracks + 1,) int64, first hop of each track, and the number of hops.
        cut_sample: (tracks + 1,) int64, first sample of each track, and the length of the stream.
    """

    end_sample: IntArray
    probs: FloatArray
    state: NDArray[np.int8]
    decided: NDArray[np.int16]
    music: FloatArray | None
    changed: BoolArray | None
    first_hop: IntArray
    cut_sample: IntArray

    def track(self, k: int) -> slice:
        """Hops of the k-th track."""
        return slice(int(self.first_hop[k]), int(self.first_hop[k + 1]))

    def since_cut(self, k: int) -> IntArray:
        """(hops of the k-th track,) samples from its beginning to the end of each hop."""
        since: IntArray = self.end_sample[self.track(k)] - self.cut_sample[k]
        return since

    def hop_after(self, samples: int, k: int = 0) -> int:
        """The last hop of a track that ends within so many samples of its beginning; its first if none does."""
        within = int(np.searchsorted(self.since_cut(k), samples, side="right"))
        return int(self.first_hop[k]) + max(0, within - 1)


@dataclass(frozen=True, slots=True)
class Task:
    """What one stream hears, from a fresh state.

    Attributes:
        clips: indices of clips, one after another.
        silence_s: digital silence after the last one; it is a track of its own.
    """

    clips: tuple[int, ...]
    silence_s: float = 0.0


class Listener:
    """Puts a data set's clips through a pipeline: as samples where it has sound, as spectra otherwise.

    Args:
        pipeline: warm.
        clips: the data set.
        cut_s: no more than so much of each clip is heard, from its beginning.
    """

    def __init__(self, pipeline: Pipeline, clips: DataSet, cut_s: float) -> None:
        self._pipeline = pipeline
        self._clips = clips
        self._spec = pipeline.frontend.spec
        self._cut_samples = round(cut_s * self._spec.sample_rate)
        self._cut_hops = scores.hops_within(cut_s, self._spec.sample_rate, self._spec.n_fft, self._spec.hop)

    def hear(self, task: Task) -> Trace:
        """One stream over all clips of a task.

        Raises:
            SourceError: a clip cannot be read, or is too short for a single answer.
        """
        log = _Log(self._pipeline.runtime.labels)
        state = self._pipeline.init_state()
        for clip in task.clips:
            log.begin_track()
            self._hear_clip(clip, state, log)
        if task.silence_s:
            log.begin_track()
            self._hear_silence(task.silence_s, state, log)
        return log.trace()

    def _hear_clip(self, clip: int, state: PipelineState, log: _Log) -> None:
        if isinstance(self._clips, HasSound):
            self._hear_samples(self._clips.samples(clip)[: self._cut_samples], state, log)
        else:
            self._hear_power(self._clips.power(clip, self._spec)[: self._cut_hops], state, log)

    def _hear_silence(self, seconds: float, state: PipelineState, log: _Log) -> None:
        samples = round(seconds * self._spec.sample_rate)
        if isinstance(self._clips, HasSound):
            self._hear_samples(np.zeros(samples, np.float32), state, log)
        else:
            nothing = np.zeros((samples // self._spec.hop, self._spec.n_fft // 2 + 1), np.float32)
            self._hear_power(nothing, state, log)

    def _hear_samples(self, samples: FloatArray, state: PipelineState, log: _Log) -> None:
        for at in range(0, len(samples), _BLOCK_SAMPLES):
            log.add(self._pipeline.hops(samples[at : at + _BLOCK_SAMPLES], state))
        log.heard_samples += len(samples)

    def _hear_power(self, power: FloatArray, state: PipelineState, log: _Log) -> None:
        log.add(self._pipeline.hop_of_power(spectrum, state) for spectrum in power)
        log.heard_samples += len(power) * self._spec.hop


class _Log:
    """Collects answers while a stream is heard."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.heard_samples = 0
        self._index: dict[str | None, int] = {label: k for k, label in enumerate(labels)} | {None: -1}
        self._rows: list[tuple[int, FloatArray, int, int]] = []
        self._music: list[float | None] = []
        self._changed: list[bool | None] = []
        self._first_hop: list[int] = []
        self._cut_sample: list[int] = []

    def begin_track(self) -> None:
        """What follows is another track."""
        self._first_hop.append(len(self._rows))
        self._cut_sample.append(self.heard_samples)

    def add(self, answers: Iterator[Posterior]) -> None:
        """Note the answers to one stretch of sound."""
        for answer in answers:
            decision = answer.decision
            self._rows.append(
                (answer.end_sample, answer.probs, STATES.index(decision.state), self._index[decision.label])
            )
            self._music.append(getattr(answer, "music", None))
            self._changed.append(getattr(answer, "track_change", None))

    def trace(self) -> Trace:
        """Everything noted so far."""
        self.begin_track()
        end_sample, probs, state, decided = zip(*self._rows, strict=True) if self._rows else ((), (), (), ())
        n_labels = len(self._index) - 1
        return Trace(
            np.array(end_sample, np.int64),
            np.array(probs, np.float32).reshape(-1, n_labels),
            np.array(state, np.int8),
            np.array(decided, np.int16),
            None if None in self._music or not self._rows else np.array(self._music, np.float32),
            None if None in self._changed or not self._rows else np.array(self._changed, np.bool_),
            np.array(self._first_hop, np.int64),
            np.array(self._cut_sample, np.int64),
        )
