"""A sound file to examples: the live pipeline hears it, and its running mean of the embedding is noted down."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rtgenre.audio.condition import Conditioner
from rtgenre.audio.file import FileSource
from rtgenre.audio.source import EndOfSource
from rtgenre.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.frontend.stream import Frontend
    from rtgenre.labels.stage import OwnLabels, OwnState
    from rtgenre.records import Posterior

    FloatArray = NDArray[np.float32]

EVERY_S = 2.5
MOST_WINDOWS = 60  # of one file: two and a half minutes' worth, spread over all of it
_BLOCK_SAMPLES = 65536
_READ_TIMEOUT_S = 10.0
_CHUNK_BYTES = 1 << 20


class Heard(Protocol):
    """What is read of a pipeline's state."""

    own: OwnState | None


class Listens(Protocol):
    """A pipeline, as little of it as is needed."""

    frontend: Frontend
    own: OwnLabels | None
    hops_per_s: float

    def init_state(self) -> Any:
        """A state that has heard nothing: a ``Heard``, and more."""

    def hops(self, block: FloatArray, state: Any) -> Iterator[Posterior]:
        """Take samples in and yield an answer for each hop."""


def windows_of(path: Path, pipeline: Listens) -> tuple[FloatArray, str]:
    """Running means of the embedding, one every ``EVERY_S`` once ``FIRST_S`` were heard.

    Args:
        path: anything that libsndfile reads; heard whole, an hour takes ten seconds.
        pipeline: with a stage of own labels, which need not know any; every file gets a fresh state.

    Returns:
        (n, trunk) float32, n at least 1 and at most ``MOST_WINDOWS``; and what was not quite right with the file, in
        a line, empty where all was.

    Raises:
        SourceError: it cannot be read as sound, or has not enough of it.
    """
    if pipeline.own is None:
        raise ValueError("the pipeline has no stage of own labels")
    first, every = pipeline.own.first, max(1, round(EVERY_S * pipeline.hops_per_s))
    state: Heard = pipeline.init_state()
    found: list[FloatArray] = []
    last, remark = 0, ""
    try:
        for mono in _blocks(path, pipeline.frontend.spec.sample_rate):
            for _ in pipeline.hops(mono, state):
                own = state.own
                # In silence nothing is heard, and the same mean would be noted again.
                if own is not None and own.heard != last and own.heard >= first and (own.heard - first) % every == 0:
                    found.append(own.mean.copy())
                last = 0 if own is None else own.heard
    except SourceError as error:
        if not found:
            raise
        remark = error.message.removeprefix(f"{str(path)!r} ")  # what there was is still an example
    if not found:
        needed_s = first / pipeline.hops_per_s
        raise SourceError(f"{str(path)!r} is silent, or has less than {needed_s:.1f} s of sound without a break")
    kept = np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST_WINDOWS)).round().astype(int))
    return np.stack([found[k] for k in kept]), remark


def content_sha256(path: Path) -> str:
    """Of a file's bytes, so that no file is an example twice.

    Raises:
        SourceError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as content:
            while chunk := content.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise SourceError(f"{str(path)!r} cannot be read: {error.strerror or error}") from None
    return digest.hexdigest()


def _blocks(path: Path, sample_rate: int) -> Iterator[FloatArray]:
    source = FileSource("file", path, realtime=False, block_samples=_BLOCK_SAMPLES)
    try:
        source.start()
        info = source.wait_ready()
        conditioner = Conditioner(info.sample_rate, info.channels, sample_rate)
        state = conditioner.init_state()
        while True:
            try:
                block = source.read(_READ_TIMEOUT_S)
            except EndOfSource:
                break
            if block is not None:  # None: a slow disk
                mono, state = conditioner.step(block.samples, state)
                yield mono
        tail, state = conditioner.flush(state)
        yield tail
    finally:
        source.close()
