"""Tracks one after another through one state: how soon the decision follows, how steady it is, and after an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rtgenre.training import scores
from rtgenre.training.evaluation.fresh import decided_right, delay_figures, delay_intervals
from rtgenre.training.evaluation.listen import MUSIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rtgenre.training.evaluation.fresh import Answers, Truth
    from rtgenre.training.evaluation.listen import Trace

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]
    BoolArray = NDArray[np.bool_]

CHAIN_TRACKS = 8  # changes in one stream; short streams can be heard side by side
HOLD_S = 2.0  # a decision counts once it has stood this long
SETTLED_S = 10.0  # after so long the new track should be known: what changes then is a flip
DETECT_S = 10.0  # a report of a change later than this is a false alarm


def track_order(label: IntArray, rng: np.random.Generator) -> IntArray:
    """Every clip once, in random order, neighbours of different labels wherever that is possible.

    Args:
        label: (clips,).
        rng: of the order.
    """
    waiting = {int(k): list(rng.permutation(np.flatnonzero(label == k))) for k in np.unique(label)}
    order: list[int] = []
    last = -1
    for left in range(len(label), 0, -1):
        open_labels = [k for k, clips in waiting.items() if clips and k != last] or [last]
        sizes = np.array([len(waiting[k]) for k in open_labels])
        # A label that has half of what is left must come now, or it will meet itself at the end.
        largest = int(sizes.argmax())
        k = open_labels[largest if 2 * sizes[largest] >= left else rng.choice(len(sizes), p=sizes / sizes.sum())]
        order.append(int(waiting[k].pop()))
        last = k
    return np.array(order, np.int64)


def chains(order: IntArray, tracks: int = CHAIN_TRACKS) -> list[tuple[int, ...]]:
    """Cut an order into streams, such that every clip follows its predecessor in one of them.

    Each stream begins with the last track of the one before (the first with the last of all), which is not
    counted there.
    """
    return [
        tuple(int(clip) for clip in (order[start - 1], *order[start : start + tracks]))
        for start in range(0, len(order), tracks)
    ]


def in_orders(label: IntArray, orders: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Chains of every clip once, in so many orders.

    Args:
        label: (clips,).
        orders: how many.
        rng: of the orders.
    """
    return [chain for _ in range(orders) for chain in chains(track_order(label, rng))]


def hour_order(
    label: IntArray, duration_s: FloatArray, hour_s: float, rng: np.random.Generator
) -> tuple[IntArray, int]:
    """Clips for an hour, and then every clip once.

    Args:
        label: (clips,).
        duration_s: (clips,) of each.
        hour_s: what comes before the tracks that count; clips are repeated to fill it.
        rng: of the order.

    Returns:
        (tracks,) clips, and how many of them come before those that count.
    """
    before: list[int] = []
    heard_s = 0.0
    while heard_s < hour_s:
        for clip in track_order(label, rng):
            if heard_s >= hour_s:
                break
            before.append(int(clip))
            heard_s += float(duration_s[clip])
    return np.concatenate((np.array(before, np.int64), track_order(label, rng))), len(before)


