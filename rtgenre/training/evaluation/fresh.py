"""Figures of clips that were each heard from a fresh state: accuracy over time, calibration, genres, states."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rtgenre.training import scores
from rtgenre.training.evaluation.listen import MUSIC, SILENCE, STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rtgenre.training.evaluation.listen import Trace

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]
    BoolArray = NDArray[np.bool_]

SECONDS = (1, 3, 5, 10, 30)
CURVE_STEP_S = 0.5
BINS = 10
DRAWS = 1000
_LEAST = 1e-12  # a float32 posterior may round to zero, whose logarithm would be the whole log loss


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a set of clips is.

    Attributes:
        names: (clips,) what each clip is called.
        label: (clips,) index into ``labels``.
        artist: (clips,) whose it is.
        labels: what the model knows.
    """

    names: tuple[str, ...]
    label: IntArray
    artist: IntArray
    labels: tuple[str, ...]

    def of(self, clips: IntArray) -> Truth:
        """The same of some of the clips."""
        names = tuple(self.names[clip] for clip in clips)
        return Truth(names, self.label[clips], self.artist[clips], self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What is said of clips at one moment.

    Attributes:
        probs: (clips, n_labels) float64.
        state: (clips,) index into ``STATES``.
        decided: (clips,) index of the genre decided for, −1 for none.
    """

    probs: FloatArray
    state: NDArray[np.int8]
    decided: NDArray[np.int16]

    @property
    def best(self) -> IntArray:
        """(clips,) the most probable genre."""
        best: IntArray = self.probs.argmax(axis=1)
        return best


def answers_after(traces: Sequence[Trace], seconds: float, sample_rate: int) -> Answers:
    """What is said after so many seconds of a clip, or at its end where it is shorter.

    Args:
        traces: one a clip, which is its first track.
        seconds: since the clip began; a hop counts once its whole window has been heard.
        sample_rate: of the traces, Hz.
    """
    at = [(trace, trace.hop_after(int(seconds * sample_rate))) for trace in traces]
    return Answers(
        np.array([trace.probs[hop] for trace, hop in at], np.float64),
        np.array([trace.state[hop] for trace, hop in at]),
        np.array([trace.decided[hop] for trace, hop in at]),
    )


def figures(traces: Sequence[Trace], truth: Truth, sample_rate: int) -> dict[str, Any]:
    """All figures of clips heard from fresh states; JSON-ready.

    Args:
        traces: one a clip; the clip is the first track, silence the second where there is one.
        truth: of the same clips.
        sample_rate: of the traces, Hz.
    """
    after = {str(s): answers_after(traces, s, sample_rate) for s in SECONDS}
    last = after[str(SECONDS[-1])]
    counted = confusion(last.best, truth)
    table = genre_table(counted, truth.labels)
    return {
        "clips": len(traces),
        "artists": len(np.unique(truth.artist)),
        "accuracy": {s: float((a.best == truth.label).mean()) for s, a in after.items()},
        "interval_95": {s: scores.bootstrap_interval(a.best == truth.label, truth.artist) for s, a in after.items()},
        "macro_f1": {s: macro_f1(a.best, truth) for s, a in after.items()},
        "log_loss": {s: log_loss(a.probs, truth.label) for s, a in after.items()},
        "ece": scores.calibration_error(last.probs, truth.label, BINS),
        "ece_if_calibrated": ece_if_calibrated(last.probs, np.random.default_rng(0)),
        "ece_after": {s: scores.calibration_error(a.probs, truth.label, BINS) for s, a in after.items()},
        "reliability": reliability(last.probs, truth.label),
        "labels": list(truth.labels),
        "confusion": counted.tolist(),
        "genres": table,
        "decision": _decisions(after, truth),
        "over_time": _over_time(traces, truth, sample_rate),
        "silence": silence_delay(traces, sample_rate),
        "per_clip": _per_clip(after, truth),
    }


def confusion(said: IntArray, truth: Truth) -> IntArray:
    """(n_labels, n_labels) clips by what they are (rows) and what is said of them (columns)."""
    counted = np.zeros((len(truth.labels),) * 2, np.int64)
    np.add.at(counted, (truth.label, said), 1)
    return counted


def genre_table(counted: IntArray, labels: tuple[str, ...]) -> dict[str, dict[str, float | int]]:
    """Precision, recall and F1 of each genre that has clips; precision is 0 where it was never said."""
    table: dict[str, dict[str, float | int]] = {}
    for k, label in enumerate(labels):
        right, clips, said = int(counted[k, k]), int(counted[k].sum()), int(counted[:, k].sum())
        if clips:
            table[label] = {
                "precision": right / said if said else 0.0,
                "recall": right / clips,
                "f1": 2 * right / (clips + said),
                "clips": clips,
                "said": said,
            }
    return table


def macro_f1(said: IntArray, truth: Truth) -> float:
    """Mean F1 of the genres that have clips."""
    return float(np.mean([row["f1"] for row in genre_table(confusion(said, truth), truth.labels).values()]))


def log_loss(probs: FloatArray, label: IntArray) -> float:
    """Mean negative log posterior of the right genre, in nats."""
    return scores.log_loss(log_posterior(probs), label)


def log_posterior(probs: FloatArray) -> FloatArray:
    """Logarithms of probabilities of any shape, finite where one has been rounded to zero."""
    logarithms: FloatArray = np.log(np.maximum(probs, _LEAST))
    return logarithms


def reliability(probs: FloatArray, label: IntArray) -> list[dict[str, float | int | None]]:
    """Confidence and accuracy in bins of equal width over the confidence (Guo et al. 2017, figure 1)."""
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == label
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    rows: list[dict[str, float | int | None]] = []
    for k in range(BINS):
        inside = which == k
        some = bool(inside.any())
        rows.append(
            {
                "low": k / BINS,
                "high": (k + 1) / BINS,
                "clips": int(inside.sum()),
                "confidence": float(confidence[inside].mean()) if some else None,
                "accuracy": float(right[inside].mean()) if some else None,
            }
        )
    return rows


def ece_if_calibrated(probs: FloatArray, rng: np.random.Generator) -> dict[str, float]:
    """The calibration error that so many clips would give were every probability right: never 0, as bins are small.

    Source: consistency resampling, Bröcker & Smith, Increasing the Reliability of Reliability Diagrams (2007).

    Args:
        probs: (clips, n_labels) what was said.
        rng: of the labels, drawn from just these probabilities.

    Returns:
        The mean of ``DRAWS`` draws, and the bound below which 95 % of them are.
    """
    below = np.cumsum(probs, axis=1) / probs.sum(axis=1, keepdims=True)
    drawn = [
        scores.calibration_error(probs, (below < rng.random((len(probs), 1))).sum(axis=1), BINS) for _ in range(DRAWS)
    ]
    return {"mean": float(np.mean(drawn)), "upper_95": float(np.quantile(drawn, 0.95))}


def decided_right(answers: Answers, truth: Truth) -> BoolArray:
    """(clips,) whether the decision is that this is music, and of the right genre."""
    right: BoolArray = (answers.state == MUSIC) & (answers.decided == truth.label)
    return right


def silence_delay(traces: Sequence[Trace], sample_rate: int) -> dict[str, Any] | None:
    """How long digital silence must last after a clip before the state says so; None where none was heard."""
    if any(len(trace.first_hop) < 3 for trace in traces):
        return None
    delays = []
    for trace in traces:
        silent = np.flatnonzero(trace.state[trace.track(1)] == SILENCE)
        delays.append(trace.since_cut(1)[silent[0]] / sample_rate if len(silent) else np.inf)
    return delay_figures(np.array(delays))


def delay_figures(delays_s: FloatArray) -> dict[str, Any]:
    """Quantiles of delays in seconds; what never came is infinitely late, and infinity is None in the figures."""
    came = np.isfinite(delays_s)
    return {
        "count": len(delays_s),
        "p50_s": _quantile(delays_s, 0.5),
        "p90_s": _quantile(delays_s, 0.9),
        "never": float((~came).mean()) if len(delays_s) else None,
    }


def delay_intervals(delays_s: FloatArray, artist: IntArray, seed: int = 0, draws: int = 1000) -> dict[str, Any]:
    """95 % intervals of those quantiles: whole artists are drawn, as for ``scores.bootstrap_interval``.

    Args:
        delays_s: (n,) seconds, infinite where it never came.
        artist: (n,) whose clip each was.
        seed: of the draws.
        draws: number of them.
    """
    if not len(delays_s):
        return {"p50_interval_95_s": None, "p90_interval_95_s": None}
    names, group = np.unique(artist, return_inverse=True)
    order, rng = np.argsort(delays_s, kind="stable"), np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=draws)
    until = drawn[:, group[order]].cumsum(axis=1)  # of so many of a draw's delays each one is the last
    found: dict[str, Any] = {}
    for name, share in (("p50", 0.5), ("p90", 0.9)):
        at = (until >= share * until[:, -1:]).argmax(axis=1)
        low, high = np.quantile(delays_s[order][at], (0.025, 0.975), method="inverted_cdf").tolist()
        found[f"{name}_interval_95_s"] = tuple(end if math.isfinite(end) else None for end in (low, high))
    return found


def _quantile(delays_s: FloatArray, share: float) -> float | None:
    if not len(delays_s):
        return None
    # The least delay within which such a share of them lies; infinity cannot be interpolated.
    value = float(np.sort(delays_s)[max(0, math.ceil(share * len(delays_s) - 1e-9) - 1)])
    return value if np.isfinite(value) else None


def _decisions(after: dict[str, Answers], truth: Truth) -> dict[str, Any]:
    right = {s: decided_right(a, truth) for s, a in after.items()}
    return {
        "accuracy": {s: float(hits.mean()) for s, hits in right.items()},
        "interval_95": {s: scores.bootstrap_interval(hits, truth.artist) for s, hits in right.items()},
        "accuracy_of_music": {
            s: float(hits[after[s].state == MUSIC].mean()) if (after[s].state == MUSIC).any() else None
            for s, hits in right.items()
        },
        "states": {s: state_shares(a.state) for s, a in after.items()},
    }


def state_shares(state: NDArray[np.int8]) -> dict[str, float]:
    """Share of each state that occurs in a live pipeline."""
    return {str(name): float((state == k).mean()) for k, name in enumerate(STATES) if name != "stale"}


def _over_time(traces: Sequence[Trace], truth: Truth, sample_rate: int) -> dict[str, list[float]]:
    seconds = np.arange(CURVE_STEP_S, SECONDS[-1] + CURVE_STEP_S / 2, CURVE_STEP_S)
    curve: dict[str, list[float]] = {"seconds": seconds.tolist(), "accuracy": [], "low": [], "high": [], "decision": []}
    for s in seconds:
        now = answers_after(traces, float(s), sample_rate)
        hits = now.best == truth.label
        low, high = scores.bootstrap_interval(hits, truth.artist)
        for name, value in (("accuracy", hits.mean()), ("low", low), ("high", high)):
            curve[name].append(float(value))
        curve["decision"].append(float(decided_right(now, truth).mean()))
    return curve


def _per_clip(after: dict[str, Answers], truth: Truth) -> list[dict[str, Any]]:
    def name_of(k: int) -> str | None:
        return truth.labels[k] if k >= 0 else None

    return [
        {
            "name": name,
            "label": truth.labels[truth.label[i]],
            "artist": int(truth.artist[i]),
            "said": {s: name_of(int(a.best[i])) for s, a in after.items()},
            "decided": {s: name_of(int(a.decided[i])) for s, a in after.items()},
            "state": {s: str(STATES[a.state[i]]) for s, a in after.items()},
            "probability": {s: round(float(a.probs[i, truth.label[i]]), 4) for s, a in after.items()},
        }
        for i, name in enumerate(truth.names)
    ]
