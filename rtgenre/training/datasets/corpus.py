"""A file of quantised power spectra as a data set.

The layout (one ``.npz`` without pickled objects): ``power_db`` uint8 (clips, bins, hops) in steps of 1.5 dB from
-160 dB with 0 for nothing, ``fft_bins`` (bins,) into the full spectrum, ``n_frames`` ``names`` ``genre`` ``split``
``artist_id`` (clips,), and ``genres``, the labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.errors import SourceError, UsageError
from rtgenre.training.arrays import read_arrays
from rtgenre.training.datasets import interface

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.training.datasets.interface import DataSet

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]

_STEP_DB = 1.5
_LOWEST_DB = -160.0
# Shape of the gamma distribution that fills missing bins. 1 would be noise without neighbours; at 1.5 the mean of no
# contrast band is more than 0.16 of its spread away from that of the same clips as sound (0.37 without filling).
_ROUGHNESS = 1.5
_ARRAYS = ("power_db", "fft_bins", "n_frames", "names", "genre", "split", "artist_id", "genres")


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Clips as power spectra, with what is known of each.

    Attributes:
        power_db: (clips, bins, hops) uint8, see the module's summary.
        fft_bins: (bins,) indices into the spectrum of ``n_fft / 2 + 1`` bins, ascending.
        n_frames: (clips,) valid hops of each clip.
        names: (clips,) unique names.
        label: (clips,) index into ``labels``.
        split: (clips,) name of the part each clip belongs to.
        artist: (clips,) an id per artist.
        labels: genre names.
        sha256: of the file.
    """

    power_db: NDArray[np.uint8]
    fft_bins: IntArray
    n_frames: IntArray
    names: NDArray[np.str_]
    label: IntArray
    split: NDArray[np.str_]
    artist: IntArray
    labels: tuple[str, ...]
    sha256: str

    def part(self, split: str) -> IntArray:
        """Indices of the clips of one split; ``all`` means every clip.

        Raises:
            UsageError: there is no clip of it.
        """
        return interface.part_of(self.split, split)

    def require_labels(self, labels: tuple[str, ...]) -> None:
        """Refuse labels that are not this corpus's, in this order.

        Raises:
            UsageError: they differ.
        """
        interface.require_same(labels, self.labels)

    def power(self, clip: int, spec: FrontendSpec, rng: np.random.Generator | None = None) -> FloatArray:
        """A clip's spectra, (n_frames, n_fft // 2 + 1) float32, in the spec's density scaling.

        Bins that the corpus lacks are interpolated linearly in power between their neighbours, and then made as
        rough as a periodogram is, by gamma-distributed factors of mean 1: without them peaks and valleys are too
        few, and spectral contrast comes out too small.

        Args:
            clip: its index.
            spec: says how many bins there are.
            rng: draws the factors; None draws the same ones for a clip every time.

        Raises:
            UsageError: the spec's spectra have fewer bins than the corpus names.
        """
        n_bins = spec.n_fft // 2 + 1
        if self.fft_bins[-1] >= n_bins:
            raise UsageError(
                f"the corpus has bin {self.fft_bins[-1]}, a spectrum of n_fft {spec.n_fft} has {n_bins} bins",
                "use the n_fft the corpus was made with",
            )
        known = _DECODED[self.power_db[clip, :, : self.n_frames[clip]]].T
        return _filled(known, self.fft_bins, n_bins, rng or np.random.default_rng(clip))


def _decoded() -> FloatArray:
    table = 10.0 ** ((np.arange(256) * _STEP_DB + _LOWEST_DB) / 10.0)
    table[0] = 0.0
    return table.astype(np.float32)


_DECODED = _decoded()


def _filled(known: FloatArray, fft_bins: IntArray, n_bins: int, rng: np.random.Generator) -> FloatArray:
    """Spectra (n_frames, n_bins) of which only some bins are known (n_frames, len(fft_bins)); see ``Corpus.power``."""
    above = np.clip(np.searchsorted(fft_bins, np.arange(n_bins)), 1, len(fft_bins) - 1)
    below = above - 1
    share = (np.arange(n_bins) - fft_bins[below]) / (fft_bins[above] - fft_bins[below])
    share = np.clip(share, 0.0, 1.0).astype(np.float32)  # bins outside the known ones repeat the nearest
    power = known[:, below] * (1.0 - share) + known[:, above] * share
    missing = np.setdiff1d(np.arange(n_bins), fft_bins)
    draws = rng.gamma(_ROUGHNESS, 1.0 / _ROUGHNESS, (len(power), len(missing)))
    power[:, missing] *= draws.astype(np.float32)
    return np.ascontiguousarray(power)


@dataclass(frozen=True, slots=True, eq=False)
class AsCorpus:
    """Another data set, its spectra made as coarse as a corpus's: a network must not tell the two apart by that.

    Attributes:
        data: clips of any kind.
        fft_bins: the corpus's.
    """

    data: DataSet
    fft_bins: IntArray

    labels = property(lambda self: self.data.labels)
    names = property(lambda self: self.data.names)
    label = property(lambda self: self.data.label)
    split = property(lambda self: self.data.split)
    artist = property(lambda self: self.data.artist)
    n_frames = property(lambda self: self.data.n_frames)
    sha256 = property(lambda self: self.data.sha256)

    def part(self, split: str) -> IntArray:
        """See ``DataSet.part``."""
        return self.data.part(split)

    def require_labels(self, labels: tuple[str, ...]) -> None:
        """See ``DataSet.require_labels``."""
        self.data.require_labels(labels)

    def power(self, clip: int, spec: FrontendSpec, rng: np.random.Generator | None = None) -> FloatArray:
        """See ``DataSet.power``; in steps of 1.5 dB, and only the corpus's bins are the clip's own."""
        power = self.data.power(clip, spec)[:, self.fft_bins]
        with np.errstate(divide="ignore"):
            steps = np.round((10.0 * np.log10(power) - _LOWEST_DB) / _STEP_DB)
        known = _DECODED[np.clip(steps, 0, 255).astype(np.uint8)]
        return _filled(known, self.fft_bins, spec.n_bins, rng or np.random.default_rng(clip))


def read_corpus(path: Path) -> Corpus:
    """Read the whole corpus into memory.

    Raises:
        SourceError: the file cannot be read or is not such a corpus.
    """
    got, sha256 = read_arrays(path, _ARRAYS, "corpus of spectra")
    labels = tuple(str(name) for name in got["genres"])
    unknown = sorted(set(got["genre"]) - set(labels))
    if unknown:
        raise SourceError(f"{path}: genre {unknown[0]} is not among its genres", f"genres: {', '.join(labels)}")
    return Corpus(
        power_db=got["power_db"],
        fft_bins=got["fft_bins"].astype(np.int64),
        n_frames=got["n_frames"].astype(np.int64),
        names=got["names"],
        label=np.array([labels.index(name) for name in got["genre"]], np.int64),
        split=got["split"],
        artist=got["artist_id"].astype(np.int64),
        labels=labels,
        sha256=sha256,
    )
