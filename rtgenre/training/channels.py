"""The same clips as they are and through channels, hop by hop alike: what a channel has done can be told exactly.

Two kinds of channel, one for each adapter: narrow ones, as telephones and small loudspeakers are, and those that add
noise, as rooms do. Nothing else of a clip is changed, neither its tempo nor its colour.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import platformdirs

from rtgenre.frontend.stream import Frontend
from rtgenre.training import colouring, segments
from rtgenre.training.colouring import with_noise
from rtgenre.training.datasets import corpus
from rtgenre.training.kept import FRONTEND_CODE, fingerprint
from rtgenre.training.segments import NOTHING, Segments, frames_of, in_half
from rtgenre.training.worker import made_in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.training.datasets.interface import DataSet

    FloatArray = NDArray[np.float32]
    DoubleArray = NDArray[np.float64]

NARROW, NOISY = "narrow", "noisy"
KINDS = (NARROW, NOISY)  # in the order of their adapters


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """What the clips come through; every draw is uniform within these limits, unless something else is said.

    Attributes:
        copies: how often each clip comes through a channel of each kind.
        hops: how much of each clip is heard.
        from_hz: lowest and highest corner at the lower end of a narrow channel; logarithms are drawn.
        to_hz: the same at its upper end.
        db_per_octave: slopes beyond, lowest and highest; logarithms are drawn. 60 dB at most are taken away.
        noise_db: level of added noise relative to the clip's mean power, lowest and highest.
        noise_slope_db: how much of it is gone an octave higher, least and most: from white to brown.
        seed: of all draws.
    """

    copies: int = 2
    hops: int = 344
    from_hz: tuple[float, float] = (150.0, 400.0)
    to_hz: tuple[float, float] = (3000.0, 8000.0)
    db_per_octave: tuple[float, float] = (12.0, 96.0)
    noise_db: tuple[float, float] = (-28.0, -6.0)
    noise_slope_db: tuple[float, float] = (0.0, 6.0)
    seed: int = 0

    def through(self, kind: str, power: FloatArray, sample_rate: int, rng: np.random.Generator) -> FloatArray:
        """Spectra as they come out of a channel.

        Args:
            kind: one of ``KINDS``.
            power: (n_frames, n_bins) float32.
            sample_rate: Hz.
            rng: where the draws come from.

        Returns:
            (n_frames, n_bins) float32.
        """
        hz = np.linspace(0.0, sample_rate / 2, power.shape[1])
        if kind == NARROW:
            return self._narrowed(power, hz, rng)
        return with_noise(power, hz, rng.uniform(*self.noise_slope_db), rng.uniform(*self.noise_db), rng)

    def _narrowed(self, power: FloatArray, hz: DoubleArray, rng: np.random.Generator) -> FloatArray:
        hz = np.maximum(hz, 1.0)
        corner, slope = _log_uniform(self.to_hz, rng), _log_uniform(self.db_per_octave, rng)
        lost_db = np.clip(slope * np.log2(hz / corner), 0.0, 60.0)
        corner, slope = _log_uniform(self.from_hz, rng), _log_uniform(self.db_per_octave, rng)
        lost_db += np.clip(slope * np.log2(corner / hz), 0.0, 60.0)
        narrowed: FloatArray = power * (10.0 ** (-lost_db / 10.0)).astype(np.float32)
        return narrowed


class Through(NamedTuple):
    """All clips through one channel each.

    Attributes:
        kind: one of ``KINDS``; None is as they are.
        copy: which copy of that kind.
    """

    kind: str | None
    copy: int


def cached_channels(
    sets: Sequence[DataSet], spec: FrontendSpec, settings: ChannelSettings, jobs: int = 1, folder: Path | None = None
) -> Iterator[tuple[Through, Segments]]:
    """All clips as they are and through every channel, kept on disk under everything that they depend on.

    Row for row and hop for hop, all of them are the same music.

    Args:
        sets: of clips, counted on from one another; those of the first have genres.
        spec: the frontend.
        settings: the channels.
        jobs: processes.
        folder: of the cache; the user's cache folder if None.
    """
    folder = folder or platformdirs.user_cache_path("rtgenre") / "channels"
    folder.mkdir(parents=True, exist_ok=True)
    made_of = {name: value for name, value in dataclasses.asdict(settings).items() if name != "copies"}
    depends_on = [[data.sha256 for data in sets], spec.fingerprint(), made_of]
    stem = fingerprint(depends_on, __file__, segments, colouring, corpus, *FRONTEND_CODE)
    all_of = [Through(None, 0), *(Through(kind, copy) for kind in KINDS for copy in range(settings.copies))]
    paths = [folder / f"{stem}-{kind or 'plain'}-{copy}.npy" for kind, copy in all_of]
    missing = [place for place, path in enumerate(paths) if not path.exists()]
    label = np.concatenate([data.label if i == 0 else np.full(len(data.names), NOTHING) for i, data in enumerate(sets)])
    hops = np.minimum(np.concatenate([data.n_frames for data in sets]), settings.hops)
    make = partial(_write, sets, spec, settings, all_of)
    for through, path in zip(all_of, made_in_turn(make, paths, missing, jobs), strict=True):
        frames = np.load(path, mmap_mode="r", allow_pickle=False)
        yield (
            through,
            Segments(
                frames,
                np.repeat(label[:, None], settings.hops, axis=1).astype(np.int16),
                np.zeros(len(label), np.int64),
                hops,
                np.arange(len(label)),
            ),
        )


def _write(
    sets: Sequence[DataSet], spec: FrontendSpec, settings: ChannelSettings, all_of: list[Through], k: int, path: Path
) -> None:
    (kind, copy), frontend, row = all_of[k], Frontend(spec), 0
    frames = np.zeros((sum(len(data.names) for data in sets), settings.hops, spec.n_features), np.float16)
    for data in sets:
        for clip in range(len(data.names)):
            power = data.power(clip, spec)  # filled the same way every time: pairs differ by their channel only
            start = np.random.default_rng((settings.seed, row)).integers(max(1, len(power) - settings.hops + 1))
            power = power[start : start + settings.hops]
            if kind is not None:
                rng = np.random.default_rng((settings.seed, row, KINDS.index(kind), copy))
                power = settings.through(kind, power, spec.sample_rate, rng)
            frames[row, : len(power)] = in_half(frames_of(power, frontend))
            row += 1
    part = path.with_suffix(".part.npy")
    np.save(part, frames)
    part.replace(path)


def _log_uniform(limits: tuple[float, float], rng: np.random.Generator) -> float:
    low, high = limits
    return float(low * (high / low) ** rng.random())
