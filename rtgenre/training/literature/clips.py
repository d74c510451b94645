"""The clips that recipes learn from: spectra at 87 ms, or one's own GTZAN folder as sound, exactly as printed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.errors import SourceError
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend
from rtgenre.training.datasets.corpus import Corpus, read_corpus
from rtgenre.training.datasets.folder import open_folder
from rtgenre.training.literature import features

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.training.datasets.clips import SoundFolder

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]

CLIP_S = 30.0
UNKNOWN = -1  # artist of a clip whose artist nobody told
PRINTED_HOP = 512
_SPECTRA = FrontendSpec()
_PRINTED = FrontendSpec(hop=PRINTED_HOP, window="hann", scaling="spectrum")


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A stretch of a clip.

    Attributes:
        power: (frames, 1025) float32 |X|² under a Hann window, samples in [-1, 1].
        samples: its samples; None where only spectra are known.
    """

    power: FloatArray
    samples: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class Clips:
    """Labelled clips of 30 s.

    Attributes:
        labels: names of the labels.
        names: (clips,) unique names.
        label: (clips,) index into ``labels``.
        artist: (clips,) an id per artist, ``UNKNOWN`` where it is not known.
        part: (clips,) ``train``, ``valid``, or something else where that is not known.
        hop: samples from frame to frame.
        sha256: of everything above and of what the clips contain.
        file: where they come from, its name only.
        chosen: (clips,) which clips of the data set these are.
        data: the data set.
        notes: what was left out, in words.
    """

    labels: tuple[str, ...]
    names: NDArray[np.str_]
    label: IntArray
    artist: IntArray
    part: NDArray[np.str_]
    hop: int
    sha256: str
    file: str
    chosen: IntArray
    data: Corpus | SoundFolder
    notes: tuple[str, ...] = ()

    @property
    def as_sound(self) -> bool:
        """Whether there are samples."""
        return not isinstance(self.data, Corpus)

    @property
    def knows_artists(self) -> bool:
        """Whether enough artists are known to part clips by them."""
        return not self.why_artists_cannot_be_parted

    @property
    def why_artists_cannot_be_parted(self) -> str:
        """In a line; empty where they can: each label needs two artists, and clips of both parts."""
        known = self.artist != UNKNOWN
        if not known.any():
            return "artists are not known: give --data with the spectra's file too, or a splits.csv"
        for k, label in enumerate(self.labels):
            mine = known & (self.label == k)
            artists = len(np.unique(self.artist[mine]))
            if artists < 2 or not {"train", "valid"} <= set(self.part[mine]):
                return f"artists cannot be parted: {label} has {artists} of them, in {_parts(self.part[mine])}"
        return ""

    def frames_of(self, pieces: int) -> int:
        """Frames of one of so many pieces of a clip."""
        if self.as_sound:
            return 1 + self.samples_of(pieces) // self.hop
        whole = (round(CLIP_S * features.SAMPLE_RATE) - features.N_FFT) // self.hop + 1
        return whole // pieces

    @staticmethod
    def samples_of(pieces: int) -> int:
        """Samples of one of so many pieces of a clip; a whole one ends a little early, as not all clips are full."""
        return round(CLIP_S * features.SAMPLE_RATE) // pieces if pieces > 1 else round(29.9 * features.SAMPLE_RATE)

    def pieces(self, clip: int, pieces: int) -> list[Piece]:
        """A clip cut into pieces of equal length; those that the clip is too short for are missing."""
        if isinstance(self.data, Corpus):
            return self._of_spectra(self.data, clip, pieces)
        return self._of_sound(self.data, clip, pieces)

    def some(self, chosen: IntArray) -> Clips:
        """Only some of the clips."""
        return dataclasses.replace(
            self,
            names=self.names[chosen],
            label=self.label[chosen],
            artist=self.artist[chosen],
            part=self.part[chosen],
            chosen=self.chosen[chosen],
        )

    def few(self, per_label: int) -> Clips:
        """A few clips of each label, two thirds of them from ``train`` where parts are known, of several artists."""
        kept: list[int] = []
        for k in range(len(self.labels)):
            mine = np.flatnonzero(self.label == k)
            valid = mine[self.part[mine] == "valid"][::-1][: per_label // 3] if self.knows_artists else mine[:0]
            rest = mine[self.part[mine] != "valid"] if len(valid) else mine
            spread = np.linspace(0, len(rest) - 1, min(per_label - len(valid), len(rest))).round().astype(int)
            kept += [*valid, *rest[np.unique(spread)]]
        return self.some(np.sort(np.array(kept, np.int64)))

    def _of_spectra(self, data: Corpus, clip: int, pieces: int) -> list[Piece]:
        # Density with a rate of 2 (see the README of such files) times the window's energy is |X|²; the two outermost
        # bins have no second side.
        power = data.power(int(self.chosen[clip]), _SPECTRA) * np.float32(features.WINDOW_ENERGY)
        power[:, [0, -1]] *= 2.0
        n = self.frames_of(pieces)
        if pieces == 1:
            n = min(n, len(power)) if len(power) > n - 12 else n  # some clips lack the last hops
        cut = [power[start : start + n] for start in range(0, len(power) - n + 1, n)][:pieces]
        whole = self.frames_of(pieces)
        return [Piece(_lengthened(p, whole), None) for p in cut]

    def _of_sound(self, data: SoundFolder, clip: int, pieces: int) -> list[Piece]:
        samples = data.samples(int(self.chosen[clip]))
        n = self.samples_of(pieces)
        frontend = Frontend(_PRINTED)
        made = []
        for start in range(0, len(samples) - n + 1, n)[:pieces]:
            piece = samples[start : start + n]
            made.append(Piece(frontend.spectra(np.pad(piece, features.N_FFT // 2)), piece))
        return made


def open_clips(data: Path | None, audio: Path | None, *, quiet: bool = False) -> Clips:
    """Open a file of spectra, or a folder of sound whose artists and parts such a file may tell (by names of clips).

    Raises:
        SourceError: neither is given, or one cannot be read.
    """
    if data is None and audio is None:
        raise SourceError(
            "there is nothing to learn from",
            "give --data FILE.npz with spectra, or --audio FOLDER with GTZAN as sound (both: parts and artists of its "
            "clips are then known from the file)",
        )
    corpus = None if data is None else read_corpus(data)
    if audio is None:
        assert corpus is not None  # noqa: S101 - one of them is given
        assert data is not None  # noqa: S101 - the same
        return _of_corpus(corpus, data.name)
    folder = open_folder(audio, _PRINTED, quiet=quiet)
    return _of_folder(folder, corpus, audio.resolve().name)


def _of_corpus(corpus: Corpus, name: str) -> Clips:
    return Clips(
        labels=corpus.labels,
        names=corpus.names,
        label=corpus.label,
        artist=corpus.artist,
        part=corpus.split,
        hop=_SPECTRA.hop,
        sha256=corpus.sha256,
        file=name,
        chosen=np.arange(len(corpus.label)),
        data=corpus,
    )


def _of_folder(folder: SoundFolder, corpus: Corpus | None, name: str) -> Clips:
    notes = [f"{one.what}: {one.why}" for one in folder.skipped]
    artist, part = folder.artist, folder.split
    if corpus is not None:
        place = {str(clip): k for k, clip in enumerate(corpus.names)}
        at = np.array([place.get(str(clip), -1) for clip in folder.names])
        artist = np.where(at < 0, UNKNOWN, corpus.artist[at])
        part = np.where(at < 0, "unknown", corpus.split[at])
        if (at < 0).any():
            notes.append(f"{int((at < 0).sum())} clips are not in the file of spectra: their artists are not known")
    elif len(np.unique(artist)) == len(artist):
        artist = np.full(len(artist), UNKNOWN)  # a folder without artists says that each clip has its own
    clips = Clips(
        labels=folder.labels,
        names=folder.names,
        label=folder.label,
        artist=artist,
        part=part,
        hop=PRINTED_HOP,
        sha256=folder.sha256,
        file=name,
        chosen=np.arange(len(folder.label)),
        data=folder,
    )
    why = clips.why_artists_cannot_be_parted
    return dataclasses.replace(clips, notes=(*notes, *([why] if why else [])))


def _parts(parts: NDArray[np.str_]) -> str:
    return " and ".join(sorted(set(parts))) or "no part"


def _lengthened(power: FloatArray, n: int) -> FloatArray:
    """Spectra with their last frame repeated until there are n."""
    return power if len(power) == n else np.pad(power, ((0, n - len(power)), (0, 0)), mode="edge")
