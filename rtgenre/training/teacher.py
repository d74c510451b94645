"""A set of short clips with a teacher's embeddings: what the encoder learns to hear from.

The layout (one ``.npz`` without pickled objects), as in the FMA data: ``mfcc`` uint8 (clips, coefficients, frames) with
``mfcc_low`` and ``mfcc_high``, librosa's defaults (22050 Hz, n_fft 2048, hop 512, 128 mel bands to 11025 Hz, dB,
orthonormal DCT); ``genre``; ``vggish`` (clips, 128) with ``has_vggish``, the mean of a VGGish embedding (Hershey et al.
2017, "CNN Architectures for Large-Scale Audio Classification") over the whole clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.frontend import tables
from rtgenre.training.arrays import read_arrays

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec

    FloatArray = NDArray[np.float32]

_ARRAYS = ("mfcc", "mfcc_low", "mfcc_high", "genre", "vggish", "has_vggish")
_N_MELS = 128
_FMAX_HZ = 11025.0
_HOP = 512


@dataclass(frozen=True, slots=True, eq=False)
class TeacherSet:
    """Clips as a frontend would hear them, each with what a teacher says of it.

    Attributes:
        mfcc: (clips, frames, n_mfcc) float32 in the units of the frontend's ``mfcc``, at ``phases`` times its rate.
        phases: frames a hop.
        embedding: (clips, 128) float32, each dimension of mean 0 and variance 1; zeros where there is none.
        has_embedding: (clips,) bool.
        genre: (clips,) index into ``genres``.
        genres: the clips' own labels.
        sha256: of the file.
    """

    mfcc: FloatArray
    phases: int
    embedding: FloatArray
    has_embedding: NDArray[np.bool_]
    genre: NDArray[np.int64]
    genres: tuple[str, ...]
    sha256: str


def read_teacher(path: Path, spec: FrontendSpec) -> TeacherSet:
    """Read the set and bring its MFCCs into the form of a frontend.

    The inverse DCT gives a smooth log-mel spectrum, which is read at the centres of the frontend's own bands, given
    the frontend's noise floor, and transformed again.

    Args:
        path: the ``.npz``.
        spec: whose ``mfcc`` is imitated.

    Raises:
        SourceError: the file cannot be read or is not such a set.
    """
    got, sha256 = read_arrays(path, _ARRAYS, "set of MFCCs and embeddings")
    low, high = got["mfcc_low"].astype(np.float32), got["mfcc_high"].astype(np.float32)
    mfcc = low[None, :, None] + got["mfcc"].astype(np.float32) / 255.0 * (high - low)[None, :, None]
    back = tables.dct_rows(mfcc.shape[1], _N_MELS).T  # orthonormal: the transpose inverts it, up to what was cut off
    theirs = _mel_centres(_N_MELS, 0.0, _FMAX_HZ)
    ours = _mel_centres(spec.n_mels, spec.fmin_hz, spec.fmax_hz)
    at = np.stack([np.interp(ours, theirs, row) for row in back.T], axis=1)  # (n_mels, coefficients)
    log_mel = np.einsum("mk,nkt->ntm", at.astype(np.float32), mfcc)
    if spec.floor_below_db:
        power = 10.0 ** (log_mel / 10.0)
        heard = np.arange(1, log_mel.shape[1] + 1)
        level = np.cumsum(power.mean(axis=2), axis=1) / heard  # running means start as plain ones
        log_mel = 10.0 * np.log10(power + level[..., None] * 10.0 ** (-spec.floor_below_db / 10.0))
        if spec.level_db:
            log_mel += spec.level_db - 10.0 * np.log10(level)[..., None]
    ours_again = tables.dct_rows(spec.n_mfcc, spec.n_mels).astype(np.float32)
    has = got["has_vggish"].astype(bool)
    raw = got["vggish"].astype(np.float32)
    embedding = (raw - raw[has].mean(axis=0)) / (raw[has].std(axis=0) + 1e-3)
    embedding[~has] = 0.0
    genres = tuple(sorted({str(name) for name in got["genre"]}))
    return TeacherSet(
        mfcc=np.ascontiguousarray(log_mel.astype(np.float32) @ ours_again.T),
        phases=max(1, round(spec.hop / _HOP)),
        embedding=embedding,
        has_embedding=has,
        genre=np.array([genres.index(str(name)) for name in got["genre"]], np.int64),
        genres=genres,
        sha256=sha256,
    )


def _mel_centres(n_mels: int, fmin_hz: float, fmax_hz: float) -> NDArray[np.float64]:
    """Centres of mel bands, in mel."""
    ends = tables.hz_to_mel(np.array([fmin_hz, fmax_hz]))
    return np.linspace(ends[0], ends[1], n_mels + 2)[1:-1]
