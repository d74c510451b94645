"""The statistics that own labels are told from, for a model that has just been trained (``labels.background``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rtgenre.labels.background import Background
from rtgenre.labels.hear import EVERY_S
from rtgenre.labels.stage import OwnLabels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint
    from rtgenre.pipeline import Pipeline
    from rtgenre.training.datasets.interface import DataSet

    IntArray = NDArray[np.int64]


def write_background(
    pipeline: Pipeline, checkpoint: Checkpoint, music: DataSet, clips: IntArray, folder: Path
) -> Background:
    """Hear clips as a label's files are heard, and write what they have in common beside the model.

    Args:
        pipeline: of the checkpoint; its policy plays no part.
        checkpoint: as loaded, with its hash.
        music: labelled clips.
        clips: (n,) which of them; those that the weights were trained on.
        folder: of the model.
    """
    hops_per_s = checkpoint.hops_per_s
    stage = OwnLabels(None, checkpoint.architecture.trunk, 1.0, 1.0, hops_per_s)
    every = max(1, round(EVERY_S * hops_per_s))
    windows, labels = [], []
    for clip in clips:
        heard, model, own = pipeline.frontend.init_state(), pipeline.runtime.init_state(), stage.init_state()
        for spectrum in music.power(int(clip), checkpoint.spec):
            frame, heard = pipeline.frontend.step_power(spectrum, heard)
            _, model = pipeline.runtime.step(np.ascontiguousarray(frame[None]), model)
            own = stage.step(model.trunk[0], own)
            if own.heard >= stage.first and (own.heard - stage.first) % every == 0:
                windows.append(own.mean.copy())
                labels.append(int(music.label[clip]))
    _, group = np.unique(labels, return_inverse=True)
    background = Background.fitted(np.stack(windows), group.reshape(-1).astype(np.int64))
    background.save(folder, checkpoint.sha256)
    return background
