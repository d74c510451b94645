"""Everything that one stream has heard: the state of every stage of the pipeline, owned by the caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rtgenre.records import TrackReason

if TYPE_CHECKING:
    from rtgenre.frontend.lookback import Lookback
    from rtgenre.hearing import Hearing
    from rtgenre.labels.stage import OwnState
    from rtgenre.posterior.change import ChangeState
    from rtgenre.posterior.decision import DecisionState
    from rtgenre.records import TrackStart


@dataclass(slots=True)
class PipelineState:
    """Everything that one stream has heard.

    Attributes:
        standing: what has been heard since the track began.
        young: what has been heard since some later moment, for a second opinion.
        due: hops that the young one will have heard when it is judged; until then its word counts; 0: no probation.
        change: the detector of changes of track.
        decision: the policy's memory.
        lookback: spectra of the last seconds, to be heard again if another track is found to have begun in them.
        track: number of the track, from 1; 0 before any sound.
        track_start: where it begins, None before any sound.
        next_track: why the next sound will be another track, where it will be.
        resets: times that the standing state began afresh.
    """

    standing: Hearing
    young: Hearing
    change: ChangeState
    decision: DecisionState
    lookback: Lookback
    due: int = 0
    track: int = 0
    track_start: TrackStart | None = None
    next_track: TrackReason = TrackReason.START
    resets: int = 0

    @property
    def probation(self) -> bool:
        """A change is suspected: what the young state says is said, until it is adopted or dropped."""
        return self.due > 0

    @property
    def said(self) -> Hearing:
        """The one of the two whose word counts."""
        return self.young if self.probation else self.standing

    @property
    def own(self) -> OwnState | None:
        """What one's own labels remember; None where there are none."""
        return self.said.own

    def copy(self) -> Self:
        """A snapshot that shares nothing."""
        return type(self)(
            self.standing.copy(),
            self.young.copy(),
            self.change.copy(),
            self.decision.copy(),
            self.lookback.copy(),
            self.due,
            self.track,
            self.track_start,
            self.next_track,
            self.resets,
        )
