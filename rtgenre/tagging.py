"""``rtgenre tag``: what the live path says of a file, as fast as it can be said."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.audio.file import FileSource
from rtgenre.audio.source import EndOfSource
from rtgenre.engine import open_conditioner
from rtgenre.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rtgenre.pipeline import Pipeline
    from rtgenre.records import Posterior, SourceInfo

BLOCK_SAMPLES = 65536
READ_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of sound with one decision.

    Attributes:
        start_s: where it begins.
        end_s: where it ends.
        state: what is heard.
        label: the genre decided for, None unless the state is ``music``.
        track: number of the track, 0 before any sound.
        track_start_s: where that track begins: where it was found to have changed, somewhat before the span.
    """

    start_s: float
    end_s: float
    state: str
    label: str | None
    track: int = 0
    track_start_s: float = 0.0


class FileTagger:
    """One file through the pipeline, with a fresh state.

    Args:
        path: anything that libsndfile reads.
        pipeline: warm.
        pick: channels to average, from 1; empty for all.

    Attributes:
        info: what the file is.
        clipped_samples: at or above full scale.
        non_finite_samples: NaN or infinite, replaced by zero.

    Raises:
        SourceError: the file cannot be read as sound.
    """

    def __init__(self, path: Path, pipeline: Pipeline, pick: tuple[int, ...] = ()) -> None:
        self._source = FileSource("file", path, realtime=False, block_samples=BLOCK_SAMPLES)
        self._source.start()
        self.info: SourceInfo = self._source.wait_ready(READ_TIMEOUT_S)
        self._pipeline = pipeline
        self._pick = pick
        self.clipped_samples = 0
        self.non_finite_samples = 0

    def hops(self) -> Iterator[Posterior]:
        """One answer a hop.

        Raises:
            SourceError: the file ends before it should; what there was has been yielded.
        """
        conditioner = open_conditioner(self.info, self._pipeline.frontend.spec.sample_rate, self._pick)
        heard = conditioner.init_state()
        state = self._pipeline.init_state()
        broken: SourceError | None = None
        try:
            while True:
                block = self._source.read(READ_TIMEOUT_S)
                if block is not None:  # None: a slow disk
                    mono, heard = conditioner.step(block.samples, heard)
                    yield from self._pipeline.hops(mono, state)
        except EndOfSource:
            pass
        except SourceError as error:
            broken = error
        finally:
            self._source.close()
        tail, heard = conditioner.flush(heard)
        self.clipped_samples = heard.clipped
        self.non_finite_samples = heard.non_finite
        yield from self._pipeline.hops(tail, state)
        if broken is not None:
            raise broken


def spans(hops: list[Posterior], sample_rate: int) -> list[Span]:
    """Join hops of the same decision within a track: what was said at each moment, not what is known afterwards.

    Args:
        hops: in order.
        sample_rate: the frontend's, Hz.
    """
    found: list[Span] = []
    start_s = 0.0
    for _, group in itertools.groupby(hops, key=lambda hop: (hop.track, hop.decision.state, hop.decision.label)):
        last = list(group)[-1]
        end_s = last.end_sample / sample_rate
        track_start_s = last.track_start.sample / sample_rate if last.track_start is not None else 0.0
        found.append(Span(start_s, end_s, str(last.decision.state), last.decision.label, last.track, track_start_s))
        start_s = end_s
    return found


@dataclass(frozen=True, slots=True)
class Summary:
    """What a whole file amounts to.

    Attributes:
        label: genre decided for during the longest time, None where there was no music.
        share: part of the file's hops with that decision.
        mean: (n_labels,) mean posterior over the hops of music.
        spans: decisions over time.
        real_time_factor: computing time over the sound's duration.
    """

    label: str | None
    share: float
    mean: np.ndarray[tuple[int], np.dtype[np.float32]]
    spans: list[Span]
    real_time_factor: float


def summarise(hops: list[Posterior], labels: tuple[str, ...], sample_rate: int, t_start: float) -> Summary:
    """Sum up a file's hops.

    Args:
        hops: in order, may be empty.
        labels: in the posterior's order.
        sample_rate: the frontend's, Hz.
        t_start: ``time.perf_counter()`` when computing began.
    """
    decided = [hop.decision.label for hop in hops if hop.decision.label is not None]
    counts = {label: decided.count(label) for label in labels}
    best = max(counts, key=lambda label: counts[label]) if decided else None
    music = [hop.probs for hop in hops if hop.decision.label is not None]
    duration_s = hops[-1].end_sample / sample_rate if hops else 0.0
    return Summary(
        best,
        counts[best] / len(hops) if best else 0.0,
        np.mean(music, axis=0) if music else np.full(len(labels), 1 / len(labels), np.float32),
        spans(hops, sample_rate),
        (time.perf_counter() - t_start) / duration_s if duration_s else 0.0,
    )
