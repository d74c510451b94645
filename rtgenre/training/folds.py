"""Artist-wise folds: no artist in two of them, each genre as evenly spread as whole artists allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]


def artist_folds(label: IntArray, artist: IntArray, n_folds: int = 5, seed: int = 7) -> IntArray:
    """(clips,) fold of each clip.

    Genre by genre, artists are dealt from the one with most clips down, each to the fold that has fewest so far.

    Args:
        label: (clips,).
        artist: (clips,).
        n_folds: number of folds.
        seed: of the order among equals.
    """
    rng = np.random.default_rng(seed)
    fold_of: dict[int, int] = {}
    for genre in np.unique(label):
        ids, clips = np.unique(artist[label == genre], return_counts=True)
        dealt = rng.permutation(len(ids))
        dealt = dealt[np.argsort(-clips[dealt], kind="stable")]
        turn, load = rng.permutation(n_folds), np.zeros(n_folds)
        for k in dealt:
            load_now = load + 1e-3 * turn
            fold = fold_of.setdefault(int(ids[k]), int(np.argmin(load_now)))
            load[fold] += clips[k]
    return np.array([fold_of[int(a)] for a in artist], np.int64)
