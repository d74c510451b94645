"""From smoothed probabilities and a level to a decision: silence, not-music and doubt, hysteresis and dwell time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from msgspec import Meta

from rtgenre.records import Decision, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Seconds = Annotated[float, Meta(ge=0.0, le=3600.0)]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Weight = Annotated[float, Meta(ge=-100.0, le=100.0)]

POWER_FLOOR = 1e-16  # −160 dB: digital silence gets a finite level
FULL_SCALE_SINE_DB = 10 * np.log10(2.0)  # its mean square is 1/2 and its level is 0 dBFS by definition


ONSET_CREST = 4.0  # an onset's first sample against the RMS of the silence threshold: noise stays below
DOUBT_HYSTERESIS = 0.1  # relative; keeps a posterior at the threshold from flickering


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """When to speak, when to doubt and when to change one's mind.

    Attributes:
        smoothing_s: time constant of the posterior's smoothing.
        smoothing_onset_s: until so much has been heard a hop weighs less than a later one; 0: all weigh the same.
        warmup_s: sound heard before the first decision.
        margin: how much more probable a new genre must be than the decided one.
        dwell_s: for how long it must be so.
        min_confidence: when no genre is as probable as this (from ``music``: for the dwell time), it is ``unknown``.
        music_smoothing_s: time constant of the smoothing of P(music).
        not_music_enter: when music is less probable than this, the state is ``not_music`` (0: never) …
        not_music_dwell_s: … once it has been so for this long …
        not_music_leave: … until it is at least as probable as this.
        change_every_s: so often it is asked where in the last seconds another track would have begun.
        change_window_s: so far back that may be.
        change_gain: by so much must what was heard before and after be likelier as two than as one (``best_split``).
        change_least_s: so much of it must have been heard before anything is said of it.
        change_word_s: over so long the probability of a cut is averaged before that state's word counts as much.
        change_adopt_s: having heard it for so long, the state that began there takes the place of the standing one …
        change_adopt: … where a cut is as probable as this.
        cut_bias: log odds that a track began there: what they are before any evidence (-100: never) …
        cut_another: … for each unit of the log odds that the two states hear different tracks …
        cut_divergence: … and for each nat of divergence between what they say.
        change_dwell_s: while a cut is more probable than not, no margin is needed, and only this dwell time.
        silence_dbfs: at or below this level is silence …
        silence_hysteresis_db: … until it is this much louder again.
        silence_hold_s: for how long it must be quiet; a pause inside a piece is music.
        silence_reset_s: silence this long ends a piece: model and smoothing start afresh.
        gap_reset_s: lost audio this long does the same.
    """

    smoothing_s: Annotated[float, Meta(gt=0.0, le=3600.0)] = 20.0
    smoothing_onset_s: Seconds = 5.0
    warmup_s: Seconds = 0.5
    margin: Fraction = 0.04
    dwell_s: Seconds = 1.0
    min_confidence: Fraction = 0.2
    music_smoothing_s: Annotated[float, Meta(gt=0.0, le=3600.0)] = 2.0
    not_music_enter: Fraction = 0.3
    not_music_dwell_s: Seconds = 1.0
    not_music_leave: Fraction = 0.5
    change_every_s: Seconds = 0.5
    change_window_s: Annotated[float, Meta(ge=1.0, le=30.0)] = 9.0
    change_gain: Annotated[float, Meta(ge=0.0, le=1000.0)] = 22.0
    change_least_s: Annotated[float, Meta(ge=0.7, le=10.0)] = 0.7
    change_word_s: Seconds = 0.5
    change_adopt_s: Seconds = 1.2
    change_adopt: Fraction = 0.9
    cut_bias: Weight = -2.75
    cut_another: Weight = 0.62
    cut_divergence: Weight = 6.7
    change_dwell_s: Seconds = 0.5
    silence_dbfs: Annotated[float, Meta(ge=-160.0, le=0.0)] = -60.0
    silence_hysteresis_db: Annotated[float, Meta(ge=0.0, le=40.0)] = 3.0
    silence_hold_s: Seconds = 0.5
    silence_reset_s: Seconds = 2.0
    gap_reset_s: Seconds = 2.0


@dataclass(slots=True)
class DecisionState:
    """What the policy remembers between hops.

    Attributes:
        decision: the decision in force.
        heard: hops of sound (silence left out) since the last reset.
        quiet: consecutive quiet hops.
        challenger: index of the genre that is about to take over, −1 for none.
        challenged: consecutive hops for which it has led by the margin.
        leader: index of the genre decided for, −1 for none.
        doubted: consecutive hops at which music was improbable.
        unsure: consecutive hops at which no genre was probable enough.
        not_music: the last word on whether it is music; silence in between changes nothing.
    """

    decision: Decision
    heard: int = 0
    quiet: int = 0
    challenger: int = -1
    challenged: int = 0
    leader: int = -1
    doubted: int = 0
    unsure: int = 0
    not_music: bool = False

    def copy(self) -> Self:
        """A snapshot; a decision is frozen and can be shared."""
        return dataclasses.replace(self)


class DecisionPolicy:
    """Turns posteriors into decisions that do not flicker.

    Args:
        settings: thresholds and times.
        labels: genres in the posterior's order.
        hops_per_s: rate at which ``step`` is called.

    Attributes:
        onset_magnitude: a sample at least this large begins a piece, after silence.
    """

    def __init__(self, settings: PolicySettings, labels: Sequence[str], hops_per_s: float) -> None:
        self.settings = settings
        self.labels = tuple(labels)
        self._warmup = _hops(settings.warmup_s, hops_per_s)
        self._dwell = _hops(settings.dwell_s, hops_per_s)
        self._not_music_dwell = _hops(settings.not_music_dwell_s, hops_per_s)
        self._change_dwell = _hops(settings.change_dwell_s, hops_per_s)
        self._silence_hold = _hops(settings.silence_hold_s, hops_per_s)
        self.onset_magnitude = ONSET_CREST * 10 ** (settings.silence_dbfs / 20) / np.sqrt(2.0)
        self._silence_reset = max(self._silence_hold, _hops(settings.silence_reset_s, hops_per_s))

    def init_state(self) -> DecisionState:
        """A state that has decided nothing."""
        return DecisionState(Decision(State.STARTING, None, 0))

    def hear(self, level_dbfs: float, state: DecisionState) -> bool:
        """Take a hop's level in: is there sound to classify?

        Args:
            level_dbfs: of the hop's window.
            state: changed in place.

        Returns:
            False while it is silent: neither model nor smoothing should then be stepped, so that silence does
            not wash out what they know.
        """
        threshold = self.settings.silence_dbfs
        if state.decision.state is State.SILENCE:
            threshold += self.settings.silence_hysteresis_db
        state.quiet = state.quiet + 1 if level_dbfs <= threshold else 0
        begun = state.heard > 0
        if state.quiet >= (self._silence_hold if begun else 1):
            return False
        state.heard += 1
        return True

    def piece_has_ended(self, state: DecisionState) -> bool:
        """True while silence has lasted so long that what follows is something new."""
        return state.quiet >= self._silence_reset

    def awaits_onset(self, state: DecisionState) -> bool:
        """True while the next sound will be the beginning of a piece."""
        return state.heard == 0 or self.piece_has_ended(state)

    def silent(self, hop: int, state: DecisionState) -> DecisionState:
        """Decide for silence, once it has been quiet for the hold time."""
        if state.quiet < self._silence_hold:
            return state
        state.challenger, state.challenged = -1, 0
        return self._decide(State.SILENCE, hop, state)

    def step(
        self,
        posterior: NDArray[np.float32],
        music: float,
        hop: int,
        state: DecisionState,
        *,
        changing: bool = False,
    ) -> DecisionState:
        """Decide on a hop that is not silent.

        Args:
            posterior: (n_labels,) smoothed, sums to 1.
            music: smoothed probability that this is music.
            hop: its index, for ``since_hop``.
            state: changed in place and returned.
            changing: another track has probably begun. The genre of the one before deserves no benefit of the doubt.
        """
        self._weigh(posterior, state, changing=changing)
        state.doubted = state.doubted + 1 if music < self.settings.not_music_enter else 0
        if state.not_music:
            state.not_music = music < self.settings.not_music_leave
        else:
            state.not_music = state.doubted >= self._not_music_dwell
        if state.not_music:
            return self._decide(State.NOT_MUSIC, hop, state)
        # Before the first word it is better to wait than to name the genre of what may be speech.
        if state.leader < 0 or (state.doubted and state.decision.state is State.STARTING):
            return self._decide(State.STARTING, hop, state)
        # Doubt is when nothing is probable; while another genre is taking over, the old one stands.
        threshold, patience = self.settings.min_confidence, 1
        match state.decision.state:
            case State.UNKNOWN:
                threshold *= 1.0 + DOUBT_HYSTERESIS
            case State.MUSIC:
                patience = self._dwell
        state.unsure = 0 if float(posterior.max()) >= threshold else state.unsure + 1
        return self._decide(State.MUSIC if state.unsure < patience else State.UNKNOWN, hop, state)

    def begin_track(self, hops: int, state: DecisionState) -> DecisionState:
        """Another track has followed; what is decided stands until another genre leads.

        Args:
            hops: how many of it have been heard already.
            state: changed in place and returned.
        """
        state.heard = hops
        return state

    def restart(self, hop: int, state: DecisionState) -> DecisionState:
        """Forget the piece: the next decision comes after the warm-up. Silence stays silence."""
        quiet = state.quiet
        silent = state.decision.state is State.SILENCE
        fresh = self.init_state()
        fresh.quiet = quiet
        return self._decide(State.SILENCE if silent else State.STARTING, hop, fresh)

    def _weigh(self, posterior: NDArray[np.float32], state: DecisionState, *, changing: bool) -> None:
        """Who leads, and for how long has another been about to take over?"""
        if state.leader < 0:
            if state.heard >= self._warmup:
                state.leader = int(posterior.argmax())
            return
        margin, dwell = (0.0, self._change_dwell) if changing else (self.settings.margin, self._dwell)
        best = int(posterior.argmax())
        if best != state.leader and posterior[best] - posterior[state.leader] >= margin:
            state.challenged = state.challenged + 1 if best == state.challenger else 1
            state.challenger = best
            if state.challenged >= dwell:
                state.leader = best
                state.challenger, state.challenged = -1, 0
        else:
            state.challenger, state.challenged = -1, 0

    def _decide(self, what: State, hop: int, state: DecisionState) -> DecisionState:
        label = self.labels[state.leader] if what is State.MUSIC else None
        if (what, label) != (state.decision.state, state.decision.label):
            state.decision = Decision(what, label, hop)
        return state


def level_dbfs(mean_square: float) -> float:
    """Level relative to a full-scale sine (AES17): 0 dB for a sine of amplitude 1, −160 dB for nothing.

    Args:
        mean_square: of samples in [-1, 1].
    """
    return max(-160.0, float(10 * np.log10(max(mean_square, POWER_FLOOR)) + FULL_SCALE_SINE_DB))


def _hops(seconds: float, hops_per_s: float) -> int:
    return max(1, round(seconds * hops_per_s))
