"""What is known of the sound since some beginning: from a frame to smoothed probabilities, a stage with its state.

A stream has two of these: the one that stands, since the track began, and a young one that began later and knows
nothing of what was before. Comparing them tells whether another track has begun.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from rtgenre.frontend.lookback import Lookback
from rtgenre.model.architecture import IMPRINT
from rtgenre.posterior.smoothing import Smoother
from rtgenre.posterior.split import best_split

if TYPE_CHECKING:
    from rtgenre.frontend.stream import Frontend, FrontendState
    from rtgenre.labels.stage import OwnLabels, OwnState
    from rtgenre.model.interface import ModelState, Runtime
    from rtgenre.model.same_track import SameTrack
    from rtgenre.posterior.calibration import Calibration
    from rtgenre.posterior.decision import PolicySettings
    from rtgenre.posterior.smoothing import SmootherState
    from rtgenre.records import FloatArray

KNOWN_S = 2.6
"""A state that has heard less of a track knows too little of it to be compared with another."""


@dataclass(slots=True)
class Hearing:
    """All that has been heard since a beginning.

    Attributes:
        frontend: running statistics (and, of the standing one, samples that wait for their window).
        model: what the network remembers.
        smoother: running mean of the log posterior.
        music_smoother: running mean of log P(music) and log P(not music).
        frame: (1, n_features) float32, scratch for the hop under way.
        outputs: (1, n_outputs) float32, likewise: genre logits, ``music`` logit, ``change`` logit.
        probs: (n_labels,) float32, the last smoothed posterior.
        traits: (n_traits,) float32, what the last hop is compared by, see ``SameTrack.traits``.
        recent: those of the last seconds.
        music: the last smoothed probability that this is music.
        own: what one's own labels remember; None where there are none.
    """

    frontend: FrontendState
    model: ModelState
    smoother: SmootherState
    music_smoother: SmootherState
    frame: FloatArray
    outputs: FloatArray
    probs: FloatArray
    traits: FloatArray
    recent: Lookback
    music: float = 0.5
    own: OwnState | None = None

    @property
    def heard(self) -> int:
        """Hops since the beginning."""
        return self.frontend.heard

    def copy(self) -> Self:
        """A snapshot that shares nothing."""
        return type(self)(
            self.frontend.copy(),
            self.model.copy(),
            self.smoother.copy(),
            self.music_smoother.copy(),
            self.frame.copy(),
            self.outputs.copy(),
            self.probs.copy(),
            self.traits.copy(),
            self.recent.copy(),
            self.music,
            None if self.own is None else self.own.copy(),
        )


class ChangeWindow:
    """The last seconds, in which another track may have begun; holds constants only.

    Args:
        settings: of the policy; those named ``change_…`` are used.
        hops_per_s: rate of the hops.

    Attributes:
        hops: in it.
        least: hops of another track below which nothing can be said of it.
    """

    def __init__(self, settings: PolicySettings, hops_per_s: float) -> None:
        self.hops, self.least = (
            max(1, round(s * hops_per_s)) for s in (settings.change_window_s, settings.change_least_s)
        )
        self._known, self._gain = round(KNOWN_S * hops_per_s), settings.change_gain

    def split(self, frames: FloatArray, heard: int) -> int:
        """For how many hops another track has been playing, if one began in it; 0 where none is known.

        Args:
            frames: (n, n_values) float32, normalised, of its hops, oldest first.
            heard: hops that the standing state has heard, these included.
        """
        least_before = max(self.least, self._known - (heard - len(frames)))
        hops: int = best_split(frames, least_before, self.least, self._gain)
        return hops


class Ear:
    """Constants of a ``Hearing``; serves any number of them.

    Args:
        frontend: computes the features of the checkpoint's spec.
        runtime: the checkpoint's model on this machine.
        calibration: the checkpoint's.
        settings: of the policy, for the time constants of the smoothing and of what is compared.
        own: one's own labels, beside the checkpoint's, whose posterior they never change.
        same_track: the checkpoint's; None: nothing is compared.

    Attributes:
        window: hops of the last seconds in which another track may have begun.
    """

    def __init__(
        self,
        frontend: Frontend,
        runtime: Runtime,
        calibration: Calibration,
        settings: PolicySettings,
        own: OwnLabels | None,
        same_track: SameTrack | None,
    ) -> None:
        self._frontend, self._runtime, self._calibration, self._own = frontend, runtime, calibration, own
        self._same_track, self._n_traits = same_track, 0 if same_track is None else same_track.n_traits
        hops_per_s = frontend.spec.sample_rate / frontend.spec.hop
        self._n_labels = len(runtime.labels)
        self._smoother = Smoother(self._n_labels, settings.smoothing_s, hops_per_s, settings.smoothing_onset_s)
        self._music_smoother = Smoother(2, settings.music_smoothing_s, hops_per_s)
        self._window = ChangeWindow(settings, hops_per_s)
        self.window = self._window.hops

    def init_state(self) -> Hearing:
        """Nothing heard yet."""
        return Hearing(
            self._frontend.init_state(),
            self._runtime.init_state(),
            self._smoother.init_state(),
            self._music_smoother.init_state(),
            np.zeros((1, self._frontend.spec.n_features), np.float32),
            np.zeros((1, self._runtime.n_outputs), np.float32),
            np.full(self._n_labels, 1.0 / self._n_labels, np.float32),
            np.zeros(self._n_traits, np.float32),
            Lookback.of_size(self.window + 1, self._n_traits),
            own=None if self._own is None else self._own.init_state(),
        )

    def warm(self) -> None:
        """Compile or load what compares states."""
        self._window.split(np.zeros((0, 1), np.float32), 0)
        if self._same_track is not None:
            self._same_track.warm()

    def understand(self, hearing: Hearing) -> None:
        """From the model's outputs to smoothed probabilities."""
        genres = self._calibration.log_genres(hearing.outputs[0, : self._n_labels])
        music = self._calibration.log_music(hearing.outputs.item(self._n_labels))
        hearing.probs, hearing.smoother = self._smoother.step(genres, hearing.smoother)
        both, hearing.music_smoother = self._music_smoother.step(music, hearing.music_smoother)
        hearing.music = both.item(0)
        if self._own is not None and hearing.own is not None:
            hearing.own = self._own.step(hearing.model.trunk[0], hearing.own)
            hearing.music *= 1.0 - hearing.own.noise  # a noise of one's own is no music, whatever the model says
        if self._same_track is not None:
            self._same_track.traits(hearing.frame[0], hearing.traits)
            hearing.recent.keep(hearing.traits)

    def hear_again(self, row: FloatArray, hearing: Hearing) -> None:
        """A whole hop from a kept spectrum: frontend, model, smoothing.

        Args:
            row: (row_size,) float32, see ``Frontend.spectrum_row``.
            hearing: changed in place.
        """
        self._frontend.hear_again(row, hearing.frontend, hearing.frame[0])
        self._runtime.step(hearing.frame, hearing.model, hearing.outputs)
        self.understand(hearing)

    def split(self, hearing: Hearing) -> int:
        """For how many hops another track has been playing, if one began in the last seconds; 0 if none is known."""
        if self._same_track is None:
            return 0
        recent = hearing.recent
        n = min(self.window, recent.kept)
        at = np.arange(recent.written - n, recent.written) % len(recent.rows)
        return self._window.split(recent.rows[at, IMPRINT:], hearing.heard)

    def before(self, hops: int, hearing: Hearing) -> FloatArray | None:
        """What a young state is to be compared with: how the standing one was just before.

        Args:
            hops: that the young one has heard, the last one included.
            hearing: the standing one, which has understood that hop.

        Returns:
            (n_traits,), a copy; None where it is not known.
        """
        return next(hearing.recent.last(hops + 1)).copy() if 0 < hops < hearing.recent.kept else None

    def another(self, before: FloatArray | None, young: Hearing) -> float | None:
        """Log odds that a young state hears another track than ``before``; None where they are not known."""
        if self._same_track is None or before is None or young.heard < self._window.least:
            return None
        return self._same_track.another(before, young.traits, young.heard)

    def forget(self, hearing: Hearing) -> None:
        """Begin anew, with the next hop; samples that wait for their window stay."""
        hearing.frontend = self._frontend.forget(hearing.frontend)
        hearing.model = self._runtime.forget(hearing.model)
        hearing.smoother = self._smoother.init_state()
        hearing.music_smoother = self._music_smoother.init_state()
        hearing.own = None if self._own is None else self._own.init_state()
        hearing.probs = np.full_like(hearing.probs, 1.0 / self._n_labels)
        hearing.recent.clear()

    def take_over(self, other: Hearing, hearing: Hearing) -> None:
        """Go on with what ``other`` has heard; ``other`` begins anew."""
        self._frontend.take_over(other.frontend, hearing.frontend)
        hearing.model, other.model = other.model, hearing.model
        hearing.smoother, hearing.music_smoother = other.smoother, other.music_smoother
        hearing.probs, hearing.music, hearing.own = other.probs, other.music, other.own
        hearing.traits, other.traits = other.traits, hearing.traits
        hearing.recent, other.recent = other.recent, hearing.recent
        self.forget(other)
