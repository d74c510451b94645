"""The page to open first: block → hops → features → logits → posterior → decision.

One pipeline holds constants only and serves any number of streams; what a stream has heard lives in a
``PipelineState`` that the caller owns. The live daemon, ``rtgenre tag`` and the evaluation all run this code.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from rtgenre.frontend.lookback import Lookback
from rtgenre.posterior.change import ChangeDetector
from rtgenre.posterior.decision import DecisionPolicy, level_dbfs
from rtgenre.posterior.smoothing import Smoother
from rtgenre.records import Posterior, TrackReason, TrackStart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rtgenre.frontend.stream import Frontend, FrontendState
    from rtgenre.labels.stage import OwnLabels, OwnState
    from rtgenre.model.interface import ModelState, Runtime
    from rtgenre.posterior.calibration import Calibration
    from rtgenre.posterior.change import ChangeState
    from rtgenre.posterior.decision import DecisionState, PolicySettings
    from rtgenre.posterior.smoothing import SmootherState
    from rtgenre.records import FloatArray


@dataclass(slots=True)
class PipelineState:
    """Everything that one stream has heard.

    Attributes:
        frontend: leftover samples and running statistics.
        model: what the network remembers.
        smoother: running mean of the log posterior.
        music_smoother: running mean of log P(music) and log P(not music).
        change: the detector of changes of track.
        decision: the policy's memory.
        lookback: spectra of the last seconds of this track, to be heard again if the track is then found to be new.
        frame: (1, n_features) float32, scratch for the hop under way.
        outputs: (1, n_outputs) float32, likewise: genre logits, ``music`` logit, ``change`` logit.
        probs: (n_labels,) float32, the last smoothed posterior.
        music: the last smoothed probability that this is music.
        track: number of the track, from 1; 0 before any sound.
        track_start: where it begins, None before any sound.
        next_track: why the next sound will be another track, where it will be.
        resets: times that model and smoothing began afresh.
        own: what one's own labels remember; None where there are none.
    """

    frontend: FrontendState
    model: ModelState
    smoother: SmootherState
    music_smoother: SmootherState
    change: ChangeState
    decision: DecisionState
    lookback: Lookback
    frame: FloatArray
    outputs: FloatArray
    probs: FloatArray
    music: float = 0.5
    track: int = 0
    track_start: TrackStart | None = None
    next_track: TrackReason = TrackReason.START
    resets: int = 0
    own: OwnState | None = None

    def copy(self) -> Self:
        """A snapshot that shares nothing."""
        return type(self)(
            self.frontend.copy(),
            self.model.copy(),
            self.smoother.copy(),
            self.music_smoother.copy(),
            self.change.copy(),
            self.decision.copy(),
            self.lookback.copy(),
            self.frame.copy(),
            self.outputs.copy(),
            self.probs.copy(),
            self.music,
            self.track,
            self.track_start,
            self.next_track,
            self.resets,
            None if self.own is None else self.own.copy(),
        )


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
        self.calibration = calibration
        self.own = own
        self.hops_per_s = frontend.spec.sample_rate / frontend.spec.hop
        self.smoother = Smoother(len(runtime.labels), settings.smoothing_s, self.hops_per_s)
        self.music_smoother = Smoother(2, settings.music_smoothing_s, self.hops_per_s)
        self.change = ChangeDetector(settings, self.hops_per_s)
        self.policy = DecisionPolicy(settings, runtime.labels, self.hops_per_s)
        self.latency_samples = frontend.latency_samples
        self._n_labels = len(runtime.labels)
        self._gap_reset_samples = round(settings.gap_reset_s * frontend.spec.sample_rate)

    def init_state(self) -> PipelineState:
        """A state that has heard nothing; any thread."""
        return PipelineState(
            self.frontend.init_state(),
            self.runtime.init_state(),
            self.smoother.init_state(),
            self.music_smoother.init_state(),
            self.change.init_state(),
            self.policy.init_state(),
            Lookback.of_size(self.change.lookback, self.frontend.row_size),
            np.zeros((1, self.frontend.spec.n_features), np.float32),
            np.zeros((1, self.runtime.n_outputs), np.float32),
            np.full(self._n_labels, 1.0 / self._n_labels, np.float32),
            own=None if self.own is None else self.own.init_state(),
        )

    def hops(self, block: FloatArray, state: PipelineState) -> Iterator[Posterior]:
        """Take samples in and yield an answer for each hop that they complete, as soon as it is known.

        Args:
            block: (n_samples,) float32 in [-1, 1], finite, any size.
            state: changed in place; the iterator must be exhausted before the next call.
        """
        self.frontend.feed(block, state.frontend)
        while True:
            t_start_ns = time.perf_counter_ns()
            if self.policy.awaits_onset(state.decision):
                self.frontend.seek_onset(self.policy.onset_magnitude, state.frontend)
            if not self.frontend.next_frame(state.frontend, state.frame[0]):
                return
            yield self._classify(state, t_start_ns, time.perf_counter_ns())

    def hop_of_power(self, spectrum: FloatArray, state: PipelineState) -> Posterior:
        """One hop from a power spectrum instead of samples: for data sets that are spectra.

        The decision's search for the onset of a piece needs samples and has no counterpart here.

        Args:
            spectrum: (n_bins,) float32, see ``Frontend.step_power``.
            state: changed in place; fed spectra only.
        """
        t_start_ns = time.perf_counter_ns()
        state.frame[0], state.frontend = self.frontend.step_power(spectrum, state.frontend)
        return self._classify(state, t_start_ns, time.perf_counter_ns())

    def next_hop_end(self, state: PipelineState) -> int:
        """Index one past the last sample that the next hop needs, at the frontend's rate."""
        return state.frontend.position + self.frontend.spec.n_fft

    def step(self, block: FloatArray, state: PipelineState) -> tuple[list[Posterior], PipelineState]:
        """As ``hops``, at once."""
        return list(self.hops(block, state)), state

    def gap(self, n_samples: int, state: PipelineState) -> PipelineState:
        """Tell that ``n_samples`` (at the frontend's rate) were lost; a long gap begins a new piece."""
        state.frontend = self.frontend.gap(n_samples, state.frontend)
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
        state.decision = self.policy.restart(state.frontend.hop, state.decision)
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

    def _classify(self, state: PipelineState, t_start_ns: int, t_frame_ns: int) -> Posterior:
        heard, before = state.frontend, state.track
        level = level_dbfs(heard.level_power)
        if self.policy.hear(level, state.decision):
            if state.decision.heard == 1:
                self._begin_track(state.next_track, 1, state)
            self._keep(state)
            self._understand(state)
            new_hops, state.change = self.change.step(self.calibration.change(state.outputs.item(-1)), state.change)
            if new_hops:
                self._hear_again(new_hops, state)
            state.decision = self.policy.decide(state.probs, state.music, heard.hop, state.decision)
        else:
            state.lookback.clear()
            state.decision = self.policy.silent(heard.hop, state.decision)
            if state.decision.heard and self.policy.piece_has_ended(state.decision):
                state = self.reset(state, TrackReason.SILENCE)
            if self.policy.awaits_onset(state.decision):
                # Running statistics must not learn the silence before a piece.
                state.frontend = self.frontend.forget(state.frontend)
        return Posterior(
            hop=heard.hop,
            end_sample=heard.end_sample,
            probs=state.probs,
            decision=state.decision.decision,
            level_dbfs=level,
            gap_samples=heard.gap_samples,
            age_s=state.decision.heard / self.hops_per_s,
            frontend_ns=t_frame_ns - t_start_ns,
            model_ns=time.perf_counter_ns() - t_frame_ns,
            music=state.music,
            track=state.track,
            track_start=state.track_start,
            track_change=state.track > before > 0,
            own=None if state.own is None else state.own.probs,
        )

    def _understand(self, state: PipelineState) -> None:
        """From the frame to smoothed probabilities, and what they weigh."""
        _, state.model = self.runtime.step(state.frame, state.model, state.outputs)
        genres = self.calibration.log_genres(state.outputs[0, : self._n_labels])
        music = self.calibration.log_music(state.outputs.item(self._n_labels))
        state.probs, state.smoother = self.smoother.step(genres, state.smoother)
        both, state.music_smoother = self.music_smoother.step(music, state.music_smoother)
        state.music = both.item(0)
        if self.own is not None and state.own is not None:
            state.own = self.own.step(state.model.trunk[0], state.own)
            state.music *= 1.0 - state.own.noise  # a noise of one's own is no music, whatever the model makes of it
        state.decision = self.policy.weigh(state.probs, state.music, state.decision)

    def _keep(self, state: PipelineState) -> None:
        """Remember the hop's spectrum, in case the track turns out to have begun with it."""
        if state.frontend.gap_samples:
            state.lookback.clear()
        state.lookback.keep(self.frontend.spectrum_row(state.frontend))

    def _hear_again(self, new_hops: int, state: PipelineState) -> None:
        """A soft reset: forget everything, then hear what belongs to the new track again, as if it had begun there.

        Costs one hop's time (frontend and model) for each hop heard again, once a track.
        """
        new_hops = min(new_hops, state.lookback.kept)
        self._forget(state)
        state.decision = self.policy.begin_track(new_hops, state.decision)
        for row in state.lookback.last(new_hops):
            self.frontend.hear_again(row, state.frontend, state.frame[0])
            self._understand(state)
        self._begin_track(TrackReason.CHANGE, new_hops, state)

    def _begin_track(self, reason: TrackReason, hops: int, state: PipelineState) -> None:
        """Count a track whose last ``hops`` hops have been heard."""
        spec, heard = self.frontend.spec, state.frontend
        back = hops - 1
        state.track += 1
        state.track_start = TrackStart(reason, heard.hop - back, heard.end_sample - spec.n_fft - back * spec.hop)

    def _forget(self, state: PipelineState) -> None:
        state.frontend = self.frontend.forget(state.frontend)
        state.model = self.runtime.forget(state.model)
        state.smoother = self.smoother.init_state()
        state.music_smoother = self.music_smoother.init_state()
        state.change = self.change.init_state()
        state.own = None if self.own is None else self.own.init_state()
        state.probs = np.full_like(state.probs, 1.0 / self._n_labels)
        state.resets += 1
