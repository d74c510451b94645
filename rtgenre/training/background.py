"""The statistics that own labels are told from, for a model that has just been trained (``labels.background``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rtgenre.labels.background import BACKGROUND_FILE, Background
from rtgenre.labels.hear import EVERY_S
from rtgenre.labels.stage import OwnLabels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint
    from rtgenre.pipeline import Pipeline
    from rtgenre.training.datasets.interface import DataSet

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]


def write_background(
    pipeline: Pipeline, checkpoint: Checkpoint, heard: Sequence[tuple[DataSet, IntArray]], folder: Path
) -> Background | None:
    """Hear clips as a label's files are heard, and write what they have in common beside the model.

    What is no music belongs to it, too: a room's noise of one's own must be told from other noises and from speech.

    Args:
        pipeline: of the checkpoint; its policy plays no part.
        checkpoint: as loaded, with its hash.
        heard: labelled clips, and (n,) which of them: those that the weights were trained on. A label of each data
            set is a group of its own.
        folder: of the model.

    Returns:
        None where no clip is long enough to be a label's file: labels of one's own then guess.
    """
    windows: list[FloatArray] = []
    group: list[tuple[int, int]] = []
    for k, (clips, chosen) in enumerate(heard):
        for clip in chosen:
            found = _windows_of(pipeline, checkpoint, clips, int(clip))
            windows += found
            group += [(k, int(clips.label[clip]))] * len(found)
    if not windows:
        (folder / BACKGROUND_FILE).unlink(missing_ok=True)  # of older weights
        return None
    groups, index = np.unique(np.array(group), axis=0, return_inverse=True)
    names = [heard[k][0].labels[label] for k, label in groups]
    background = Background.fitted(np.stack(windows), index.reshape(-1).astype(np.int64), names)
    background.save(folder, checkpoint.sha256)
    return background


def _windows_of(pipeline: Pipeline, checkpoint: Checkpoint, clips: DataSet, clip: int) -> list[FloatArray]:
    stage = OwnLabels(None, checkpoint.architecture.trunk, 1.0, 1.0, checkpoint.hops_per_s)
    every = max(1, round(EVERY_S * checkpoint.hops_per_s))
    heard, model, own = pipeline.frontend.init_state(), pipeline.runtime.init_state(), stage.init_state()
    windows = []
    for spectrum in clips.power(clip, checkpoint.spec):
        frame, heard = pipeline.frontend.step_power(spectrum, heard)
        _, model = pipeline.runtime.step(np.ascontiguousarray(frame[None]), model)
        own = stage.step(model.trunk[0], own)
        if own.heard >= stage.first and (own.heard - stage.first) % every == 0:
            windows.append(own.mean.copy())
    return windows
