"""Which track is heard: where one begins, and what each of a stream's two states makes of it.

The standing state has heard the track from its beginning. The young one begins anew every few seconds, or where the
model reports a change; where it contradicts the standing one it takes its place, and another track has begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtgenre.frontend.lookback import Lookback
from rtgenre.pipeline_state import PipelineState
from rtgenre.posterior.change import ChangeDetector
from rtgenre.posterior.second import SecondOpinion, Verdict
from rtgenre.records import TrackReason, TrackStart

if TYPE_CHECKING:
    from rtgenre.frontend.stream import Frontend
    from rtgenre.hearing import Ear, Hearing
    from rtgenre.posterior.decision import DecisionPolicy, PolicySettings


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

    def init_state(self) -> PipelineState:
        """A stream that has heard nothing."""
        return PipelineState(
            self._ear.init_state(),
            self._ear.init_state(),
            self._change.init_state(),
            self._policy.init_state(),
            Lookback.of_size(self._change.lookback, self._frontend.row_size),
        )

    def listen(self, state: PipelineState) -> None:
        """A frame of sound has been made of the standing state; the young one gets its own of the same spectrum."""
        if state.decision.heard == 1:
            self._begin_track(state.next_track, 1, state)
        if state.standing.frontend.gap_samples:
            state.lookback.clear()
        row = self._frontend.spectrum_row(state.standing.frontend)
        state.lookback.keep(row)
        if self._has_young(state):
            self._frontend.hear_again(row, state.young.frontend, state.young.frame[0])

    def hearings(self, state: PipelineState) -> tuple[Hearing, ...]:
        """The states that wait for the model's step."""
        return (state.standing, state.young) if self._has_young(state) else (state.standing,)

    def understand(self, state: PipelineState) -> None:
        """From the model's outputs to smoothed probabilities, what they weigh, and whether the track is a new one."""
        has_young = self._has_young(state)
        self._ear.understand(state.standing)
        if has_young:
            self._ear.understand(state.young)
        new_hops, state.change = self._change.step(self._ear.change(state.standing), state.change)
        if new_hops and not state.probation:
            self._hear_again(min(new_hops, state.lookback.kept), state)
            return
        if state.probation:
            self._judge(state)
        elif has_young:
            verdict = self._second.unasked(state.standing.probs, state.young.probs, state.young.heard)
            if verdict is Verdict.SUSPECT:
                self._suspect(state.young.heard, state.young.heard + self._second.probation, state)
                self._judge(state)
            elif verdict is Verdict.DROP:
                self._ear.forget(state.young)
        self._weigh(state)

    def forget(self, state: PipelineState) -> None:
        """Begin a new piece: nothing that was heard has a say in it."""
        self._ear.forget(state.standing)
        self._ear.forget(state.young)
        state.change = self._change.init_state()
        state.due = 0
        state.resets += 1

    def _has_young(self, state: PipelineState) -> bool:
        """Whether there is a young state beside the standing one; young itself, that needs no second opinion."""
        return state.probation or (not self._second.never and state.standing.heard >= self._second.first)

    def _weigh(self, state: PipelineState) -> None:
        state.decision = self._policy.weigh(state.said.probs, state.said.music, state.decision)

    def _hear_again(self, new_hops: int, state: PipelineState) -> None:
        """The model reports a change: a young state hears the new track again, as if all had begun there, and speaks.

        Costs one hop's time (frontend and model) for each hop heard again, once a track.
        """
        self._ear.forget(state.young)
        self._suspect(new_hops, self._second.probation, state)
        for row in state.lookback.last(new_hops):
            self._ear.hear_again(row, state.young)
            self._weigh(state)
        self._judge(state)

    def _suspect(self, new_hops: int, due: int, state: PipelineState) -> None:
        """A track may have begun ``new_hops`` ago: the young state speaks, and is judged when it has heard ``due``."""
        state.due = max(1, due)
        # What is said now comes from another state: its genre needs no margin over what the other one said.
        state.decision = self._policy.begin_track(new_hops, state.decision)

    def _judge(self, state: PipelineState) -> None:
        """Adopt the young state, or drop it, when it is due."""
        if state.young.heard < state.due:
            return
        if self._second.on_probation(state.standing.probs, state.young.probs) is Verdict.ADOPT:
            self._begin_track(TrackReason.CHANGE, state.young.heard, state)
            self._ear.take_over(state.young, state.standing)
            state.resets += 1
        else:
            self._ear.forget(state.young)
            state.decision = self._policy.begin_track(state.standing.heard, state.decision)
        state.change = self._change.init_state()
        state.due = 0

    def _begin_track(self, reason: TrackReason, hops: int, state: PipelineState) -> None:
        """Count a track whose last ``hops`` hops have been heard."""
        spec, heard = self._frontend.spec, state.standing.frontend
        back = hops - 1
        state.track += 1
        state.track_start = TrackStart(reason, heard.hop - back, heard.end_sample - spec.n_fft - back * spec.hop)
