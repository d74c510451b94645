"""Sequences of features for training, made by the live frontend itself, hop by hop."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import platformdirs

from rtgenre.errors import UsageError
from rtgenre.frontend.stream import Frontend
from rtgenre.training import spectra
from rtgenre.training.spectra import Colouring

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.training.spectra import Corpus

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceSettings:
    """What a set of training sequences is made of.

    Attributes:
        copies: how often each clip comes, each time cut and coloured anew.
        hops: length of a sequence; each starts from fresh states, so short ones train the first seconds.
        joined: share of the sequences that begin with another clip, whose states carry over.
        colouring: limits of gain, equaliser and noise.
        seed: of all draws.
    """

    copies: int = 8
    hops: int = 320
    joined: float = 0.35
    colouring: Colouring = dataclasses.field(default_factory=Colouring)
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """Stretches of features with a label for each hop.

    Attributes:
        frames: (sequences, hops, n_features) float32.
        label: (sequences, hops) int64.
    """

    frames: FloatArray
    label: IntArray


def frames_of(power: Iterable[FloatArray], frontend: Frontend) -> FloatArray:
    """Features (n_hops, n_features) of spectra heard one after another from a fresh state."""
    state = frontend.init_state()
    frames = []
    for spectrum in power:
        frame, state = frontend.step_power(spectrum, state)
        frames.append(np.array(frame, np.float32))
    return np.stack(frames)


def clip_frames(corpus: Corpus, clip: int, frontend: Frontend) -> FloatArray:
    """Features (n_hops, n_features) of one clip as it is, from a fresh state."""
    return frames_of(corpus.power(clip, frontend.spec), frontend)


def make_sequences(
    corpus: Corpus,
    clips: IntArray,
    spec: FrontendSpec,
    settings: SequenceSettings,
    progress: Iterable[int],
) -> Sequences:
    """Cut, colour and join clips into sequences.

    Args:
        corpus: the clips.
        clips: (n,) those to use.
        spec: the frontend.
        settings: what to make.
        progress: yields once for each of ``settings.copies`` and may show how far it is.

    Raises:
        UsageError: the clips are shorter than a sequence.
    """
    shortest = int(corpus.n_frames[clips].min())
    if not 8 <= settings.hops <= shortest:
        raise UsageError(f"sequences of {settings.hops} hops; clips here allow 8 to {shortest}")
    frontend = Frontend(spec)
    rng = np.random.default_rng(settings.seed)
    frames, labels = [], []

    def cut(clip: int, hops: int) -> FloatArray:
        power = corpus.power(clip, spec, rng)
        start = rng.integers(0, max(1, len(power) - hops + 1))
        return settings.colouring.apply(power[start : start + hops], spec.sample_rate, rng)

    for _ in progress:
        for clip in clips:
            before = int(rng.integers(settings.hops // 8, settings.hops // 2))
            pieces = [(int(clip), settings.hops)]
            if rng.random() < settings.joined:
                pieces = [(int(rng.choice(clips)), before), (int(clip), settings.hops - before)]
            power = np.concatenate([cut(piece, hops) for piece, hops in pieces])
            frames.append(frames_of(power, frontend))
            labels.append(np.repeat([corpus.label[piece] for piece, _ in pieces], [hops for _, hops in pieces]))
    return Sequences(np.stack(frames), np.stack(labels))


def cached_sequences(
    corpus: Corpus,
    clips: IntArray,
    spec: FrontendSpec,
    settings: SequenceSettings,
    progress: Iterable[int],
    folder: Path | None = None,
) -> Sequences:
    """``make_sequences``, kept on disk under everything it depends on, this code included.

    Args:
        corpus: the clips.
        clips: (n,) those to use.
        spec: the frontend.
        settings: what to make.
        progress: see ``make_sequences``; not touched when the cache answers.
        folder: of the cache; the user's cache folder if None.
    """
    folder = folder or platformdirs.user_cache_path("rtgenre") / "sequences"
    code = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in (__file__, spectra.__file__)]
    depends_on = [corpus.sha256, clips.tolist(), spec.fingerprint(), dataclasses.asdict(settings), code]
    path = folder / f"{hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:24]}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as arrays:
            return Sequences(arrays["frames"], arrays["label"])
    made = make_sequences(corpus, clips, spec, settings, progress)
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez(part, frames=made.frames, label=made.label)
    part.replace(path)
    return made
