"""From a smoothed posterior and a level to a decision: silence gate, doubt, hysteresis and dwell time."""

from __future__ import annotations

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

POWER_FLOOR = 1e-16  # −160 dB: digital silence gets a finite level
FULL_SCALE_SINE_DB = 10 * np.log10(2.0)  # its mean square is 1/2 and its level is 0 dBFS by definition


ONSET_CREST = 4.0  # an onset's first sample against the RMS of the silence threshold: noise stays below
DOUBT_HYSTERESIS = 0.1  # relative; keeps a posterior at the threshold from flickering


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """When to speak, when to doubt and when to change one's mind.

    Attributes:
        smoothing_s: time constant of the posterior's smoothing.
        warmup_s: sound heard before the first decision.
        margin: how much more probable a new genre must be than the decided one.
        dwell_s: for how long it must be so.
        min_confidence: when no genre is as probable as this, the state is ``unknown``.
        silence_dbfs: at or below this level is silence …
        silence_hysteresis_db: … until it is this much louder again.
        silence_hold_s: for how long it must be quiet; a pause inside a piece is music.
        silence_reset_s: silence this long ends a piece: model and smoothing start afresh.
        gap_reset_s: lost audio this long does the same.
    """

    smoothing_s: Annotated[float, Meta(gt=0.0, le=3600.0)] = 10.0
    warmup_s: Seconds = 0.5
    margin: Fraction = 0.08
    dwell_s: Seconds = 1.0
    min_confidence: Fraction = 0.2
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
    """

    decision: Decision
    heard: int = 0
    quiet: int = 0
    challenger: int = -1
    challenged: int = 0
    leader: int = -1

    def copy(self) -> Self:
        """A snapshot; a decision is frozen and can be shared."""
        return type(self)(self.decision, self.heard, self.quiet, self.challenger, self.challenged, self.leader)


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

    def step(self, posterior: NDArray[np.float32], hop: int, state: DecisionState) -> DecisionState:
        """Decide on a hop that is not silent.

        Args:
            posterior: (n_labels,) smoothed, sums to 1.
            hop: its index, for ``since_hop``.
            state: changed in place and returned.
        """
        if state.heard < self._warmup:
            return self._decide(State.STARTING, hop, state)
        best = int(posterior.argmax())
        if state.leader < 0:
            state.leader = best
        elif best != state.leader and posterior[best] - posterior[state.leader] >= self.settings.margin:
            state.challenged = state.challenged + 1 if best == state.challenger else 1
            state.challenger = best
            if state.challenged >= self._dwell:
                state.leader = best
                state.challenger, state.challenged = -1, 0
        else:
            state.challenger, state.challenged = -1, 0
        # Doubt is when nothing is probable; while another genre is taking over, the old one stands.
        threshold = self.settings.min_confidence
        if state.decision.state is State.UNKNOWN:
            threshold *= 1.0 + DOUBT_HYSTERESIS
        sure = float(posterior[best]) >= threshold
        return self._decide(State.MUSIC if sure else State.UNKNOWN, hop, state)

    def restart(self, hop: int, state: DecisionState) -> DecisionState:
        """Forget the piece: the next decision comes after the warm-up. Silence stays silence."""
        quiet = state.quiet
        silent = state.decision.state is State.SILENCE
        fresh = self.init_state()
        fresh.quiet = quiet
        return self._decide(State.SILENCE if silent else State.STARTING, hop, fresh)

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
