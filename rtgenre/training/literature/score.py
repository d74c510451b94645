"""Figures of one fit: by piece, as the papers count, and by clip; and what intervals are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rtgenre.training.literature.pieces import Pieces
    from rtgenre.training.literature.protocols import Split

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

_DRAWS = 2000


def figures(said: IntArray, scores: FloatArray, pieces: Pieces, split: Split) -> dict[str, Any]:
    """Everything that is kept of a fit's answers to its test part.

    Args:
        said: (test pieces,) labels.
        scores: (test pieces, labels) log posteriors, up to a constant a piece.
        pieces: all pieces.
        split: which of them were answered.

    Returns:
        ``pieces`` and ``clips`` (each ``confusion`` and the figures of ``of_confusion``), and ``groups``: for each
        clip or artist the pieces right, pieces, clips right, clips; equal ones are counted in a fifth number.
    """
    label, clip, group = pieces.label[split.test], pieces.clip[split.test], split.group[split.test]
    clips, first, of_clip = np.unique(clip, return_index=True, return_inverse=True)
    summed = np.zeros((len(clips), scores.shape[1]))
    np.add.at(summed, of_clip, scores)
    clip_said = summed.argmax(axis=1)
    _, of_group = np.unique(group, return_inverse=True)
    n_groups = int(of_group.max()) + 1
    counted = np.stack(
        (
            np.bincount(of_group, said == label, n_groups),
            np.bincount(of_group, minlength=n_groups),
            np.bincount(of_group[first], clip_said == label[first], n_groups),
            np.bincount(of_group[first], minlength=n_groups),
        ),
        axis=1,
    ).astype(np.int64)
    rows, often = np.unique(counted, axis=0, return_counts=True)
    return {
        "pieces": of_confusion(confusion(label, said, pieces.n_labels)),
        "clips": of_confusion(confusion(label[first], clip_said, pieces.n_labels)),
        "groups": np.column_stack((rows, often)).tolist(),
    }


def confusion(label: IntArray, said: IntArray, n_labels: int) -> IntArray:
    """(is, said) counts."""
    return np.bincount(label * n_labels + said, minlength=n_labels**2).reshape(n_labels, n_labels)


def of_confusion(counted: IntArray) -> dict[str, Any]:
    """Accuracy, and macro averages over the labels that occur: precision, recall, F1, specificity.

    Args:
        counted: (is, said) counts.
    """
    counted = np.asarray(counted)
    right, there, said = np.diag(counted), counted.sum(axis=1), counted.sum(axis=0)
    total = counted.sum()
    precision, recall, f1 = of_labels(counted)
    specificity = 1.0 - (said - right) / np.maximum(total - there, 1)
    occurs = there > 0
    return {
        "accuracy": float(right.sum() / max(total, 1)),
        "precision": float(precision[occurs].mean()),
        "recall": float(recall[occurs].mean()),
        "f1": float(f1[occurs].mean()),
        "specificity": float(specificity[occurs].mean()),
        "confusion": counted.tolist(),
    }


def of_labels(counted: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Precision, recall and F1 of each label, 0 where it does not occur or was never said.

    Args:
        counted: (is, said) counts.
    """
    right, there, said = np.diag(counted), counted.sum(axis=1), counted.sum(axis=0)
    return right / np.maximum(said, 1), right / np.maximum(there, 1), 2 * right / np.maximum(there + said, 1)


def draws(groups: Sequence[Sequence[int]], unit: str, seed: int = 0) -> FloatArray:
    """Accuracies of 2000 draws of whole groups with replacement (Efron & Tibshirani 1993, chapter 8).

    Args:
        groups: as ``figures`` has them, of one fit or of several whose groups are others.
        unit: ``pieces`` or ``clips``.
        seed: of the draws.
    """
    table = np.array(groups, np.int64)
    each = np.repeat(table[:, :4], table[:, 4], axis=0)
    right, there = (each[:, 0], each[:, 1]) if unit == "pieces" else (each[:, 2], each[:, 3])
    drawn = np.random.default_rng(seed).integers(len(each), size=(_DRAWS, len(each)))
    found: FloatArray = right[drawn].sum(axis=1) / np.maximum(there[drawn].sum(axis=1), 1)
    return found


def interval(drawn: FloatArray) -> tuple[float, float]:
    """The middle 95 % of draws."""
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)
