"""What two states have heard of the same clip, or of two: material for telling one track from another.

Of each clip a state that has heard it from its beginning, now and then, and young ones that began somewhere in it, at
several ages; all made by the live frontend itself. Pairs are drawn from them later: a young state and a standing one
of the same clip before it, or of another clip.

Both of a pair come through the same channel, as two tracks of an evening do: each copy has a few channels (equaliser,
noise, coding), and every clip goes through one of them. The first copy has no colour at all.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import platformdirs

from rtgenre.frontend.stream import Frontend
from rtgenre.posterior import split
from rtgenre.posterior.split import best_split
from rtgenre.training import colouring, segments
from rtgenre.training.colouring import Colouring
from rtgenre.training.datasets import corpus
from rtgenre.training.kept import FRONTEND_CODE, fingerprint, sha256_of
from rtgenre.training.segments import frames_of, in_half
from rtgenre.training.worker import made_in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.training.datasets.interface import DataSet
    from rtgenre.training.material import Material

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSettings:
    """What the pairs are drawn from.

    Attributes:
        copies: how often each clip comes; coloured in all copies but the first.
        channels: of each coloured copy.
        starts: young states of each clip; every second one begun anywhere in it, the others where a split of some
            seconds of the clip would lie: where it changes most, and is still the same.
        window: hops that are split …
        least: … with at least so many on either side …
        clip: … normalised and clipped to ±this, as the network's inputs are.
        ages: hops after which a young state is looked at.
        first: hops after which the standing state is first looked at …
        every: … and then again after so many.
        longest: hops of a clip that are heard.
        colouring: limits of the channels.
        seed: of all draws.
    """

    copies: int = 4
    channels: int = 8
    starts: int = 8
    window: int = 69
    least: int = 8
    clip: float = 5.0
    ages: tuple[int, ...] = (8, 12, 17, 23, 30, 40, 52, 69)
    first: int = 30
    every: int = 6
    longest: int = 344
    colouring: Colouring = dataclasses.field(default_factory=Colouring)
    seed: int = 0

    @property
    def times(self) -> IntArray:
        """Hops that the standing state has heard when it is looked at."""
        return np.arange(self.first, self.longest + 1, self.every)


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Frames of one copy. Clips of a second data set count on from those of the first.

    Attributes:
        standing: (clips, times, n_features) float16, frames of the state that heard the clip from its beginning.
        standing_hops: (clips, times) int64: what it had heard; 0 where the clip was too short.
        young: (clips, starts, ages, n_features) float16, frames of the young ones.
        begun: (clips, starts) int64: hop of the clip at which each began.
        young_hops: (clips, starts, ages) int64: what each had heard; 0 where the clip was too short.
        channel: (clips,) int64: which channel it came through.
    """

    standing: NDArray[np.float16]
    standing_hops: IntArray
    young: NDArray[np.float16]
    begun: IntArray
    young_hops: IntArray
    channel: IntArray


def sets_of(material: Material) -> tuple[DataSet, ...]:
    """The data sets whose clips are counted on from one another."""
    return (material.music,) if material.other is None else (material.music, material.other)


def kinds_of(material: Material) -> IntArray:
    """(all clips,) label of each; what is no music is a kind of its own."""
    n_other = 0 if material.other is None else len(material.other.names)
    return np.concatenate((material.music.label, np.full(n_other, len(material.music.labels))))


