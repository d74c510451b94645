"""Pairs of states from thousands of short clips of which only MFCCs are known: what a few hundred clips cannot teach.

What tells one recording from another is to be learned of as many recordings as there are. A clip is cut in two: the
state that heard the first part, and a young one that heard some of the second. Features that MFCCs do not tell are the
mean of all music.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import platformdirs

from rtgenre.frontend.stream import Frontend
from rtgenre.training import envelopes, segments, teacher
from rtgenre.training.envelopes import spectra_of, survives
from rtgenre.training.kept import FRONTEND_CODE, fingerprint
from rtgenre.training.segments import frames_of, in_half
from rtgenre.training.worker import made_in_turn

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.training.datasets.interface import DataSet
    from rtgenre.training.teacher import TeacherSet

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortSettings:
    """What the pairs are drawn from.

    Attributes:
        cuts: how often each clip is cut in two, at different places and phases.
        least: hops of the first part, at least.
        ages: hops of the second after which its state is looked at.
        seed: of all draws.
    """

    cuts: int = 2
    least: int = 9
    ages: tuple[int, ...] = (8, 12, 17, 23)
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class ShortHeard:
    """Frames of all clips that were cut.

    Attributes:
        before: (n, n_features) float16, of the state that heard the first part.
        young: (n, ages, n_features) float16, of the one that heard the second.
        young_hops: (n, ages) int64: what that had heard; 0 where the second part was too short.
        clip: (n,) int64.
        known: (n_features,) bool: what MFCCs tell.
    """

    before: NDArray[np.float16]
    young: NDArray[np.float16]
    young_hops: IntArray
    clip: IntArray
    known: NDArray[np.bool_]


def cached_short(
    taught: TeacherSet,
    music: DataSet,
    spec: FrontendSpec,
    settings: ShortSettings,
    jobs: int = 1,
    folder: Path | None = None,
) -> ShortHeard:
    """All clips cut in two; kept on disk under everything that they depend on, this code included.

    Args:
        taught: the short clips.
        music: clips whose spectra are known: they tell which features MFCCs tell.
        spec: the frontend.
        settings: how they are cut.
        jobs: processes.
        folder: of the cache; the user's cache folder if None.
    """
    folder = folder or platformdirs.user_cache_path("rtgenre") / "pairs"
    folder.mkdir(parents=True, exist_ok=True)
    depends_on = [taught.sha256, music.sha256, spec.fingerprint(), dataclasses.asdict(settings)]
    code = (__file__, envelopes.__file__, teacher.__file__, segments.__file__)
    stem = fingerprint(depends_on, *(str(file) for file in code), *FRONTEND_CODE)
    paths = [folder / f"{stem}-short-{cut}.npz" for cut in range(settings.cuts)]
    missing = [cut for cut, path in enumerate(paths) if not path.exists()]
    rows: list[tuple[NDArray[np.generic], ...]] = []
    for path in made_in_turn(partial(_write, taught, spec, settings), paths, missing, jobs):
        with np.load(path, allow_pickle=False) as arrays:
            rows.append(tuple(arrays[name] for name in ("before", "young", "young_hops", "clip")))
    before, young, young_hops, clip = (np.concatenate(column) for column in zip(*rows, strict=True))
    return ShortHeard(before, young, young_hops, clip, survives(music, spec))


def _write(taught: TeacherSet, spec: FrontendSpec, settings: ShortSettings, cut: int, path: Path) -> None:
    rng, frontend, ages = np.random.default_rng((settings.seed, cut)), Frontend(spec), np.array(settings.ages)
    n = len(taught.mfcc)
    before = np.zeros((n, spec.n_features), np.float16)
    young, young_hops = np.zeros((n, len(ages), spec.n_features), np.float16), np.zeros((n, len(ages)), np.int64)
    for clip in range(n):
        power = spectra_of(taught.mfcc[clip, int(rng.integers(taught.phases)) :: taught.phases], spec)
        if len(power) < settings.least + int(ages[0]):
            continue
        begin = int(rng.integers(settings.least, len(power) - int(ages[0]) + 1))
        before[clip] = in_half(frames_of(power[:begin], frontend))[-1]
        heard = frames_of(power[begin : begin + int(ages[-1])], frontend)
        whole = ages <= len(heard)
        young[clip, whole] = in_half(heard[ages[whole] - 1])
        young_hops[clip, whole] = ages[whole]
    part = path.with_name(f"{path.stem}.part.npz")
    np.savez(part, before=before, young=young, young_hops=young_hops, clip=np.arange(n))
    part.replace(path)
