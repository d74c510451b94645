"""Segments of features for training, made by the live frontend itself, hop by hop.

A segment begins with a fresh state, as a track does after the soft reset, anywhere in a clip. Short ones teach the
first seconds, long ones patience; some are joined from two clips, whose states carry over, so that the network learns
to recognise that another track has begun. Each copy of a clip is coloured anew.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import platformdirs

from rtgenre.frontend.stream import Frontend
from rtgenre.training import colouring
from rtgenre.training.colouring import Colouring
from rtgenre.training.datasets import corpus
from rtgenre.training.kept import FRONTEND_CODE, fingerprint
from rtgenre.training.worker import made_in_turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.training.datasets.interface import DataSet

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]

NOTHING = -1  # label of a hop that is no music


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSettings:
    """What a training set is made of.

    Attributes:
        copies: how often each clip comes.
        plain: the first copy has its own colour and tempo, the others are coloured; else all of them are.
        long_hops: length of the one long segment of each copy.
        middle_hops: length of the two middle ones; the second is joined from two clips (see ``joined_long``).
        short_hops: length of the four short ones.
        joined_long: share of the long segments that are joined, too.
        colouring: limits of gain, equaliser, tempo, noise and coding.
        seed: of all draws.
    """

    copies: int = 6
    plain: bool = True
    long_hops: int = 344
    middle_hops: int = 144
    short_hops: int = 48
    joined_long: float = 0.4
    colouring: Colouring = dataclasses.field(default_factory=Colouring)
    seed: int = 0

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of the segments of one copy of a clip."""
        return (self.long_hops, *[self.middle_hops] * 2, *[self.short_hops] * 4)


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Segments of one length.

    Attributes:
        frames: (n, hops, n_features) float16; zeros where a clip was too short.
        label: (n, hops) int16, index of the genre; ``NOTHING`` where it is no music.
        cut: (n,) int64, hop at which the second clip begins; 0 where there is one clip only.
        hops: (n,) int64, valid hops.
        clip: (n,) int64, index of the (last) clip; clips of the second data set count on from those of the first.
    """

    frames: NDArray[np.float16]
    label: NDArray[np.int16]
    cut: IntArray
    hops: IntArray
    clip: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """Clips that may be joined with one another, from music and from what is not."""

    data: DataSet
    label: IntArray
    group: NDArray[np.str_]
    first: int


def frames_of(power: Iterable[FloatArray], frontend: Frontend) -> FloatArray:
    """Features (n_hops, n_features) of spectra heard one after another from a fresh state."""
    state = frontend.init_state()
    frames = []
    for spectrum in power:
        frame, state = frontend.step_power(spectrum, state)
        frames.append(np.array(frame, np.float32))
    return np.stack(frames)


def in_half(frames: FloatArray) -> NDArray[np.float16]:
    """Frames as they are kept: what half precision cannot hold is as large as it can."""
    return np.clip(frames, -65504.0, 65504.0).astype(np.float16)


def cached_segments(
    music: DataSet,
    other: DataSet | None,
    groups: tuple[NDArray[np.str_], NDArray[np.str_] | None],
    spec: FrontendSpec,
    settings: SegmentSettings,
    jobs: int = 1,
    folder: Path | None = None,
) -> Iterator[tuple[int, Segments]]:
    """The segments of each copy, by length; kept on disk under everything that they depend on, this code included.

    Args:
        music: clips with genres.
        other: clips that are no music, or None.
        groups: a name for each clip; only clips of the same name are joined, so that no held-out part leaks.
        spec: the frontend.
        settings: what to make.
        jobs: processes.
        folder: of the cache; the user's cache folder if None.

    Yields:
        (copy, segments) as they are made, three for each copy: long, middle, short.
    """
    folder = folder or platformdirs.user_cache_path("rtgenre") / "segments"
    depends_on = [
        music.sha256,
        other.sha256 if other else "",
        [None if g is None else hashlib.sha256("\n".join(g).encode()).hexdigest() for g in groups],
        spec.fingerprint(),
        {k: v for k, v in dataclasses.asdict(settings).items() if k != "copies"},
    ]
    stem = fingerprint(depends_on, __file__, colouring, corpus, *FRONTEND_CODE)
    folder.mkdir(parents=True, exist_ok=True)
    pools = [_Pool(music, music.label, groups[0], 0)]
    if other is not None and groups[1] is not None:
        pools.append(_Pool(other, np.full(len(other.names), NOTHING), groups[1], len(music.names)))
    paths = [folder / f"{stem}-{copy}" for copy in range(settings.copies)]
    missing = [copy for copy, path in enumerate(paths) if not path.with_suffix(".done").exists()]
    make = partial(_write_copy, pools, spec, settings)
    for copy, path in enumerate(made_in_turn(make, paths, missing, jobs)):
        yield from ((copy, part) for part in _read_copy(path, settings))


def _write_copy(pools: list[_Pool], spec: FrontendSpec, settings: SegmentSettings, copy: int, path: Path) -> None:
    for length, part in _make_copy(pools, spec, settings, copy).items():
        np.save(path.with_name(f"{path.name}-{length}-frames.npy"), part.frames)
        np.savez(
            path.with_name(f"{path.name}-{length}.npz"),
            label=part.label,
            cut=part.cut,
            hops=part.hops,
            clip=part.clip,
        )
    path.with_suffix(".done").touch()  # last: a broken run leaves no half of a copy that looks whole


def _read_copy(path: Path, settings: SegmentSettings) -> Iterator[Segments]:
    for length in sorted(set(settings.lengths), reverse=True):
        with np.load(path.with_name(f"{path.name}-{length}.npz"), allow_pickle=False) as arrays:
            frames = np.load(path.with_name(f"{path.name}-{length}-frames.npy"), mmap_mode="r", allow_pickle=False)
            yield Segments(frames, arrays["label"], arrays["cut"], arrays["hops"], arrays["clip"])


def _make_copy(pools: list[_Pool], spec: FrontendSpec, settings: SegmentSettings, copy: int) -> dict[int, Segments]:
    rng = np.random.default_rng((settings.seed, copy))
    frontend, plain = Frontend(spec), settings.plain and copy == 0
    by_group: dict[str, list[tuple[_Pool, int]]] = {}
    for pool in pools:
        for clip, group in enumerate(pool.group):
            by_group.setdefault(str(group), []).append((pool, clip))

    def heard(pool: _Pool, clip: int) -> FloatArray:
        """A clip's spectra, coloured anew unless the copy is the plain one."""
        if plain:
            return pool.data.power(clip, spec)
        power = settings.colouring.paced(pool.data.power(clip, spec, rng), rng)
        return settings.colouring.apply(power, spec.sample_rate, rng)

    def piece(power: FloatArray, hops: int) -> FloatArray:
        start = int(rng.integers(0, max(1, len(power) - hops + 1)))
        return power[start : start + hops]

    made: dict[int, list[tuple[FloatArray, list[int], int, int]]] = {length: [] for length in settings.lengths}
    for pool in pools:
        for clip in range(len(pool.data.names)):
            power = heard(pool, clip)
            partners = by_group[str(pool.group[clip])]
            for i, hops in enumerate(settings.lengths):
                joined = i == 2 or (i == 0 and not plain and rng.random() < settings.joined_long)
                if not joined:
                    used = piece(power, hops)
                    label = [int(pool.label[clip])] * len(used)
                    made[hops].append((frames_of(used, frontend), label, 0, pool.first + clip))
                    continue
                before = partners[int(rng.integers(len(partners)))]
                first = piece(heard(*before), int(rng.integers(hops // 5, hops * 3 // 4)))
                second = piece(power, hops - len(first))
                label = [int(before[0].label[before[1]])] * len(first) + [int(pool.label[clip])] * len(second)
                frames = frames_of(np.concatenate((first, second)), frontend)
                made[hops].append((frames, label, len(first), pool.first + clip))
    return {length: _stacked(length, parts) for length, parts in made.items()}


def _stacked(length: int, parts: list[tuple[FloatArray, list[int], int, int]]) -> Segments:
    frames = np.zeros((len(parts), length, parts[0][0].shape[1]), np.float16)
    label = np.full((len(parts), length), NOTHING, np.int16)
    for i, (values, labels, _, _) in enumerate(parts):
        frames[i, : len(values)] = in_half(values)
        label[i, : len(labels)] = labels
    return Segments(
        frames=frames,
        label=label,
        cut=np.array([cut for _, _, cut, _ in parts], np.int64),
        hops=np.array([len(values) for values, _, _, _ in parts], np.int64),
        clip=np.array([clip for _, _, _, clip in parts], np.int64),
    )
