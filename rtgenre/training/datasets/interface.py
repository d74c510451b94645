"""What training and evaluation need of a data set, whatever it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from rtgenre.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]

ALL = "all"  # the split that every clip belongs to

LAYOUTS = (
    "three layouts are accepted: a file of spectra (.npz); a folder of sound with a folder for each label "
    "(LABEL/clip.wav, also below train/ valid/ test/, or flat as LABEL.00000.wav); "
    "FMA (fma_small/000/000002.mp3 beside fma_metadata/tracks.csv)"
)


class DataSet(Protocol):
    """Labelled clips as power spectra. Holds no state that reading changes; any thread may call it."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in the order that ``label`` counts."""

    @property
    def names(self) -> NDArray[np.str_]:
        """(clips,) a unique name for each clip."""

    @property
    def label(self) -> IntArray:
        """(clips,) index into ``labels``."""

    @property
    def split(self) -> NDArray[np.str_]:
        """(clips,) the part that each clip belongs to."""

    @property
    def artist(self) -> IntArray:
        """(clips,) an id for each artist; where artists are not known, one for each clip."""

    @property
    def n_frames(self) -> IntArray:
        """(clips,) hops of each clip."""

    @property
    def sha256(self) -> str:
        """Fingerprint (hex) of everything that the clips contain and are called."""

    def part(self, split: str) -> IntArray:
        """Indices of the clips of one split; ``all`` means every clip.

        Raises:
            UsageError: there is no clip of it.
        """

    def require_labels(self, labels: tuple[str, ...]) -> None:
        """Refuse labels that are not these, in this order.

        Raises:
            UsageError: they differ.
        """

    def power(self, clip: int, spec: FrontendSpec, rng: np.random.Generator | None = None) -> FloatArray:
        """Spectra of one clip, (n_frames, n_bins) float32, in the spec's scaling.

        Args:
            clip: its index.
            spec: what the spectra are for; its framing must be the data set's.
            rng: draws what the data set does not know exactly; None draws the same every time.

        Raises:
            UsageError: the spec has another framing.
        """


def part_of(splits: NDArray[np.str_], wanted: str) -> IntArray:
    """``DataSet.part`` for a (clips,) array of splits."""
    found = np.arange(len(splits)) if wanted == ALL else np.flatnonzero(splits == wanted)
    if not len(found):
        raise UsageError(
            f'no clip belongs to split "{wanted}"', f"splits here: {', '.join(sorted(set(splits)))}; {ALL} takes each"
        )
    return found


def require_same(labels: tuple[str, ...], known: tuple[str, ...]) -> None:
    """``DataSet.require_labels`` for a data set whose labels are ``known``."""
    if labels != known:
        raise UsageError(
            f"the model knows {', '.join(labels)}; the data set has {', '.join(known)}",
            "evaluate a model on a data set with its own labels",
        )
