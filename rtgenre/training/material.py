"""Everything that a training run learns from, opened once: music, what is no music, and who may be joined with whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.errors import UsageError
from rtgenre.training.datasets.corpus import AsCorpus, Corpus
from rtgenre.training.datasets.open import open_dataset
from rtgenre.training.folds import artist_folds
from rtgenre.training.segments import cached_segments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.training.datasets.interface import DataSet
    from rtgenre.training.segments import Segments, SegmentSettings

    IntArray = NDArray[np.int64]
    BoolArray = NDArray[np.bool_]
    FloatArray = NDArray[np.float64]

N_FOLDS = 5
_HELD_OUT_EVERY = 3  # of the clips that are no music, one in so many never teaches


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Opened data.

    Attributes:
        music: clips with genres, split into ``train`` and ``valid``: its own, or fold 0 held out where it has none.
        other: clips that are no music; None without them.
        fold: (music clips,) artist-wise fold.
        other_teaches: (other clips,) bool: one in three is held out.
    """

    music: DataSet
    other: DataSet | None
    fold: IntArray
    other_teaches: BoolArray

    @property
    def split(self) -> NDArray[np.str_]:
        """(music clips,) the part of each; the data set's, so that what is held out is what is measured on."""
        return self.music.split

    @property
    def n_music(self) -> int:
        """Clips of music; those of the rest count on from there in ``Segments.clip``."""
        return len(self.music.names)

    def part(self, split: str) -> BoolArray:
        """(music clips,) which belong to a split."""
        chosen: BoolArray = self.split == split
        return chosen

    def teaching(self, music: BoolArray) -> BoolArray:
        """(all clips,) the chosen music and whatever else may teach."""
        return np.concatenate((music, self.other_teaches))

    def importance(self, music: BoolArray, balance: float) -> FloatArray:
        """How often each clip should be heard, where a few artists have made many clips and most have made one.

        Args:
            music: (music clips,) those that teach.
            balance: a clip counts as the number of clips of its artist and genre to the power of minus this: at 0 all
                clips count the same, at 1 all artists do. Genres keep their share.

        Returns:
            (all clips,) float64, 1 on average over each genre and wherever artists are not at stake.
        """
        weights = np.ones(self.n_music + len(self.other_teaches))
        label, artist = self.music.label, self.music.artist
        for genre in np.unique(label[music]):
            mine = np.flatnonzero(music & (label == genre))
            _, of_artist, clips = np.unique(artist[mine], return_inverse=True, return_counts=True)
            counts = clips[of_artist].astype(np.float64) ** -balance
            weights[mine] = counts / counts.mean()
        return weights

    def held_out(self, music: BoolArray) -> BoolArray:
        """(all clips,) the chosen music and whatever else must not teach."""
        return np.concatenate((music, ~self.other_teaches))

    def segments(self, spec: FrontendSpec, settings: SegmentSettings, jobs: int) -> Iterator[tuple[int, Segments]]:
        """See ``cached_segments``; clips are joined only with clips of the same split, fold and purpose."""
        music = np.array([f"{s}-{f}" for s, f in zip(self.split, self.fold, strict=True)])
        other = None
        if self.other is not None:
            names = sorted(set(music))
            teach = [n for n in names if not n.startswith("valid")] or names
            keep = [n for n in names if n.startswith("valid")] or names
            # A file that is held out must meet held-out music only, and the other way round.
            other = np.array(
                [(teach if ok else keep)[i % len(teach if ok else keep)] for i, ok in enumerate(self.other_teaches)]
            )
        return cached_segments(self.music, self.other, (music, other), spec, settings, jobs)


def open_material(data: Path, not_music: Path | None, spec: FrontendSpec, *, quiet: bool = False) -> Material:
    """Open the data sets.

    Args:
        data: of music: see ``open_dataset``.
        not_music: a folder of sound that is no music, its kinds as folders.
        spec: the frontend.
        quiet: no progress bars.

    Raises:
        SourceError: a data set cannot be read.
        UsageError: an artist is in ``train`` and in ``valid``, or there are too few clips.
    """
    music = open_dataset(data, spec, quiet=quiet)
    fold = artist_folds(music.label, music.artist, N_FOLDS)
    has_parts = {"train", "valid"} <= set(music.split)
    if not has_parts:
        music = replace(music, split=np.where(fold == 0, "valid", "train"))
    train, valid = music.split == "train", music.split == "valid"
    shared = np.intersect1d(music.artist[train], music.artist[valid])
    if len(shared):
        raise UsageError(f"artist {shared[0]} is in train and in valid", "split the data set by artist")
    _require_enough(music, has_parts=has_parts)
    other: DataSet | None = None
    if not_music is not None:
        other = open_dataset(not_music, spec, quiet=quiet, limit_s=60.0)
        if isinstance(music, Corpus):
            other = AsCorpus(other, music.fft_bins)
    n_other = len(other.names) if other is not None else 0
    return Material(
        music,
        other,
        fold,
        np.arange(n_other) % _HELD_OUT_EVERY != 0,
    )


def _require_enough(music: DataSet, *, has_parts: bool) -> None:
    """Refuse labels of which nothing could be learned, or nothing measured: all of them at once."""
    clips = {int(k): int(n) for k, n in zip(*np.unique(music.label, return_counts=True), strict=True)}
    lacking = {k for k in clips if not {"train", "valid"} <= set(music.split[music.label == k])}
    if lacking and not has_parts:
        # Which of the small ones has nothing in the fold held out is chance; mended one by one, the next would lack.
        lacking |= {k for k in clips if len(np.unique(music.artist[music.label == k])) < N_FOLDS}
    if lacking or len(clips) < 2:
        named = ", ".join(f"{music.labels[k]} ({clips[k]})" for k in sorted(lacking or clips))
        enough = "clips in train and in valid" if has_parts else "at least five files (or artists)"
        raise UsageError(
            f"too few clips to learn from and be measured on: {named}",
            f"give at least two labels, and of each {enough}",
        )
