"""``SoundFolder``: labelled sound files as a ``DataSet``, whatever layout they were found in."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track

from rtgenre.errors import SourceError, UsageError, printable
from rtgenre.training.datasets import interface, sound
from rtgenre.training.datasets.cache import Framing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.training.datasets.cache import Facts, SpectraCache

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SoundFile:
    """A sound file as a layout tells of it, not yet read.

    Attributes:
        path: where it is.
        inside: its path inside the data set, with ``/``.
        name: what to call the clip.
        label: what it is.
        split: the part it belongs to.
        artist: whose it is; None where that is not known.
        known_fault: said after the reason, should the file be of no use.
    """

    path: Path
    inside: str
    name: str
    label: str
    split: str = interface.ALL
    artist: str | None = None
    known_fault: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was found and is not part of the data set.

    Attributes:
        what: the file, inside the data set, or several of them in words.
        why: in a line.
    """

    what: str
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class SoundFolder:
    """Clips of sound; see ``DataSet`` for what is not described here.

    Attributes:
        labels: names of the labels.
        names: (clips,) unique names.
        label: (clips,) index into ``labels``.
        split: (clips,) ``all`` where the layout tells no splits.
        artist: (clips,) an id per artist; one per clip where artists are not known, so that intervals over artists
            are then intervals over files, which are too narrow when artists have several.
        n_frames: (clips,) hops of each clip, from its first loud sample on.
        sha256: of labels, names, splits, artists and the files themselves.
        whole_sha256: the same of a data set without a limit.
        paths: (clips,) the files.
        skipped: what was left out, and why.
        cache: makes and keeps the spectra.
    """

    labels: tuple[str, ...]
    names: NDArray[np.str_]
    label: IntArray
    split: NDArray[np.str_]
    artist: IntArray
    n_frames: IntArray
    sha256: str
    whole_sha256: str
    paths: tuple[Path, ...]
    skipped: tuple[Skipped, ...]
    cache: SpectraCache

    def part(self, split: str) -> IntArray:
        """Indices of the clips of one split; see ``DataSet.part``."""
        return interface.part_of(self.split, split)

    def require_labels(self, labels: tuple[str, ...]) -> None:
        """Refuse other labels; see ``DataSet.require_labels``."""
        interface.require_same(labels, self.labels)

    def power(
        self,
        clip: int,
        spec: FrontendSpec,
        rng: np.random.Generator | None = None,  # noqa: ARG002 - sound leaves nothing to draw
    ) -> FloatArray:
        """A clip's spectra, (n_frames, n_bins) float32, as the live path makes them of the file, to 0.005 dB.

        Args:
            clip: its index.
            spec: of the framing that the data set was opened with.
            rng: not used.

        Raises:
            UsageError: the spec has another framing.
            SourceError: the file is gone or was changed since the data set was opened.
        """
        mine, asked = Framing.of(self.cache.spec), Framing.of(spec)
        if asked != mine:
            raise UsageError(f"the data set was opened for {mine}, not {asked}", "open it with the model's own spec")
        power = self.cache.power(self.paths[clip])
        if len(power) != self.n_frames[clip]:
            raise SourceError(f"{str(self.paths[clip])!r} was changed since it was opened", "open the data set again")
        return power

    def samples(self, clip: int) -> FloatArray:
        """A clip's sound, (n,) float32 mono at the spec's rate, as the live path's conditioner gives it; not kept.

        Whole from its very beginning (``power`` starts at the first loud sample, as the pipeline does by itself).

        Raises:
            SourceError: the file is gone or was changed since the data set was opened.
        """
        return sound.read_sound(self.paths[clip], self.cache.spec.sample_rate, self.cache.limit_s).samples


