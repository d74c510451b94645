"""Cross-validation through the live pipeline: each clip is heard by the model of the fold that never met its artist.

More clips than any one held-out part has, which is what calibration and the tail of a delay need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rtgenre.training import scores
from rtgenre.training.evaluation import fresh, not_music, streams
from rtgenre.training.evaluation.fresh import answers_after
from rtgenre.training.evaluation.listen import Task
from rtgenre.training.evaluation.run import heard_fresh, heard_in_a_row, hearing, truth_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from rtgenre.pipeline import Pipeline
    from rtgenre.training.datasets.interface import DataSet
    from rtgenre.training.evaluation.fresh import Truth
    from rtgenre.training.evaluation.listen import Trace
    from rtgenre.training.evaluation.run import Measure

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

_OF_FRESH = ("clips", "artists", "accuracy", "interval_95", "log_loss", "ece", "ece_if_calibrated", "reliability")


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A model, and the clips that it did not learn from.

    Attributes:
        opener: opens its pipeline, warm; picklable.
        clips: (n,) indices into the data set.
    """

    opener: Callable[[], Pipeline]
    clips: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Crossed:
    """What the folds' models said of the clips that could be heard, fold after fold.

    Attributes:
        truth: of the clips.
        fold: (clips,) which fold each belongs to.
        alone: (clips,) a trace of each from a fresh state.
        chains: positions of clips in ``truth`` that were heard in a row, all of one fold; the first of each only leads.
        rows: a trace a chain.
        sample_rate: of the traces, Hz.
    """

    truth: Truth
    fold: IntArray
    alone: list[Trace]
    chains: list[tuple[int, ...]]
    rows: list[Trace]
    sample_rate: int


def hear(folds: Sequence[Fold], clips: DataSet, measure: Measure) -> Crossed:
    """Put every clip through the pipeline of its fold, alone and, ``with_streams``, after others of its fold.

    Args:
        folds: at least one, all of one frontend and the same labels.
        clips: the data set.
        measure: how; its split and its hour are not used.

    Raises:
        UsageError: a model lacks one of the data set's labels.
        SourceError: no clip of a fold could be heard.
    """
    part, fold = [], []
    alone: list[Trace] = []
    rows: list[Trace] = []
    chains: list[tuple[int, ...]] = []
    rng = np.random.default_rng(measure.seed)
    for k, one in enumerate(folds):
        pipeline = one.opener()
        rate, labels = pipeline.frontend.spec.sample_rate, tuple(pipeline.runtime.labels)
        names = truth_of(clips, one.clips, labels).names
        with hearing(one.opener, pipeline, clips, one.clips, measure) as listen:
            kept, traces, _ = heard_fresh(listen, f"fold {k + 1} of {len(folds)}", one.clips, names, 0.0)
            here = one.clips[kept]
            if measure.with_streams:
                in_a_row = streams.in_orders(clips.label[here], measure.orders, rng)
                tasks = [Task(tuple(int(here[at]) for at in chain)) for chain in in_a_row]
                rows += heard_in_a_row(listen, f"fold {k + 1}, tracks in a row", tasks)
                chains += [tuple(len(alone) + at for at in chain) for chain in in_a_row]
        alone += traces
        part.append(here)
        fold.append(np.full(len(here), k))
    return Crossed(truth_of(clips, np.concatenate(part), labels), np.concatenate(fold), alone, chains, rows, rate)


def temperatures(crossed: Crossed) -> tuple[FloatArray, float]:
    """By what the folds' temperature must be multiplied to fit what the live path says at the end of each clip.

    Args:
        crossed: by models of one temperature.

    Returns:
        (folds,) for each fold, from the clips of all the others; and from all clips.
    """
    said = answers_after(crossed.alone, fresh.SECONDS[-1], crossed.sample_rate).probs
    log_said, label = fresh.log_posterior(said), crossed.truth.label
    folds = range(int(crossed.fold.max()) + 1)
    others = [crossed.fold != k for k in folds]
    each = [scores.fit_temperature(log_said[o], label[o]) if o.any() else 1.0 for o in others]
    return np.array(each), scores.fit_temperature(log_said, label)


def figures(crossed: Crossed) -> dict[str, Any]:
    """Accuracy, calibration, delays and flips over the clips of all folds; JSON-ready."""
    rate, truth = crossed.sample_rate, crossed.truth
    measured = fresh.figures(crossed.alone, truth, rate)
    found: dict[str, Any] = {name: measured[name] for name in _OF_FRESH}
    found["decision_accuracy"] = measured["decision"]["accuracy"]
    found["flips_per_minute"] = {
        "fresh_settled": streams.flips_per_minute(crossed.alone, rate, streams.SETTLED_S, tracks=1),
        "settled_s": streams.SETTLED_S,
    }
    found["false_changes_per_minute"] = streams.false_changes_per_minute(crossed.alone, rate)
    found["music_called_not_music"] = not_music.music_called_not_music(crossed.alone)
    if crossed.rows:
        end = answers_after(crossed.alone, fresh.SECONDS[-1], rate)
        streams.add_rows(found, crossed.rows, crossed.chains, truth, end, rate)
    return found
