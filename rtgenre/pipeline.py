"""The page to open first: block → hops → features → logits → posterior → decision.

One pipeline holds constants only and serves any number of streams; what a stream has heard lives in a
``PipelineState`` that the caller owns. The live daemon, ``rtgenre tag`` and the evaluation all run this code.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.frontend.lookback import Lookback
from rtgenre.hearing import Ear
from rtgenre.pipeline_state import PipelineState
from rtgenre.posterior.change import ChangeDetector
from rtgenre.posterior.decision import DecisionPolicy, level_dbfs
from rtgenre.posterior.second import SecondOpinion, Verdict
from rtgenre.records import Posterior, TrackReason, TrackStart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rtgenre.frontend.stream import Frontend
    from rtgenre.hearing import Hearing
    from rtgenre.labels.stage import OwnLabels
    from rtgenre.model.interface import Runtime
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
    """

    def __init__(
        self,
        frontend: Frontend,
        runtime: Runtime,
        calibration: Calibration,
        settings: PolicySettings,
        own: OwnLabels | None = None,
    ) -> None:
        self.frontend = frontend
        self.runtime = runtime
        self.own = own
        self.hops_per_s = frontend.spec.sample_rate / frontend.spec.hop
        self.ear = Ear(frontend, runtime, calibration, settings, own)
        self.change = ChangeDetector(settings, self.hops_per_s)
        self.second = SecondOpinion(settings, self.hops_per_s)
        self.policy = DecisionPolicy(settings, runtime.labels, self.hops_per_s)
        self.latency_samples = frontend.latency_samples
        self._gap_reset_samples = round(settings.gap_reset_s * frontend.spec.sample_rate)

    def init_state(self) -> PipelineState:
        """A state that has heard nothing; any thread."""
        return PipelineState(
            self.ear.init_state(),
            self.ear.init_state(),
            self.change.init_state(),
            self.policy.init_state(),
            Lookback.of_size(self.change.lookback, self.frontend.row_size),
        )

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
        self._forget(state)
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
            if state.decision.heard == 1:
                self._begin_track(state.next_track, 1, state)
            self._keep(state)
            if self._has_young(state):
                row = self.frontend.spectrum_row(state.standing.frontend)
                self.frontend.hear_again(row, state.young.frontend, state.young.frame[0])
        return _Hop(level, sounds, before, t_frame_ns - t_start_ns, time.perf_counter_ns() - t_frame_ns)

    def _has_young(self, state: PipelineState) -> bool:
        """Whether there is a young state beside the standing one; young itself, that needs no second opinion."""
        return state.probation or (not self.second.never and state.standing.heard >= self.second.first)

    def _step_model(self, states: Sequence[PipelineState]) -> int:
        """Step the model for these streams, from ``frame`` to ``outputs``; returns the time it took, ns."""
        t_start_ns = time.perf_counter_ns()
        batch: list[Hearing] = []
        for state in states:
            batch += (state.standing, state.young) if self._has_young(state) else (state.standing,)
        if len(batch) == 1:
            self.runtime.step(batch[0].frame, batch[0].model, batch[0].outputs)
        elif batch:
            self.runtime.step_each([h.frame for h in batch], [h.model for h in batch], [h.outputs for h in batch])
        return time.perf_counter_ns() - t_start_ns

    def _answer(self, hop: _Hop, state: PipelineState, step_ns: int) -> Posterior:
        """From the model's outputs, or from silence, to what is said of the hop."""
        t_start_ns, heard = time.perf_counter_ns(), state.standing.frontend
        if hop.sounds:
            self._understand(state)
            said = state.said
            state.decision = self.policy.decide(said.probs, said.music, heard.hop, state.decision)
        else:
            state.lookback.clear()
            state.decision = self.policy.silent(heard.hop, state.decision)
            if state.decision.heard and self.policy.piece_has_ended(state.decision):
                state = self.reset(state, TrackReason.SILENCE)
            if self.policy.awaits_onset(state.decision):
                # Running statistics must not learn the silence before a piece.
                state.standing.frontend = self.frontend.forget(heard)
            said = state.said
        return Posterior(
            hop=heard.hop,
            end_sample=heard.end_sample,
            probs=said.probs,
            decision=state.decision.decision,
            level_dbfs=hop.level_dbfs,
            gap_samples=heard.gap_samples,
            age_s=state.decision.heard / self.hops_per_s,
            frontend_ns=hop.frontend_ns,
            model_ns=hop.model_ns + step_ns + time.perf_counter_ns() - t_start_ns,
            music=said.music,
            track=state.track,
            track_start=state.track_start,
            track_change=state.track > hop.track_before > 0,
            own=None if said.own is None else said.own.probs,
        )

    def _understand(self, state: PipelineState) -> None:
        """From the model's outputs to smoothed probabilities, what they weigh, and whether the track is a new one."""
        has_young = self._has_young(state)
        self.ear.understand(state.standing)
        if has_young:
            self.ear.understand(state.young)
        new_hops, state.change = self.change.step(self.ear.change(state.standing), state.change)
        if new_hops and not state.probation:
            self._suspect(new_hops, state)
            return
        if has_young:
            judge = self.second.on_probation if state.probation else self.second.unasked
            self._follow(judge(state.standing.probs, state.young.probs, state.young.heard), state)
        self._weigh(state)

    def _weigh(self, state: PipelineState) -> None:
        state.decision = self.policy.weigh(state.said.probs, state.said.music, state.decision)

    def _keep(self, state: PipelineState) -> None:
        """Remember the hop's spectrum, in case the track turns out to have begun with it."""
        if state.standing.frontend.gap_samples:
            state.lookback.clear()
        state.lookback.keep(self.frontend.spectrum_row(state.standing.frontend))

    def _suspect(self, new_hops: int, state: PipelineState) -> None:
        """The model reports a change: a young state hears the new track again, as if all had begun there, and speaks.

        Costs one hop's time (frontend and model) for each hop heard again, once a track.
        """
        new_hops = min(new_hops, state.lookback.kept)
        self.ear.forget(state.young)
        state.probation = True
        state.decision = self.policy.begin_track(new_hops, state.decision)
        for row in state.lookback.last(new_hops):
            self.ear.hear_again(row, state.young)
            self._weigh(state)
        self._follow(self.second.on_probation(state.standing.probs, state.young.probs, new_hops), state)

    def _follow(self, verdict: Verdict, state: PipelineState) -> None:
        """Adopt the young state, or begin another."""
        if verdict is Verdict.WAIT:
            return
        # What is said now comes from another state: its genre needs no margin over what the other one said.
        if verdict is Verdict.DROP:
            self.ear.forget(state.young)
            if state.probation:
                state.decision = self.policy.begin_track(state.standing.heard, state.decision)
        else:
            self._begin_track(TrackReason.CHANGE, state.young.heard, state)
            if not state.probation:
                state.decision = self.policy.begin_track(state.young.heard, state.decision)
            self.ear.take_over(state.young, state.standing)
            state.resets += 1
        if state.probation or verdict is Verdict.ADOPT:
            state.change = self.change.init_state()
        state.probation = False

    def _begin_track(self, reason: TrackReason, hops: int, state: PipelineState) -> None:
        """Count a track whose last ``hops`` hops have been heard."""
        spec, heard = self.frontend.spec, state.standing.frontend
        back = hops - 1
        state.track += 1
        state.track_start = TrackStart(reason, heard.hop - back, heard.end_sample - spec.n_fft - back * spec.hop)

    def _forget(self, state: PipelineState) -> None:
        self.ear.forget(state.standing)
        self.ear.forget(state.young)
        state.change = self.change.init_state()
        state.probation = False
        state.resets += 1
