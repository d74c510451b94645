"""What a recipe's inputs are for a set of clips: made once, kept in the user's cache."""

from __future__ import annotations

import csv
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

from rtgenre.errors import SourceError
from rtgenre.frontend import tables
from rtgenre.training import kept
from rtgenre.training.literature import clips as clips_module
from rtgenre.training.literature import features, summaries

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rtgenre.training.literature.clips import Clips, Piece
    from rtgenre.training.literature.recipe import Inputs

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]
    Made = dict[str, NDArray[Any]]

TABLE_FILE = "features_30_sec.csv"
CODE = [Path(module.__file__ or "") for module in (features, summaries, clips_module, tables)]
"""What inputs are made by: runs depend on it, too."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Inputs of one kind, piece by piece.

    Attributes:
        x: (pieces, frames, features) or (pieces, features) float32, or (pieces, 3, height, width) uint8.
        clip: (pieces,) index of the clip that each is of.
        label: (pieces,) of the clip.
        artist: (pieces,) of the clip.
        part: (pieces,) of the clip.
        missing: pieces that clips were too short for.
        n_labels: how many labels there are.
    """

    x: NDArray[Any]
    clip: IntArray
    label: IntArray
    artist: IntArray
    part: NDArray[np.str_]
    missing: int
    n_labels: int


def default_folder() -> Path:
    """Where inputs are kept unless told."""
    return platformdirs.user_cache_path("rtgenre") / "literature"


def silent(what: str, share: float) -> None:
    """Tell nobody how far something is."""


@dataclass(slots=True)
class Maker:
    """Makes pieces of some clips; the kind made last is kept in memory.

    Attributes:
        clips: the clips.
        table: the CSV of clip statistics; None where there is none.
        folder: of the cache.
        say: told what is being made, and how far it is (0 to 1).
    """

    clips: Clips
    table: Path | None = None
    folder: Path = field(default_factory=default_folder)
    say: Callable[[str, float], None] = silent
    _last: tuple[tuple[str, int], Made] | None = None

    def pieces(self, inputs: Inputs) -> Pieces:
        """The pieces that a recipe's inputs ask for.

        Raises:
            SourceError: a clip cannot be read, or the table lacks one.
        """
        if inputs.kind == "table" and self.table is not None:
            x: NDArray[Any] = read_table(self.table, self.clips)
            clip = np.arange(len(self.clips.label))
        else:
            made = self._made(_made_as(inputs), inputs.pieces)
            x, clip = self._selected(made["x"], inputs), made["clip"].astype(np.int64)
        return Pieces(
            x=x,
            clip=clip,
            label=self.clips.label[clip],
            artist=self.clips.artist[clip],
            part=self.clips.part[clip],
            missing=inputs.pieces * len(self.clips.label) - len(clip),
            n_labels=len(self.clips.labels),
        )

    def make(self, inputs: Inputs) -> None:
        """See to it that a recipe's inputs lie in the cache."""
        if inputs.kind != "table" or self.table is None:
            self._made(_made_as(inputs), inputs.pieces)

    def columns(self, inputs: Inputs) -> list[int]:
        """Which columns of ``features.frames`` a recipe's ``frames`` or ``moments`` are."""
        return features.columns(inputs.features, inputs.n_mfcc, from_samples=self.clips.as_sound)

    def _selected(self, x: NDArray[Any], inputs: Inputs) -> NDArray[Any]:
        if inputs.kind == "picture":
            return x
        if inputs.kind in ("statistics", "table"):
            told = [k for k, name in enumerate(summaries.STATISTICS) if self._tells(name)]
            return x[:, told]
        chosen = x[:, :, self.columns(inputs)]
        if inputs.kind == "moments":
            return np.concatenate((chosen.mean(axis=1), chosen.var(axis=1)), axis=1)
        return chosen

    def _tells(self, name: str) -> bool:
        return self.clips.as_sound or name not in summaries.FROM_SAMPLES

    def _made(self, kind: str, pieces: int) -> Made:
        if self._last is not None and self._last[0] == (kind, pieces):
            return self._last[1]
        self._last = None  # what was held is not needed beside what is made
        depends_on = [self.clips.sha256, self.clips.chosen.tolist(), kind, pieces]
        entry = self.folder / f"{kind}-{kept.fingerprint(depends_on, *CODE)}.npz"
        made = _load(entry)
        if made is None:
            made = self._make(kind, pieces)
            _store(entry, made)
        self._last = ((kind, pieces), made)
        return made

    def _make(self, kind: str, pieces: int) -> Made:
        """Threads suffice: transforms, sorting and products release the GIL."""
        n = len(self.clips.label)

        def of_clip(clip: int) -> list[NDArray[Any]]:
            return [self._one(kind, piece) for piece in self.clips.pieces(clip, pieces)]

        x, clip = [], []
        pool = ThreadPoolExecutor(min(4, len(_cores())), "rtgenre-features")
        try:
            for k, found in enumerate(pool.map(of_clip, range(n))):
                x += found
                clip += [k] * len(found)
                self.say(f"{kind}, {pieces} a clip", (k + 1) / n)
        finally:
            pool.shutdown(cancel_futures=True)
        if not x:
            raise SourceError(
                f"none of {n} clips is long enough for a piece", "clips of 30 s are expected, as in GTZAN"
            )
        return {"x": np.stack(x), "clip": np.array(clip, np.int64)}

    def _one(self, kind: str, piece: Piece) -> NDArray[Any]:
        hop = self.clips.hop
        if kind == "picture":
            return summaries.picture(piece.power)
        table = features.frames(piece.power, piece.samples, hop)
        return table if kind == "frames" else summaries.statistics(table, piece.power, piece.samples, hop)


def read_table(path: Path, clips: Clips) -> FloatArray:
    """Rows of the CSV of clip statistics, (clips, columns) float32.

    Raises:
        SourceError: it cannot be read, or lacks a clip.
    """
    try:
        with path.open(encoding="utf-8", newline="") as text:
            rows = list(csv.DictReader(text))
        columns = [name for name in (rows[0] if rows else {}) if name not in ("filename", "length", "label")]
        told = {row["filename"].rsplit(".", 1)[0]: [float(row[name]) for name in columns] for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError, TypeError) as error:
        raise SourceError(
            f"{path} cannot be read as a table of clip statistics: {error}", f"it is GTZAN's {TABLE_FILE}, or none"
        ) from error
    lacking = [str(name) for name in clips.names if str(name) not in told]
    if lacking or not columns:
        what = f"{len(lacking)} clips, the first {lacking[0]}" if lacking else "columns"
        raise SourceError(f"{path} lacks {what}", f"give the {TABLE_FILE} of the same clips")
    return np.array([told[str(name)] for name in clips.names], np.float32)


def _made_as(inputs: Inputs) -> str:
    """The kind that is made and kept for some inputs."""
    return {"frames": "frames", "moments": "frames", "picture": "picture"}.get(inputs.kind, "statistics")


def _cores() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def _load(entry: Path) -> Made | None:
    try:
        with entry.open("rb") as raw, np.load(raw, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a kept file, it is made anew
        _log.info("kept features %s are broken and are made anew: %s", entry, error)
        return None


def _store(entry: Path, made: Made) -> None:
    """Write an entry whole or not at all; one that cannot be written costs time, nothing else."""
    part = entry.with_name(f"{entry.name}.{os.getpid()}.part")
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            np.savez(out, **made)  # type: ignore[arg-type]  # numpy's stub takes any name for allow_pickle
        part.replace(entry)
    except OSError as error:
        _log.warning("features cannot be kept in %s and will be made each time: %s", entry.parent, error)
