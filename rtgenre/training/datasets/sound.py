"""One sound file, conditioned as the live path conditions it, and whether it is fit to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.audio.condition import Conditioner
from rtgenre.audio.file import FileSource
from rtgenre.audio.source import EndOfSource
from rtgenre.errors import SourceError
from rtgenre.posterior.decision import DecisionPolicy, PolicySettings, level_dbfs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.records import SourceInfo

    FloatArray = NDArray[np.float32]

SUFFIXES = frozenset(
    (
        *(".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd"),
        *(".caf", ".w64", ".rf64"),
        *(".m4a", ".aac", ".mp4", ".wma", ".ape", ".wv", ".webm"),  # cannot be read; reported, not overlooked
    )
)
SHORTEST_S = 1.0
SILENT_DBFS = PolicySettings().silence_dbfs
# What begins a piece is the live path's to say (``Frontend.seek_onset``); only this constant is taken from the policy.
ONSET_MAGNITUDE = DecisionPolicy(PolicySettings(), ("any",), 10.0).onset_magnitude

_BLOCK_SAMPLES = 65536
_READ_TIMEOUT_S = 10.0
_SHORTFALL_S = 0.05
_ENDLESS = 1 << 62


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A file's sound.

    Attributes:
        samples: (n,) float32 mono at the rate asked for.
        remark: what was not quite right with the file, in a line; empty where all was.
    """

    samples: FloatArray
    remark: str


def is_sound(path: Path) -> bool:
    """Whether a file's name says that it is sound; hidden files (``._song.wav``) are not."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_sound(path: Path, sample_rate: int, limit_s: float | None = None) -> Sound:
    """Read a file through the live path's conditioner: all channels averaged, finite, resampled.

    Args:
        path: anything that libsndfile reads.
        sample_rate: the frontend's, Hz.
        limit_s: keep at most so much, out of the middle of the file, as if it were a file of its own; out of the
            beginning where the file does not tell its length. What lies behind it is not looked at.

    Raises:
        SourceError: the file cannot be read as sound, or not to its end (but for a few milliseconds, which Vorbis
            files often lack: that is a remark).
    """
    source = FileSource("file", path, realtime=False, block_samples=_BLOCK_SAMPLES)
    try:
        source.start()
        info = source.wait_ready()
        conditioner = _conditioner(info.sample_rate, info.channels, sample_rate)
        state = conditioner.init_state()
        kept = _kept(info, limit_s)
        pieces, remarks = [], []
        try:
            for block in _blocks(source, kept):
                mono, state = conditioner.step(block, state)
                pieces.append(mono)
        except SourceError as error:
            if not _ends_nearly(kept.start + state.n_in, info):
                raise
            remarks.append(error.message.removeprefix(f"{str(path)!r} "))
    finally:
        source.close()
    tail, state = conditioner.flush(state)
    if state.non_finite:
        remarks.append(f"has {state.non_finite} samples that are not finite, taken as zero")
    return Sound(np.concatenate((*pieces, tail)), "; ".join(remarks))


def from_onset(samples: FloatArray) -> FloatArray:
    """The samples from the first loud one on: the live path aligns a piece's first window with it.

    Nothing is cut off where no sample is loud.
    """
    loud: NDArray[np.bool_] = np.abs(samples) >= ONSET_MAGNITUDE
    return samples[int(loud.argmax()) if len(loud) else 0 :]


def why_useless(samples: FloatArray, sample_rate: int) -> str:
    """Why nothing can be learned from a sound, in a line; empty where something can.

    Args:
        samples: (n,) float32, the whole sound.
        sample_rate: Hz.
    """
    if not len(samples):
        return "is empty"
    level = level_dbfs(float(np.mean(np.square(samples, dtype=np.float64))))
    if level <= SILENT_DBFS:
        return f"is silent: {level:.0f} dBFS, {SILENT_DBFS:.0f} or less is silence"
    heard_s = len(from_onset(samples)) / sample_rate
    if heard_s < SHORTEST_S:
        return f"is too short: {heard_s:.2f} s of sound, {SHORTEST_S:g} s is needed"
    return ""


@lru_cache(maxsize=64)
def _conditioner(in_rate: int, channels: int, out_rate: int) -> Conditioner:
    return Conditioner(in_rate, channels, out_rate)  # holds constants only, and measures itself when made


def _kept(info: SourceInfo, limit_s: float | None) -> range:
    """The file's frames to keep."""
    if limit_s is None:
        return range(_ENDLESS)
    n = max(1, round(limit_s * info.sample_rate))
    first = 0 if info.duration_s is None else max(0, (round(info.duration_s * info.sample_rate) - n) // 2)
    return range(first, first + n)


def _ends_nearly(n_read: int, info: SourceInfo) -> bool:
    """Whether a file broke off so shortly before the end it declares that nothing is lost by it.

    Not where it gave just what it declares: an Ogg file that was cut off takes what is left for the whole.
    """
    return info.duration_s is not None and 0.0 < info.duration_s - n_read / info.sample_rate <= _SHORTFALL_S


def _blocks(source: FileSource, kept: range) -> Iterator[FloatArray]:
    at = 0
    while at < kept.stop:
        try:
            block = source.read(_READ_TIMEOUT_S)
        except EndOfSource:
            return
        if block is None:  # a slow disk
            continue
        piece = block.samples[max(0, kept.start - at) : kept.stop - at]
        at += len(block.samples)
        if len(piece):
            yield piece
