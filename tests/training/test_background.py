"""What is written beside a model for labels of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.labels.background import BACKGROUND_FILE, Background
from rtgenre.model import checkpoint as checkpoints
from rtgenre.training.background import write_background
from rtgenre.training.outcome import pipeline_of

if TYPE_CHECKING:
    from rtgenre.frontend.spec import FrontendSpec

SHIPPED = Path(__file__).parents[2] / "models" / "gtzan-lstm"


@dataclass(frozen=True)
class Noise:
    """Clips of noise, all of one length."""

    hops: int
    labels = ("hiss", "hum")
    label = np.array([0, 1, 0, 1])

    def power(self, clip: int, spec: FrontendSpec) -> np.ndarray:
        rng = np.random.default_rng(clip)
        slope = np.linspace(0.0, 3.0 * self.label[clip], spec.n_bins)
        return (1e-4 * np.exp(-slope) * rng.exponential(size=(self.hops, spec.n_bins))).astype(np.float32)


def test_it_knows_what_was_heard_and_clips_too_short_to_tell_leave_none(tmp_path: Path) -> None:
    model = checkpoints.load(SHIPPED)
    pipeline, clips = pipeline_of(model), np.arange(4)
    found = write_background(pipeline, model, [(Noise(60), clips)], tmp_path)  # type: ignore[list-item]
    assert isinstance(found, Background)
    assert found.names == ("hiss", "hum")
    assert (tmp_path / BACKGROUND_FILE).exists()
    assert write_background(pipeline, model, [(Noise(20), clips)], tmp_path) is None  # type: ignore[list-item]
    assert not (tmp_path / BACKGROUND_FILE).exists(), "an older one is of other weights"
