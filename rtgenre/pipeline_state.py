"""Everything that one stream has heard: the state of every stage of the pipeline, owned by the caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rtgenre.records import TrackReason

if TYPE_CHECKING:
    from rtgenre.former import Former
    from rtgenre.frontend.lookback import Lookback
    from rtgenre.hearing import Hearing
    from rtgenre.labels.stage import OwnState
    from rtgenre.posterior.decision import DecisionState
    from rtgenre.records import FloatArray, TrackStart


@dataclass(slots=True)
class PipelineState:
    """Everything that one stream has heard.

    Attributes:
        standing: what has been heard since the track began.
        young: what has been heard since some later moment, for a second opinion.
        probs: (n_labels,) float32, what is said: both, pooled by the probability of a cut between them.
        music: the same of the probability that this is music.
        cut: probability that a track began where the young state began; 0 where there is none.
        cuts: that of the last hops for which it was known, without a break.
        word: how much the young state's word counts, from 0 to 1.
        before: (n_traits,) of the standing state just before the young one began, while there is one; None: nothing to
            compare it with.
        behind: hops that the young state has yet to hear again; until then it has no say.
        settling: hops for which the genre of the track before still deserves no benefit of the doubt.
        unasked: hops since it was last asked where another track would have begun.
        decision: the policy's memory.
        lookback: spectra of the last seconds, to be heard again if another track is found to have begun in them.
        former: what was said before the standing state took the place of another, where it did.
        track: number of the track, from 1; 0 before any sound.
        track_start: where it begins, None before any sound.
        next_track: why the next sound will be another track, where it will be.
        resets: times that the standing state began afresh.
    """

    standing: Hearing
    young: Hearing
    probs: FloatArray
    decision: DecisionState
    lookback: Lookback
    former: Former
    music: float = 0.5
    cut: float = 0.0
    cuts: tuple[float, ...] = ()
    word: float = 0.0
    before: FloatArray | None = None
    behind: int = 0
    settling: int = 0
    unasked: int = 0
    track: int = 0
    track_start: TrackStart | None = None
    next_track: TrackReason = TrackReason.START
    resets: int = 0

    @property
    def young_leads(self) -> bool:
        """A cut is more probable than not: the young state is the one to believe."""
        return self.cut >= 0.5

    @property
    def changing(self) -> bool:
        """Another track has begun, or probably has: its genre need not contend with that of the one before."""
        return self.young_leads or self.settling > 0

    @property
    def own(self) -> OwnState | None:
        """What one's own labels remember; None where there are none."""
        return (self.young if self.young_leads else self.standing).own

    def copy(self) -> Self:
        """A snapshot that shares nothing."""
        return type(self)(
            self.standing.copy(),
            self.young.copy(),
            self.probs.copy(),
            self.decision.copy(),
            self.lookback.copy(),
            self.former.copy(),
            self.music,
            self.cut,
            self.cuts,
            self.word,
            self.before,  # never written to
            self.behind,
            self.settling,
            self.unasked,
            self.track,
            self.track_start,
            self.next_track,
            self.resets,
        )
