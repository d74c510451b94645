"""One evaluation: a data set through the live pipeline, and everything that is measured as one JSON-ready dict."""

from __future__ import annotations

import dataclasses
import logging
import platform
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rtgenre import __version__
from rtgenre.errors import SourceError, UsageError
from rtgenre.training.evaluation import fresh, not_music, streams
from rtgenre.training.evaluation.fresh import Truth, answers_after
from rtgenre.training.evaluation.listen import HasSound, Task, Trace
from rtgenre.training.evaluation.workers import listeners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from rtgenre.pipeline import Pipeline
    from rtgenre.training.datasets.interface import DataSet
    from rtgenre.training.evaluation.workers import Heard

    IntArray = NDArray[np.int64]
    Hear = Callable[[str, Sequence[Task]], list[Heard]]

DEFAULT_SPLIT = "valid"
SILENCE_S = 3.0
_HOPS_WORTH_A_PROCESS = 20_000  # it takes two or three seconds to begin; so many hops take about as long

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What is measured, and how.

    Attributes:
        split: which part of the data set; None for ``valid``, or for the only one there is.
        limit: take at most so many clips, spread over the split.
        with_streams: also hear tracks one after another, and for an hour.
        cut_s: no more than so much of each clip is heard.
        hour_s: what the long stream hears before its tracks count.
        orders: so many orders of the tracks are heard one after another: what comes before decides much.
        seed: of the orders of tracks.
        jobs: processes, at most.
        quiet: no progress bar.
    """

    split: str | None = None
    limit: int | None = None
    with_streams: bool = True
    cut_s: float = 30.0
    hour_s: float = 3600.0
    orders: int = 3
    seed: int = 0
    jobs: int = 1
    quiet: bool = False


def evaluate(
    opener: Callable[[], Pipeline], clips: DataSet, measure: Measure, no_music: DataSet | None = None
) -> dict[str, Any]:
    """Measure a model on a data set, by what its live pipeline answers.

    Args:
        opener: opens a warm pipeline; picklable, each process calls it.
        clips: the data set; what is there as sound is heard as sound, the rest as spectra.
        measure: what is measured.
        no_music: sound that is no music, its kinds as labels; None leaves those figures out.

    Raises:
        UsageError: there is no such split, or the model lacks one of its labels.
        SourceError: no clip could be heard.
        RtgenreError: the model cannot be used.
    """
    pipeline = opener()  # compiles what must be compiled once, before any process does
    rate, labels = pipeline.frontend.spec.sample_rate, tuple(pipeline.runtime.labels)
    split = _split(clips, measure.split)
    part = spread(clips.part(split), measure.limit)
    truth = truth_of(clips, part, labels)
    with hearing(opener, pipeline, clips, part, measure) as hear:
        kept, alone, skipped = heard_fresh(hear, f"hearing {split}", part, truth.names, SILENCE_S)
        part, truth = part[kept], truth.of(kept)
        measured = fresh.figures(alone, truth, rate)
        measured["flips_per_minute"] = {
            "fresh": streams.flips_per_minute(alone, rate, 0.0, tracks=1),
            "fresh_settled": streams.flips_per_minute(alone, rate, streams.SETTLED_S, tracks=1),
            "settled_s": streams.SETTLED_S,
        }
        measured["false_changes_per_minute"] = streams.false_changes_per_minute(alone, rate)
        measured["music_called_not_music"] = not_music.music_called_not_music(alone)
        if measure.with_streams:
            _add_streams(measured, hear, part, truth, alone, measure, rate)
    if no_music is not None:
        measured["not_music"] = _not_music(opener, pipeline, no_music, alone, measure)
    return {
        "data": {
            "sha256": clips.sha256,
            "split": split,
            "heard_as": "sound" if isinstance(clips, HasSound) else "spectra",
            "skipped": [*_left_out(clips), *skipped],
        },
        "settings": {
            "policy": dataclasses.asdict(pipeline.policy.settings),
            "cut_s": measure.cut_s,
            "limit": measure.limit,
            "orders": measure.orders,
            "seed": measure.seed,
        },
        "versions": {
            "rtgenre": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "numba": numba.__version__,
        },
        **measured,
    }


def known_labels(data_labels: Sequence[str], model_labels: Sequence[str]) -> IntArray:
    """(data labels,) index of each among the model's, −1 for those it lacks; ``Hip-Hop`` is ``hiphop``."""
    index = {_folded(label): k for k, label in enumerate(model_labels)}
    return np.array([index.get(_folded(label), -1) for label in data_labels], np.int64)


def _folded(label: str) -> str:
    return "".join(c for c in label.casefold() if c.isalnum())


def _split(clips: DataSet, wanted: str | None) -> str:
    if wanted is not None:
        return wanted
    there = sorted({str(name) for name in clips.split})
    return there[0] if len(there) == 1 else DEFAULT_SPLIT


def _left_out(clips: DataSet) -> list[dict[str, str]]:
    """What a data set of sound could not use when it was opened."""
    return [{"name": one.what, "why": one.why} for one in getattr(clips, "skipped", ())]


def spread(part: IntArray, limit: int | None) -> IntArray:
    """At most ``limit`` of the clips, evenly spread: data sets are mostly in the order of their labels."""
    if limit is None or limit >= len(part):
        return part
    return part[np.linspace(0, len(part) - 1, limit).round().astype(np.int64)]


