"""Which track is heard: where one begins, and what each of a stream's two states makes of it.

The standing state has heard the track from its beginning. The young one begins anew every few seconds, or where the
model reports a change. How probable a cut between the two is says how much the word of either counts; where it is
nearly sure, the young one takes the place of the other, and another track has begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtgenre.frontend.lookback import Lookback
from rtgenre.pipeline_state import PipelineState
from rtgenre.posterior.change import ChangeDetector
from rtgenre.posterior.second import SecondOpinion, Verdict
from rtgenre.posterior.smoothing import probabilities
from rtgenre.records import TrackReason, TrackStart

if TYPE_CHECKING:
    from rtgenre.frontend.stream import Frontend
    from rtgenre.hearing import Ear, Hearing
    from rtgenre.posterior.decision import DecisionPolicy, PolicySettings

SAME_CUT_S = 0.5
"""A young state that began no further than this from a reported cut need not begin anew."""


class Tracks:
    """Keeps the two states of a stream and tells tracks apart; holds constants only. The engine's thread.

    Args:
        frontend: of the pipeline.
        ear: from frames to probabilities.
        policy: from probabilities to decisions.
        settings: of the policy.
    """

    def __init__(self, frontend: Frontend, ear: Ear, policy: DecisionPolicy, settings: PolicySettings) -> None:
        hops_per_s = frontend.spec.sample_rate / frontend.spec.hop
        self._frontend, self._ear, self._policy = frontend, ear, policy
        self._change = ChangeDetector(settings, hops_per_s)
        self._second = SecondOpinion(settings, hops_per_s)
        self._same_cut = round(SAME_CUT_S * hops_per_s)

    def init_state(self) -> PipelineState:
        """A stream that has heard nothing."""
        standing, young = self._ear.init_state(), self._ear.init_state()
        lookback = Lookback.of_size(self._change.lookback, self._frontend.row_size)
        change, decision = self._change.init_state(), self._policy.init_state()
        return PipelineState(standing, young, standing.probs.copy(), change, decision, lookback)

    def listen(self, state: PipelineState) -> None:
        """A frame of sound has been made of the standing state; the young one gets its own of the same spectrum."""
        if state.decision.heard == 1:
            self._begin_track(state.next_track, 1, state)
        if state.standing.frontend.gap_samples:
            state.lookback.clear()
        row = self._frontend.spectrum_row(state.standing.frontend)
        state.lookback.keep(row)
        if state.young.heard or state.standing.heard >= self._second.first:
            if not state.young.heard:
                state.report = state.change.peak
            self._frontend.hear_again(row, state.young.frontend, state.young.frame[0])

    def hearings(self, state: PipelineState) -> tuple[Hearing, ...]:
        """The states that wait for the model's step."""
        return (state.standing, state.young) if state.young.heard else (state.standing,)

    def understand(self, state: PipelineState) -> None:
        """From the model's outputs to smoothed probabilities, and what is said of both states together."""
        for hearing in self.hearings(state):
            self._ear.understand(hearing)
        new_hops, state.change = self._change.step(self._ear.change(state.standing), state.change)
        state.report = max(state.report, state.change.smoothed)
        new_hops = min(new_hops, state.lookback.kept)
        if new_hops and not (state.young.heard and abs(state.young.heard - new_hops) <= self._same_cut):
            self._hear_again(new_hops, state)
        self._compare(state)

    def judge(self, state: PipelineState) -> None:
        """After the decision: adopt the young state, or begin it anew, when it is time."""
        match self._second.verdict(state.cut, state.young.heard):
            case Verdict.ADOPT:
                self._begin_track(TrackReason.CHANGE, state.young.heard, state)
                self._ear.take_over(state.young, state.standing)
                state.decision = self._policy.begin_track(state.standing.heard, state.decision)
                state.change = self._change.init_state()
                state.cut = 0.0
                state.resets += 1
            case Verdict.DROP:
                self._ear.forget(state.young)
                state.cut = 0.0

    def forget(self, state: PipelineState) -> None:
        """Begin a new piece: nothing that was heard has a say in it."""
        self._ear.forget(state.standing)
        self._ear.forget(state.young)
        state.change = self._change.init_state()
        state.probs, state.music, state.cut = state.standing.probs.copy(), state.standing.music, 0.0
        state.resets += 1

    def _hear_again(self, new_hops: int, state: PipelineState) -> None:
        """The model reports a change: the young state hears the new track again, as if all had begun there.

        Costs one hop's time (frontend and model) for each hop heard again, once a report.
        """
        self._ear.forget(state.young)
        for row in state.lookback.last(new_hops):
            self._ear.hear_again(row, state.young)
        state.report = state.change.peak

    def _compare(self, state: PipelineState) -> None:
        """How probable is a cut between the two states? So much the young one's word counts in what is said.

        Posteriors are pooled as they are smoothed: in logarithms. A mean of probabilities would be less sure than it
        is right.
        """
        one, other = state.standing, state.young
        state.cut = cut = self._second.probability(one.probs, other.probs, other.heard, state.report)
        state.probs = probabilities((1.0 - cut) * one.smoother.mean + cut * other.smoother.mean)
        state.music = (1.0 - cut) * one.music + cut * other.music

    def _begin_track(self, reason: TrackReason, hops: int, state: PipelineState) -> None:
        """Count a track whose last ``hops`` hops have been heard."""
        spec, heard = self._frontend.spec, state.standing.frontend
        back = hops - 1
        state.track += 1
        state.track_start = TrackStart(reason, heard.hop - back, heard.end_sample - spec.n_fft - back * spec.hop)
