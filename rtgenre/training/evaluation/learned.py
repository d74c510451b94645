"""Whether a model has learned from the very clips that it is measured on: its figures then say what it remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rtgenre.training.datasets.interface import ALL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rtgenre.training.datasets.interface import DataSet


def learned_from(training: Mapping[str, Any], clips: DataSet, split: str) -> bool:
    """Whether some of the clips of a split taught a model.

    Args:
        training: where the model's weights come from, as its checkpoint says.
        clips: the data set.
        split: the part of it that is measured on.
    """
    # Training hears all of a sound file, an evaluation what is left by its limit.
    if training.get("corpus_sha256") not in {clips.sha256, getattr(clips, "whole_sha256", clips.sha256)}:
        return False
    # Without parts of its own, training took most of the clips, and which cannot be told here.
    has_parts = {"train", "valid"} <= set(clips.split)
    return split == ALL or not has_parts or split in training.get("splits", ())