def truth_of(clips: DataSet, part: IntArray, labels: tuple[str, ...]) -> Truth:
    """What some clips are, by a model's labels.

    Args:
        clips: the data set.
        part: (n,) which of them.
        labels: what the model knows.

    Raises:
        UsageError: it lacks one of the data set's labels.
    """
    known = known_labels(clips.labels, labels)
    lacking = sorted({clips.labels[k] for k in clips.label[part] if known[k] < 0})
    if lacking:
        raise UsageError(
            f"the model knows {', '.join(labels)}; the data set also has {', '.join(lacking)}",
            "evaluate a model on labels that it knows",
        )
    names = tuple(str(name) for name in clips.names[part])
    return Truth(names, known[clips.label[part]], clips.artist[part], labels)


@contextmanager
def hearing(
    opener: Callable[[], Pipeline], pipeline: Pipeline, clips: DataSet, part: IntArray, measure: Measure
) -> Iterator[Hear]:
    """A function that hears tasks, with a bar of its own for each call.

    Args:
        opener: see ``evaluate``.
        pipeline: what it opens.
        clips: the data set.
        part: (n,) which of its clips are heard.
        measure: how much is heard of them, and by how many processes.
    """
    spec = pipeline.frontend.spec
    hops = int(clips.n_frames[part].sum())
    if measure.with_streams:
        hops = (3 + measure.orders) * hops + round(measure.hour_s * spec.hops_per_s)
    jobs = max(1, min(measure.jobs, 1 + hops // _HOPS_WORTH_A_PROCESS))
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=measure.quiet,
    )
    with progress, listeners(opener if jobs > 1 else lambda: pipeline, clips, measure.cut_s, jobs) as hear:

        def hear_with_bar(what: str, tasks: Sequence[Task]) -> list[Heard]:
            bar = progress.add_task(what, total=len(tasks))
            return hear(tasks, lambda: progress.advance(bar))

        yield hear_with_bar


def heard_fresh(
    hear: Hear, what: str, part: IntArray, names: Sequence[str], silence_s: float
) -> tuple[IntArray, list[Trace], list[dict[str, str]]]:
    """Each clip from a fresh state.

    Args:
        hear: of ``hearing``.
        what: name of the bar.
        part: (n,) clips of the data set.
        names: (n,) what they are called.
        silence_s: silence after each.

    Returns:
        Positions in ``part`` that could be heard, their traces, and why the others could not.
    """
    kept, traces, skipped = [], [], []
    for at, heard in enumerate(hear(what, [Task((int(clip),), silence_s) for clip in part])):
        if not isinstance(heard, Trace):
            skipped.append({"name": names[at], "why": heard.message})
        elif heard.first_hop[1] == 0:
            skipped.append({"name": names[at], "why": "too short for a single answer"})
        else:
            kept.append(at)
            traces.append(heard)
    for one in skipped:
        _log.warning("skipped %s: %s", one["name"], one["why"])
    if not kept:
        raise SourceError(f"none of the {len(part)} clips could be heard", f"the first: {skipped[0]['why']}")
    return np.array(kept, np.int64), traces, skipped


def heard_in_a_row(hear: Hear, what: str, tasks: Sequence[Task]) -> list[Trace]:
    """Streams over clips of which each has been heard before, so that none of them can fail.

    Args:
        hear: of ``hearing``.
        what: name of the bar.
        tasks: the streams.
    """
    traces = []
    for trace in hear(what, tasks):
        if not isinstance(trace, Trace):
            raise trace
        traces.append(trace)
    return traces


def _add_streams(
    measured: dict[str, Any],
    hear: Hear,
    part: IntArray,
    truth: Truth,
    alone: Sequence[Trace],
    measure: Measure,
    rate: int,
) -> None:
    """Hear the split's tracks one after another; positions below are positions in ``part``."""
    rng = np.random.default_rng(measure.seed)
    chained = streams.in_orders(truth.label, measure.orders, rng)
    duration_s = np.array([trace.cut_sample[1] / rate for trace in alone])
    long, before = streams.hour_order(truth.label, duration_s, measure.hour_s, rng)
    short = streams.without_the_hour(long, before)
    tasks = [Task(tuple(int(part[at]) for at in tracks)) for tracks in (long.tolist(), short.tolist(), *chained)]
    hour, row, *traces = heard_in_a_row(hear, "tracks in a row", tasks)
    end = answers_after(alone, measure.cut_s, rate)
    streams.add_rows(measured, traces, chained, truth, end, rate)
    right = end.best == truth.label
    measured["after_an_hour"] = streams.after_an_hour(hour, row, long, before, truth, right, rate)


def _not_music(
    opener: Callable[[], Pipeline], pipeline: Pipeline, clips: DataSet, music: Sequence[Trace], measure: Measure
) -> dict[str, Any]:
    part = spread(np.arange(len(clips.label)), measure.limit)
    names = [str(name) for name in clips.names[part]]
    measure = dataclasses.replace(measure, with_streams=False)
    with hearing(opener, pipeline, clips, part, measure) as hear:
        kept, traces, skipped = heard_fresh(hear, "hearing what is no music", part, names, 0.0)
    rate = pipeline.frontend.spec.sample_rate
    figures = not_music.figures(traces, clips.label[part[kept]], clips.labels, music, rate)
    return {"sha256": clips.sha256, "skipped": [*_left_out(clips), *skipped], **figures}