def time_to_right(right: BoolArray, end_sample: IntArray, hold_samples: int) -> float:
    """When something is right and stays so, in samples; infinity where that never happens.

    Args:
        right: (hops,).
        end_sample: (hops,) since the track began.
        hold_samples: for how long it must stay right, within the track.
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([0], right.astype(np.int8), [0]))))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if end_sample[stop - 1] - end_sample[start] >= hold_samples:
            return float(end_sample[start])
    return np.inf


def track_changes(
    traces: Sequence[Trace],
    heard: Sequence[tuple[int, ...]],
    truth: Truth,
    right_alone: BoolArray,
    sample_rate: int,
) -> dict[str, Any]:
    """How soon the decision follows a change of track.

    Args:
        traces: one a chain.
        heard: the chains: indices of clips; the first of each only leads.
        truth: of all clips.
        right_alone: (clips,) whether the decision is right at the end of the clip heard from a fresh state. Only
            for these it can be asked when it becomes right.
        sample_rate: of the traces, Hz.

    Returns:
        ``time_to_right`` of the decisions and ``posterior`` of the most probable genre, both only where label and
        predecessor's label differ; and ``detection``, None where no changes are reported.
    """
    decided, likeliest, artist = [], [], []
    changes = 0
    for trace, clips in zip(traces, heard, strict=True):
        for k in range(1, len(clips)):
            changes += 1
            label = truth.label[clips[k]]
            if label == truth.label[clips[k - 1]] or not right_alone[clips[k]]:
                continue
            hops, since = trace.track(k), trace.since_cut(k)
            right = (trace.state[hops] == MUSIC) & (trace.decided[hops] == label)
            hold = round(HOLD_S * sample_rate)
            artist.append(truth.artist[clips[k]])
            decided.append(time_to_right(right, since, hold) / sample_rate)
            likeliest.append(time_to_right(trace.probs[hops].argmax(axis=1) == label, since, hold) / sample_rate)
    times_s, whose = np.array(decided, np.float64), np.array(artist, np.int64)
    return {
        "changes": changes,
        "hold_s": HOLD_S,
        "time_to_right": {**delay_figures(times_s), **delay_intervals(times_s, whose)},
        "posterior": delay_figures(np.array(likeliest, np.float64)),
        "times_s": [round(t, 3) if np.isfinite(t) else None for t in decided],
        "detection": detection(traces, sample_rate),
    }


def detection(traces: Sequence[Trace], sample_rate: int) -> dict[str, Any] | None:
    """How well changes of track are reported; None where they are not.

    The first report within ``DETECT_S`` after a cut is the detection, every other report a false alarm.
    """
    delays: list[float] = []
    false_alarms, minutes = 0, 0.0
    for trace in traces:
        if trace.changed is None:
            return None
        minutes += float(trace.cut_sample[-1]) / sample_rate / 60
        false_alarms += int(trace.changed[trace.track(0)].sum())
        for k in range(1, len(trace.first_hop) - 1):
            reported = trace.since_cut(k)[trace.changed[trace.track(k)]] / sample_rate
            found = len(reported) > 0 and bool(reported[0] <= DETECT_S)
            delays.append(float(reported[0]) if found else np.inf)
            false_alarms += len(reported) - found
    return {
        **delay_figures(np.array(delays, np.float64)),
        "within_s": DETECT_S,
        "false_alarms_per_minute": false_alarms / minutes if minutes else None,
    }


def flips_per_minute(
    traces: Sequence[Trace], sample_rate: int, from_s: float, first_track: int = 0, tracks: int | None = None
) -> float | None:
    """How often the decided genre changes within tracks; doubt in between is no change.

    Args:
        traces: any streams.
        sample_rate: of the traces, Hz.
        from_s: counted from so long after the beginning of each track, and not before its first decision.
        first_track: of each trace.
        tracks: how many of each trace; None for all.
    """
    flips, minutes = 0, 0.0
    for trace in traces:
        last = len(trace.first_hop) - 1 if tracks is None else first_track + tracks
        for k in range(first_track, last):
            since = trace.since_cut(k) / sample_rate
            counts = (trace.decided[trace.track(k)] >= 0) & (since >= from_s)
            if counts.any():
                genres = trace.decided[trace.track(k)][counts]
                flips += int((np.diff(genres) != 0).sum())
                minutes += float(since[-1] - since[counts][0]) / 60
    return flips / minutes if minutes else None


def false_changes_per_minute(alone: Sequence[Trace], sample_rate: int) -> float | None:
    """Changes of track reported within single tracks; None where none are ever reported.

    Args:
        alone: of each clip from a fresh state.
        sample_rate: Hz.
    """
    if any(trace.changed is None for trace in alone):
        return None
    reported = sum(int(trace.changed[trace.track(0)].sum()) for trace in alone if trace.changed is not None)
    return reported / (sum(int(trace.cut_sample[1]) for trace in alone) / sample_rate / 60)


def right_at_ends(trace: Trace, heard: Sequence[int] | IntArray, truth: Truth) -> BoolArray:
    """(tracks,) whether the most probable genre is right at the end of each track of a stream.

    Args:
        trace: one stream.
        heard: (tracks,) its clips.
        truth: of all clips.
    """
    right: BoolArray = trace.probs[trace.first_hop[1:] - 1].argmax(axis=1) == truth.label[np.asarray(heard)]
    return right


def in_a_row(
    traces: Sequence[Trace], heard: Sequence[tuple[int, ...]], truth: Truth, right_alone: BoolArray
) -> dict[str, Any]:
    """What it costs to be heard after other tracks: accuracy at the end of each, against the same from fresh states.

    Args:
        traces: one a chain.
        heard: the chains: indices of clips; the first of each only leads.
        truth: of all clips.
        right_alone: (clips,) whether the most probable genre is right at the end of the clip, from a fresh state.
    """
    clips = np.array([clip for chain in heard for clip in chain[1:]], np.int64)
    right = np.concatenate([right_at_ends(t, chain, truth)[1:] for t, chain in zip(traces, heard, strict=True)])
    return {
        "tracks": len(clips),
        "accuracy": float(right.mean()),
        "accuracy_alone": float(right_alone[clips].mean()),
        **_paired(right, right_alone[clips], truth.artist[clips]),
    }


def add_rows(
    measured: dict[str, Any],
    traces: Sequence[Trace],
    heard: Sequence[tuple[int, ...]],
    truth: Truth,
    end: Answers,
    sample_rate: int,
) -> None:
    """Put into figures of single clips what rows of tracks tell: changes, what a row costs, flips.

    Args:
        measured: with ``flips_per_minute``; changed in place.
        traces: one a chain.
        heard: the chains.
        truth: of all clips.
        end: answers at the end of each clip, from a fresh state.
        sample_rate: of the traces, Hz.
    """
    measured["track_changes"] = track_changes(traces, heard, truth, decided_right(end, truth), sample_rate)
    measured["in_a_row"] = in_a_row(traces, heard, truth, end.best == truth.label)
    measured["flips_per_minute"]["streams_settled"] = flips_per_minute(traces, sample_rate, SETTLED_S, first_track=1)


def after_an_hour(
    trace: Trace, row: Trace, heard: IntArray, before: int, truth: Truth, right_fresh: BoolArray, sample_rate: int
) -> dict[str, Any]:
    """Accuracy at the end of each clip in a stream that was never reset, against the same from fresh states.

    Two things differ between the two: the hour, and the track before. So the same tracks in the same order without
    the hour tell what the hour costs by itself.

    Args:
        trace: one stream.
        row: the same without the hour: from the last track before those that count, see ``without_the_hour``.
        heard: (tracks,) clips of the first.
        before: tracks that do not count; all clips once come after them.
        truth: of all clips.
        right_fresh: (clips,) whether the most probable genre is right at the end of the clip, from a fresh state.
        sample_rate: of the traces, Hz.
    """
    counted = heard[before:]
    right = right_at_ends(trace, heard, truth)
    right_in_row = right_at_ends(row, without_the_hour(heard, before), truth)[-len(counted) :]
    ends = trace.first_hop[before + 1 :] - 1
    decided = (trace.state[ends] == MUSIC) & (trace.decided[ends] == truth.label[counted])
    return {
        "hours_before": float(trace.cut_sample[before] / sample_rate / 3600),
        "hours": float(trace.cut_sample[-1] / sample_rate / 3600),
        "clips": len(counted),
        "accuracy": float(right[before:].mean()),
        "accuracy_fresh": float(right_fresh[counted].mean()),
        **_paired(right[before:], right_fresh[counted], truth.artist[counted]),
        "without_the_hour": {
            "accuracy": float(right_in_row.mean()),
            **_paired(right[before:], right_in_row, truth.artist[counted]),
        },
        "decision_accuracy": float(decided.mean()),
        "accuracy_in_first_hour": float(right[:before].mean()) if before else None,
        "detection": detection([trace], sample_rate),
    }


def without_the_hour(heard: IntArray, before: int) -> IntArray:
    """The tracks that count, and the one before them, which changes into the first of them.

    Args:
        heard: (tracks,) clips.
        before: tracks that do not count.
    """
    return heard[max(0, before - 1) :]


def _paired(right: BoolArray, other: BoolArray, artist: IntArray) -> dict[str, Any]:
    """By how much the one is more often right than the other, clip by clip."""
    difference = right.astype(np.float64) - other
    return {
        "difference": float(difference.mean()),
        "difference_interval_95": scores.bootstrap_interval(difference, artist),
    }