def cached_pairs(
    sets: tuple[DataSet, ...],
    spec: FrontendSpec,
    settings: PairSettings,
    normal: FloatArray,
    jobs: int = 1,
    folder: Path | None = None,
) -> Iterator[Heard]:
    """Copy after copy; kept on disk under everything that it depends on, this code included.

    Args:
        sets: of clips, music first.
        spec: the frontend.
        settings: what to hear.
        normal: (2, n_features) mean and standard deviation of the features.
        jobs: processes.
        folder: of the cache; the user's cache folder if None.
    """
    folder = folder or platformdirs.user_cache_path("rtgenre") / "pairs"
    folder.mkdir(parents=True, exist_ok=True)
    depends_on = [
        [one.sha256 for one in sets],
        spec.fingerprint(),
        {k: v for k, v in dataclasses.asdict(settings).items() if k != "copies"},
        sha256_of(normal),
    ]
    stem = fingerprint(depends_on, __file__, split, segments, colouring, corpus, *FRONTEND_CODE)
    paths = [folder / f"{stem}-{copy}.npz" for copy in range(settings.copies)]
    missing = [copy for copy, path in enumerate(paths) if not path.exists()]
    make = partial(_write_copy, sets, spec, settings, normal)
    for path in made_in_turn(make, paths, missing, jobs):
        yield _read_copy(path)


def _write_copy(
    sets: tuple[DataSet, ...],
    spec: FrontendSpec,
    settings: PairSettings,
    normal: FloatArray,
    copy: int,
    path: Path,
) -> None:
    heard = make_copy(sets, spec, settings, normal, copy)
    part = path.with_name(f"{path.stem}.part.npz")
    np.savez(part, **{f.name: getattr(heard, f.name) for f in dataclasses.fields(heard)})
    part.replace(path)  # last: a broken run leaves no half of a copy that looks whole


def _read_copy(path: Path) -> Heard:
    with np.load(path, allow_pickle=False) as arrays:
        return Heard(**{f.name: arrays[f.name] for f in dataclasses.fields(Heard)})


def make_copy(
    sets: tuple[DataSet, ...],
    spec: FrontendSpec,
    settings: PairSettings,
    normal: FloatArray,
    copy: int,
) -> Heard:
    """One copy of every clip.

    Args:
        sets: of clips.
        spec: the frontend.
        settings: what to hear.
        normal: (2, n_features) mean and standard deviation of the features.
        copy: which one; 0 is without colour.
    """
    rng = np.random.default_rng((settings.seed, copy))
    frontend, normal = Frontend(spec), normal[:, : spec.n_frame_features]
    clips = [(data, clip) for data in sets for clip in range(len(data.names))]
    times, ages = settings.times, np.array(settings.ages)
    n, n_starts = len(clips), settings.starts
    standing = np.zeros((n, len(times), spec.n_features), np.float16)
    standing_hops = np.zeros((n, len(times)), np.int64)
    young = np.zeros((n, n_starts, len(ages), spec.n_features), np.float16)
    begun, young_hops = np.zeros((n, n_starts), np.int64), np.zeros((n, n_starts, len(ages)), np.int64)
    channel = np.zeros(n, np.int64)
    for k, (data, clip) in enumerate(clips):
        power = data.power(clip, spec, rng if copy else None)[: settings.longest]
        if copy:
            channel[k] = rng.integers(settings.channels)
            colours = np.random.default_rng((settings.seed, copy, int(channel[k])))
            # Of one length, or the draws of two clips of one channel would not be the same.
            whole_length = np.resize(power, (settings.longest, power.shape[1]))
            power = settings.colouring.apply(whole_length, spec.sample_rate, colours)[: len(power)]
        frames = frames_of(power, frontend)
        whole = times <= len(frames)
        standing[k, whole] = in_half(frames[times[whole] - 1])
        standing_hops[k, whole] = times[whole]
        own = np.nan_to_num((frames[:, : spec.n_frame_features] - normal[0]) / normal[1]).clip(
            -settings.clip, settings.clip
        )
        for i in range(n_starts):
            begin = int(rng.integers(0, max(1, len(power) - ages[-1] + 1)))
            if i % 2 and len(power) > settings.window:
                end = int(rng.integers(settings.window, len(power) + 1))
                begin = end - best_split(own[end - settings.window : end], settings.least, settings.least)
            heard = frames_of(power[begin : begin + ages[-1]], frontend)
            whole = ages <= len(heard)
            young[k, i, whole] = in_half(heard[ages[whole] - 1])
            begun[k, i], young_hops[k, i, whole] = begin, ages[whole]
    return Heard(standing, standing_hops, young, begun, young_hops, channel)
