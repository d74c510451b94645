"""Which track is heard: where one begins, and what each of a stream's two states makes of it.

The standing state has heard the track from its beginning. The young one has heard the last seconds from where another
track would have begun, if one did: every half second it is asked where that would be. How probable a cut there is says
how much the word of either counts; where it is nearly sure, the young one takes the place of the other, and another
track has begun.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from rtgenre.former import Former
from rtgenre.frontend.lookback import Lookback
from rtgenre.pipeline_state import PipelineState
from rtgenre.posterior.second import SecondOpinion
from rtgenre.posterior.smoothing import probabilities
from rtgenre.records import TrackReason, TrackStart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rtgenre.frontend.stream import Frontend
    from rtgenre.hearing import Ear, Hearing
    from rtgenre.posterior.decision import DecisionPolicy, PolicySettings

SAME_CUT_S = 0.2
"""A young state that began no further than this from where a track would have begun need not begin anew."""

CATCH_UP = 8
"""Hops that a young state hears again for each one that arrives, so that no hop takes long, unless it has the word."""

SETTLING_S = 2.0
"""For so long after a change of track the genre of the one before deserves no benefit of the doubt."""


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
        self._every = max(1, round(settings.change_every_s * hops_per_s))
        self._second = SecondOpinion(settings, hops_per_s)
        self._settling = round(SETTLING_S * hops_per_s)
        self._same_cut = round(SAME_CUT_S * hops_per_s)
        self._word = max(1, round(settings.change_word_s * hops_per_s))
        self._smoothing = settings.smoothing_s * hops_per_s

    def init_state(self) -> PipelineState:
        """A stream that has heard nothing."""
        standing, young = self._ear.init_state(), self._ear.init_state()
        lookback = Lookback.of_size(self._ear.window, self._frontend.row_size)
        former = Former.of_size(standing.probs.size, standing.traits.size)
        return PipelineState(standing, young, standing.probs.copy(), self._policy.init_state(), lookback, former)

    def warm(self) -> None:
        """Compile or load what a hop may need only later."""
        self._ear.warm()

    def listen(self, state: PipelineState) -> None:
        """A frame of sound has been made of the standing state; the young one gets its own of the same spectrum."""
        if state.decision.heard == 1:
            self._begin_track(state.next_track, 1, state)
        if state.standing.frontend.gap_samples:
            state.lookback.clear()
        row = self._frontend.spectrum_row(state.standing.frontend)
        state.lookback.keep(row)
        if state.behind:
            state.behind += 1
            if state.behind > state.lookback.kept:  # there was a pause, and what was to be heard again is gone
                self._ear.forget(state.young)
                state.behind = 0
        elif state.young.heard:
            self._frontend.hear_again(row, state.young.frontend, state.young.frame[0])

    def hearings(self, state: PipelineState) -> tuple[Hearing, ...]:
        """The states that wait for the model's step."""
        return (state.standing, state.young) if state.young.heard and not state.behind else (state.standing,)

    def understand(self, state: PipelineState) -> None:
        """From the model's outputs to smoothed probabilities, and what is said of both states together."""
        for hearing in self.hearings(state):
            self._ear.understand(hearing)
        state.unasked += 1
        state.settling = max(0, state.settling - 1)
        if state.unasked >= self._every:
            state.unasked = 0
            self._begin_young(self._ear.split(state.standing), state)
        self._catch_up(state)
        self._compare(state)

    def judge(self, state: PipelineState) -> None:
        """After the decision: where a cut is nearly sure, the young state takes the place of the other.

        Only when it was just asked where another track would have begun, and the answer was: where the young one did
        (or nothing clearer is to be seen, as after a gap).
        """
        asked = state.unasked == 0 and state.cut > 0.0  # 0: nothing is known of it, yet
        if asked and self._second.adopts(state.word, state.young.heard):
            self._begin_track(TrackReason.CHANGE, state.young.heard, state)
            self._keep_former(state)
            self._ear.take_over(state.young, state.standing)
            state.decision = self._policy.begin_track(state.standing.heard, state.decision)
            state.settling = self._settling
            self._clear_suspicion(state)
            state.resets += 1

    def forget(self, state: PipelineState) -> None:
        """Begin a new piece: nothing that was heard has a say in it."""
        self._ear.forget(state.standing)
        self._ear.forget(state.young)
        state.before, state.unasked, state.behind, state.settling = None, 0, 0, 0
        state.former.clear()
        self._clear_suspicion(state)
        state.probs, state.music = state.standing.probs.copy(), state.standing.music
        state.resets += 1

    @staticmethod
    def _clear_suspicion(state: PipelineState) -> None:
        """There is no young state: nothing is known of a cut."""
        state.cut, state.cuts, state.word = 0.0, (), 0.0

    def _begin_young(self, new_hops: int, state: PipelineState) -> None:
        """Let the young state hear the last hops anew, as if all had begun there, unless that is what it does."""
        hears = state.young.heard + state.behind
        if not new_hops or (hears and abs(hears - new_hops) <= self._same_cut):
            return
        self._ear.forget(state.young)
        state.behind = min(new_hops, state.lookback.kept)
        state.before = self._ear.before(state.behind, state.standing)

    def _catch_up(self, state: PipelineState) -> None:
        """The young state hears again what it is to hear: some hops at a time, each as much work as one that arrives.

        All at once where it has been having the word: what is said must not go back to the track before.
        """
        hops = state.behind if state.young_leads else CATCH_UP
        for row in itertools.islice(state.lookback.last(state.behind), hops):
            self._ear.hear_again(row, state.young)
            state.behind -= 1

    def _compare(self, state: PipelineState) -> None:
        """How probable is a cut between the two states? So much, on average, counts the young one's word.

        Posteriors are pooled as they are smoothed: in logarithms. A mean of probabilities would be less sure than it
        is right.
        """
        one, other = state.standing, state.young
        another = None if state.behind else self._ear.another(state.before, other)
        state.cut = self._second.probability(one.probs, other.probs, another)
        state.cuts = () if another is None else (*state.cuts, state.cut)[-self._word :]
        state.word = word = sum(state.cuts) / self._word
        state.probs = probabilities((1.0 - word) * self._standing_says(state) + word * other.smoother.mean)
        state.music = (1.0 - word) * one.music + word * other.music

    def _standing_says(self, state: PipelineState) -> NDArray[np.float64]:
        """Its smoothed log posterior; with that of the state whose place it took, as far as that was a mistake."""
        one, former = state.standing, state.former
        if not former.heard:
            return one.smoother.mean
        cut = self._second.probability(former.probs, one.probs, self._ear.another(former.before, one))
        joined = former.joined(one.smoother.mean, one.heard, self._smoothing)
        mean: NDArray[np.float64] = (1.0 - cut) * joined + cut * one.smoother.mean
        return mean

    def _keep_former(self, state: PipelineState) -> None:
        """What the standing state says, before the young one takes its place."""
        if state.before is None:  # nothing to compare it with
            state.former.clear()
            return
        mean = self._standing_says(state)
        state.former.keep(mean, state.before, state.standing.heard)

    def _begin_track(self, reason: TrackReason, hops: int, state: PipelineState) -> None:
        """Count a track whose last ``hops`` hops have been heard."""
        spec, heard = self._frontend.spec, state.standing.frontend
        back = hops - 1
        state.track += 1
        state.track_start = TrackStart(reason, heard.hop - back, heard.end_sample - spec.n_fft - back * spec.hop)
