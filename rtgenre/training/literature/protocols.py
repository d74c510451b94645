"""Three ways to part pieces into learning and testing, from the one that leaks to the one that does not.

* ``published``: pieces are drawn at random, as the papers do, so pieces of one clip are on both sides;
* ``clips``: no clip is on both sides, though its artist may be;
* ``artists``: no artist is on both sides: *train* → *valid* of the artist-filtered split, and five artist-wise folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from rtgenre.training.folds import artist_folds
from rtgenre.training.literature.clips import UNKNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.training.literature.pieces import Pieces
    from rtgenre.training.literature.recipe import Shares

    IntArray = NDArray[np.int64]
    BoolArray = NDArray[np.bool_]

Protocol = Literal["published", "clips", "artists"]
PROTOCOLS: tuple[Protocol, ...] = ("published", "clips", "artists")
N_FOLDS = 5
VALID = "valid"


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Indices of pieces.

    Attributes:
        train: learned from.
        valid: watched by early stopping; empty where nothing is stopped.
        test: answered.
        group: (pieces,) what is drawn whole for an interval: the clip or the artist of each piece.
    """

    train: IntArray
    valid: IntArray
    test: IntArray
    group: IntArray


def rounds(protocol: Protocol, shares: Shares) -> tuple[str, ...]:
    """Names of the splits that a protocol makes of a paper's shares; each is one fit.

    The figures of folds are pooled, those of runs (drawn anew) are averaged; ``valid`` stands alone.
    """
    if protocol == "artists":
        return (VALID, *(f"fold{k}" for k in range(N_FOLDS)))
    if protocol == "published" and shares.folds > 1:
        return tuple(f"fold{k}" for k in range(shares.folds))
    return tuple(f"run{k}" for k in range(shares.runs if protocol == "published" else 1))


def split(protocol: Protocol, name: str, shares: Shares, pieces: Pieces, seed: int, amount: float = 1.0) -> Split:
    """One split.

    Args:
        protocol: which way.
        name: one of ``rounds``.
        shares: of the paper.
        pieces: what is parted.
        seed: of the draws; a run adds its own number.
        amount: keep only so much of what is learned from (whole clips, or whole artists).
    """
    number = int(name[-1]) if name[-1].isdigit() else 0
    rng = np.random.default_rng([seed, number if name.startswith("run") else 0])
    unit, tests = _tests(protocol, name, number, shares, pieces, rng)
    learn = ~tests if protocol != "artists" else ~tests & (pieces.artist != UNKNOWN)
    if name == VALID:
        learn &= pieces.part == "train"
    if amount < 1.0:
        keep = unit if protocol == "artists" else pieces.clip
        learn &= _share(pieces.label, keep, learn, amount, rng)
    watch = np.zeros(len(learn), bool)
    if shares.valid:
        watch = learn & _share(pieces.label, unit, learn, shares.valid, rng)
    group = pieces.artist if protocol == "artists" else pieces.clip
    return Split(np.flatnonzero(learn & ~watch), np.flatnonzero(watch), np.flatnonzero(tests), group)


def _tests(
    protocol: Protocol, name: str, number: int, shares: Shares, pieces: Pieces, rng: np.random.Generator
) -> tuple[IntArray, BoolArray]:
    """What stays together, piece by piece, and which pieces are the test part."""
    n = len(pieces.clip)
    if protocol == "artists":
        known = pieces.artist != UNKNOWN
        if name == VALID:
            return pieces.artist, known & (pieces.part == "valid")
        return pieces.artist, known & (_folds(pieces.label, pieces.artist, known) == number)
    if protocol == "clips":
        clips = rng.permutation(np.unique(pieces.clip))
        return pieces.clip, np.isin(pieces.clip, clips[: max(1, round(shares.test * len(clips)))])
    order = rng.permutation(n)
    tests = np.zeros(n, bool)
    if shares.folds > 1:
        tests[order[number :: shares.folds]] = True
    else:
        tests[order[: max(1, round(shares.test * n))]] = True
    return np.arange(n), tests


def _folds(label: IntArray, artist: IntArray, known: BoolArray) -> IntArray:
    """Fold of each piece, -1 where the artist is not known; the folds of the shipped model's own cross-validation."""
    fold = np.full(len(label), -1)
    fold[known] = artist_folds(label[known], artist[known], N_FOLDS)
    return fold


def _share(label: IntArray, unit: IntArray, among: BoolArray, share: float, rng: np.random.Generator) -> BoolArray:
    """About a share of the pieces of each label, whole units of it, never all of them."""
    chosen = np.zeros(len(label), bool)
    for k in np.unique(label[among]):
        units, sizes = np.unique(unit[among & (label == k)], return_counts=True)
        order = rng.permutation(len(units))
        filled = np.cumsum(sizes[order])
        # A unit belongs to the share if at least half of it fits.
        n = int((filled - sizes[order] / 2 <= share * sizes.sum()).sum())
        n = min(max(n, 1), len(units) - 1) if share < 1.0 else n
        chosen |= among & np.isin(unit, units[order[:n]]) & (label == k)
    return chosen
