"""What is known of the sound since some beginning: from a frame to smoothed probabilities, a stage with its state.

A stream has two of these: the one that stands, since the track began, and a young one that began later and knows
nothing of what was before. How far they diverge tells whether another track has begun.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from rtgenre.posterior.smoothing import Smoother

if TYPE_CHECKING:
    from rtgenre.frontend.stream import Frontend, FrontendState
    from rtgenre.labels.stage import OwnLabels, OwnState
    from rtgenre.model.interface import ModelState, Runtime
    from rtgenre.posterior.calibration import Calibration
    from rtgenre.posterior.decision import PolicySettings
    from rtgenre.posterior.smoothing import SmootherState
    from rtgenre.records import FloatArray


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
            self.music,
            None if self.own is None else self.own.copy(),
        )


class Ear:
    """Constants of a ``Hearing``; serves any number of them.

    Args:
        frontend: computes the features of the checkpoint's spec.
        runtime: the checkpoint's model on this machine.
        calibration: the checkpoint's.
        settings: of the policy, for the time constants of the smoothing.
        own: one's own labels, beside the checkpoint's, whose posterior they never change.
    """

    def __init__(
        self,
        frontend: Frontend,
        runtime: Runtime,
        calibration: Calibration,
        settings: PolicySettings,
        own: OwnLabels | None,
    ) -> None:
        self._frontend, self._runtime, self._calibration, self._own = frontend, runtime, calibration, own
        hops_per_s = frontend.spec.sample_rate / frontend.spec.hop
        self._n_labels = len(runtime.labels)
        self._smoother = Smoother(self._n_labels, settings.smoothing_s, hops_per_s, settings.smoothing_onset_s)
        self._music_smoother = Smoother(2, settings.music_smoothing_s, hops_per_s)

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
            own=None if self._own is None else self._own.init_state(),
        )

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

    def hear_again(self, row: FloatArray, hearing: Hearing) -> None:
        """A whole hop from a kept spectrum: frontend, model, smoothing.

        Args:
            row: (row_size,) float32, see ``Frontend.spectrum_row``.
            hearing: changed in place.
        """
        self._frontend.hear_again(row, hearing.frontend, hearing.frame[0])
        self._runtime.step(hearing.frame, hearing.model, hearing.outputs)
        self.understand(hearing)

    def change(self, hearing: Hearing) -> float:
        """P(another track has begun), as the model says of the last hop."""
        return self._calibration.change(hearing.outputs.item(-1))

    def forget(self, hearing: Hearing) -> None:
        """Begin anew, with the next hop; samples that wait for their window stay."""
        hearing.frontend = self._frontend.forget(hearing.frontend)
        hearing.model = self._runtime.forget(hearing.model)
        hearing.smoother = self._smoother.init_state()
        hearing.music_smoother = self._music_smoother.init_state()
        hearing.own = None if self._own is None else self._own.init_state()
        hearing.probs = np.full_like(hearing.probs, 1.0 / self._n_labels)

    def take_over(self, other: Hearing, hearing: Hearing) -> None:
        """Go on with what ``other`` has heard; ``other`` begins anew."""
        self._frontend.take_over(other.frontend, hearing.frontend)
        hearing.model, other.model = other.model, hearing.model
        hearing.smoother, hearing.music_smoother = other.smoother, other.music_smoother
        hearing.probs, hearing.music, hearing.own = other.probs, other.music, other.own
        self.forget(other)