def read_clips(
    root: Path,
    files: Sequence[SoundFile],
    aside: Sequence[Skipped],
    cache: SpectraCache,
    *,
    quiet: bool,
    labels: tuple[str, ...] | None = None,
) -> SoundFolder:
    """Look at every file and make a data set of those that are fit for it. The others are logged, a line each.

    Args:
        root: of the data set, for messages.
        files: what the layout tells, in order.
        aside: what the layout has left out already.
        cache: says what is in a file, and keeps its spectra.
        quiet: no progress bar.
        labels: the labels to know, in their order; those of the files, sorted, if None.

    Raises:
        SourceError: no file is fit.
        UsageError: a file's label is not among ``labels``.
    """
    found = tuple(sorted({file.label for file in files}))
    strange = [label for label in found if labels is not None and label not in labels]
    if strange and labels is not None:
        raise UsageError(
            f"{root}: label {strange[0]!r} is not known", f"labels: {', '.join(labels)}; rename or remove its folder"
        )
    facts = _look_at(files, cache, quiet=quiet)
    skipped = [*aside]
    for file, fact in zip(files, facts, strict=True):
        if fact.why_useless:
            skipped.append(Skipped(file.inside, fact.why_useless + file.known_fault))
        elif fact.remark:
            _log.warning("kept: %s %s", printable(file.inside), printable(fact.remark))
    for one in skipped:
        _log.warning("skipped: %s %s", printable(one.what), printable(one.why))
    kept = [(file, fact) for file, fact in zip(files, facts, strict=True) if not fact.why_useless]
    if not kept:
        first = f"; the first: {skipped[0].what} {skipped[0].why}" if skipped else ""
        raise SourceError(f"{root}: none of {len(files)} sound files can be used{first}", interface.LAYOUTS)
    known = labels or found
    for label in sorted(set(known) - {file.label for file, _ in kept}):
        _log.warning("there is no clip of label %s", printable(label))
    return _joined(kept, known, tuple(skipped), cache)


def _look_at(files: Sequence[SoundFile], cache: SpectraCache, *, quiet: bool) -> list[Facts]:
    """Facts of each file, in order. Threads suffice: decoding, resampling and transforming all release the GIL."""
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1), "rtgenre-read")
    try:
        facts = pool.map(cache.facts, [file.path for file in files])
        return list(
            track(facts, "reading sound", total=len(files), console=Console(stderr=True), disable=quiet or not files)
        )
    finally:
        pool.shutdown(cancel_futures=True)  # interrupted: what is kept already is not read again


def _joined(
    kept: Sequence[tuple[SoundFile, Facts]], labels: tuple[str, ...], skipped: tuple[Skipped, ...], cache: SpectraCache
) -> SoundFolder:
    files = [file for file, _ in kept]
    names = _unique_names(files)
    # A clip without an artist gets an artist of its own, whom no other clip can be of.
    artists = [("", file.artist) if file.artist is not None else (file.inside, "") for file in files]
    numbers = {artist: number for number, artist in enumerate(dict.fromkeys(artists))}
    content = [
        [name, file.label, file.split, list(artist), fact.sha256]
        for name, artist, (file, fact) in zip(names, artists, kept, strict=True)
    ]
    described, whole = (json.dumps([list(labels), limit_s, sorted(content)]) for limit_s in (cache.limit_s, None))
    return SoundFolder(
        labels=labels,
        names=np.array(names),
        label=np.array([labels.index(file.label) for file in files], np.int64),
        split=np.array([file.split for file in files]),
        artist=np.array([numbers[artist] for artist in artists], np.int64),
        n_frames=np.array([fact.n_frames for _, fact in kept], np.int64),
        sha256=hashlib.sha256(described.encode()).hexdigest(),
        whole_sha256=hashlib.sha256(whole.encode()).hexdigest(),
        paths=tuple(file.path for file in files),
        skipped=skipped,
        cache=cache,
    )


def _unique_names(files: Sequence[SoundFile]) -> list[str]:
    """Names of the clips; where several would have the same, their paths inside the data set."""
    often = Counter(file.name for file in files)
    return [file.name if often[file.name] == 1 else file.inside for file in files]
