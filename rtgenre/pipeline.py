"""The page to open first: block → hops → features → logits → posterior → decision.

One pipeline holds constants only and serves any number of streams; what a stream has heard lives in a
``PipelineState`` that the caller owns. The live daemon, ``rtgenre tag`` and the evaluation all run this code.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.hearing import Ear
from rtgenre.pipeline_state import PipelineState
from rtgenre.posterior.decision import DecisionPolicy, level_dbfs
from rtgenre.records import Posterior, TrackReason
from rtgenre.tracks import Tracks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rtgenre.frontend.stream import Frontend
    from rtgenre.hearing import Hearing
    from rtgenre.labels.stage import OwnLabels
    from rtgenre.model.interface import Runtime
    from rtgenre.model.same_track import SameTrack
    from rtgenre.posterior.calibration import Calibration
    from rtgenre.posterior.decision import PolicySettings
    from rtgenre.records import FloatArray

__all__ = ["Pipeline", "PipelineState"]


@dataclass(frozen=True, slots=True)
class _Hop:
    """A hop between its frame and its answer: what the model need not be asked.

    Attributes:
        level_dbfs: of its window.
        sounds: False in silence, which the model does not hear.
        track_before: number of the track up to here.
        frontend_ns: time that its frame took.
        model_ns: time that was spent on it since.
    """

    level_dbfs: float
    sounds: bool
    track_before: int
    frontend_ns: int
    model_ns: int


class Pipeline:
    """From mono samples at the frontend's rate to one ``Posterior`` a hop.

    Args:
        frontend: computes the features of the checkpoint's spec.
        runtime: the checkpoint's model on this machine.
        calibration: the checkpoint's.
        settings: the decision policy.
        own: one's own labels, beside the checkpoint's, whose posterior they never change.
        same_track: the checkpoint's comparison of two states; without it no change of track is ever recognised.
    """

    def __init__(
        self,
        frontend: Frontend,
        runtime: Runtime,
        calibration: Calibration,
        settings: PolicySettings,
        own: OwnLabels | None = None,
        same_track: SameTrack | None = None,
    ) -> None:
        self.frontend = frontend
        self.runtime = runtime
        self.own = own
        self.hops_per_s = frontend.spec.sample_rate / frontend.spec.hop
        self.policy = DecisionPolicy(settings, runtime.labels, self.hops_per_s)
        ear = Ear(frontend, runtime, calibration, settings, own, same_track)
        self.tracks = Tracks(frontend, ear, self.policy, settings)
        self.latency_samples = frontend.latency_samples
        self._gap_reset_samples = round(settings.gap_reset_s * frontend.spec.sample_rate)

    def init_state(self) -> PipelineState:
        """A state that has heard nothing; any thread."""
        return self.tracks.init_state()

    def hops(self, block: FloatArray, state: PipelineState) -> Iterator[Posterior]:
        """Take samples in and yield an answer for each hop that they complete, as soon as it is known.

        Args:
            block: (n_samples,) float32 in [-1, 1], finite, any size.
            state: changed in place; the iterator must be exhausted before the next call.
        """
        self.feed(block, state)
        while (posterior := self.next_hops((state,))[0]) is not None:
            yield posterior

    def feed(self, block: FloatArray, state: PipelineState) -> None:
        """Take samples in; then call ``next_hops`` until it has none left for this stream.

        Args:
            block: (n_samples,) float32 in [-1, 1], finite, any size.
            state: changed in place.
        """
        self.frontend.feed(block, state.standing.frontend)

    def next_hops(self, states: Sequence[PipelineState]) -> list[Posterior | None]:
        """One hop of every stream that has one ready; the model steps them as one batch.

        What is said of a stream is what would be said of it alone: bit for bit on the numba runtime, see
        ``Runtime.step_each`` for the others.

        Args:
            states: of different streams; changed in place.

        Returns:
            One entry a stream, in order: its answer, or None where no hop is complete.
        """
        begun = [self._next_frame(state) for state in states]
        sounding = [state for hop, state in zip(begun, states, strict=True) if hop is not None and hop.sounds]
        step_ns = self._step_model(sounding)
        return [
            None if hop is None else self._answer(hop, state, step_ns if hop.sounds else 0)
            for hop, state in zip(begun, states, strict=True)
        ]

    def hop_of_power(self, spectrum: FloatArray, state: PipelineState) -> Posterior:
        """One hop from a power spectrum instead of samples: for data sets that are spectra.

        The decision's search for the onset of a piece needs samples and has no counterpart here.

        Args:
            spectrum: (n_bins,) float32, see ``Frontend.step_power``.
            state: changed in place; fed spectra only.
        """
        t_start_ns = time.perf_counter_ns()
        heard = state.standing
        heard.frame[0], heard.frontend = self.frontend.step_power(spectrum, heard.frontend)
        hop = self._listen(state, t_start_ns)
        return self._answer(hop, state, self._step_model([state] if hop.sounds else []))

    def next_hop_end(self, state: PipelineState) -> int:
        """Index one past the last sample that the next hop needs, at the frontend's rate."""
        return state.standing.frontend.position + self.frontend.spec.n_fft

    def step(self, block: FloatArray, state: PipelineState) -> tuple[list[Posterior], PipelineState]:
        """As ``hops``, at once."""
        return list(self.hops(block, state)), state

    def gap(self, n_samples: int, state: PipelineState) -> PipelineState:
        """Tell that ``n_samples`` (at the frontend's rate) were lost; a long gap begins a new piece."""
        state.standing.frontend = self.frontend.gap(n_samples, state.standing.frontend)
        if n_samples:
            state.young.frontend.follows = False
        if n_samples >= self._gap_reset_samples:
            self.reset(state, TrackReason.GAP)
        return state

    def reset(self, state: PipelineState, reason: TrackReason = TrackReason.RESET) -> PipelineState:
        """Begin a new piece: model, smoothing and decision afresh; the clock of samples runs on.

        Args:
            state: changed in place and returned.
            reason: why the next sound is another track than the last.
        """
        if state.decision.heard:
            state.next_track = reason
        self.tracks.forget(state)
        state.decision = self.policy.restart(state.standing.frontend.hop, state.decision)
        state.lookback.clear()
        return state

    def flush(self, state: PipelineState) -> tuple[list[Posterior], PipelineState]:
        """End of the sound: a window that is not full is not a hop, so there is nothing left to say."""
        return [], state

    def warm(self) -> None:
        """Compile or load every kernel, so that the first hop is as quick as the thousandth."""
        self.frontend.warm()
        self.runtime.warm()
        self.tracks.warm()
        state = self.init_state()
        noise = np.random.default_rng(0).uniform(-0.1, 0.1, 4 * self.frontend.spec.n_fft).astype(np.float32)
        self.step(noise, state)

    def _next_frame(self, state: PipelineState) -> _Hop | None:
        t_start_ns = time.perf_counter_ns()
        if self.policy.awaits_onset(state.decision):
            self.frontend.seek_onset(self.policy.onset_magnitude, state.standing.frontend)
        if not self.frontend.next_frame(state.standing.frontend, state.standing.frame[0]):
            return None
        return self._listen(state, t_start_ns)

    def _listen(self, state: PipelineState, t_start_ns: int) -> _Hop:
        """Is there sound in the frame that was just made? Then the model is to hear it."""
        t_frame_ns = time.perf_counter_ns()
        before = state.track
        level = level_dbfs(state.standing.frontend.level_power)
        sounds = self.policy.hear(level, state.decision)
        if sounds:
            self.tracks.listen(state)
        return _Hop(level, sounds, before, t_frame_ns - t_start_ns, time.perf_counter_ns() - t_frame_ns)

    def _step_model(self, states: Sequence[PipelineState]) -> int:
        """Step the model for these streams, from ``frame`` to ``outputs``; returns the time it took, ns."""
        t_start_ns = time.perf_counter_ns()
        batch: list[Hearing] = []
        for state in states:
            batch += self.tracks.hearings(state)
        if len(batch) == 1:
            self.runtime.step(batch[0].frame, batch[0].model, batch[0].outputs)
        elif batch:
            self.runtime.step_each([h.frame for h in batch], [h.model for h in batch], [h.outputs for h in batch])
        return time.perf_counter_ns() - t_start_ns

    def _answer(self, hop: _Hop, state: PipelineState, step_ns: int) -> Posterior:
        """From the model's outputs, or from silence, to what is said of the hop."""
        t_start_ns, heard = time.perf_counter_ns(), state.standing.frontend
        if hop.sounds:
            self.tracks.understand(state)
            state.decision = self.policy.step(
                state.probs, state.music, heard.hop, state.decision, changing=state.changing
            )
            self.tracks.judge(state)
        else:
            state.lookback.clear()
            state.decision = self.policy.silent(heard.hop, state.decision)
            if state.decision.heard and self.policy.piece_has_ended(state.decision):
                state = self.reset(state, TrackReason.SILENCE)
            if self.policy.awaits_onset(state.decision):
                # Running statistics must not learn the silence before a piece.
                state.standing.frontend = self.frontend.forget(heard)
        own = state.own
        return Posterior(
            hop=heard.hop,
            end_sample=heard.end_sample,
            probs=state.probs,
            decision=state.decision.decision,
            level_dbfs=hop.level_dbfs,
            gap_samples=heard.gap_samples,
            age_s=state.decision.heard / self.hops_per_s,
            frontend_ns=hop.frontend_ns,
            model_ns=hop.model_ns + step_ns + time.perf_counter_ns() - t_start_ns,
            music=state.music,
            track=state.track,
            track_start=state.track_start,
            track_change=state.track > hop.track_before > 0,
            own=None if own is None else own.probs,
        )
