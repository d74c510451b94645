"""Speech and noise: what the live pipeline says of sound that is no music."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rtgenre.training import scores
from rtgenre.training.evaluation.fresh import state_shares
from rtgenre.training.evaluation.listen import NOT_MUSIC, SILENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rtgenre.training.evaluation.listen import Trace

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]

SETTLED_S = 3.0


def figures(
    traces: Sequence[Trace], label: IntArray, labels: Sequence[str], music: Sequence[Trace], sample_rate: int
) -> dict[str, Any]:
    """States of sound that is no music, and how well its hops are told from those of music.

    Args:
        traces: one a file of not-music, each its first track.
        label: (files,) index into ``labels``.
        labels: kinds of not-music: the folders' names.
        music: traces whose first tracks are music.
        sample_rate: of the traces, Hz.
    """
    of_music = _not_music_scores(music)
    kinds = {name: [t for t, k in zip(traces, label, strict=True) if k == i] for i, name in enumerate(labels)}
    return {
        "files": len(traces),
        "hops": sum(len(_states([t])) for t in traces),
        "states": state_shares(_states(traces)),
        "states_settled": state_shares(_states(traces, SETTLED_S, sample_rate)),
        "settled_s": SETTLED_S,
        "auroc": _auroc(_not_music_scores(traces), of_music),
        "auroc_settled": _auroc(
            _not_music_scores(traces, SETTLED_S, sample_rate), _not_music_scores(music, SETTLED_S, sample_rate)
        ),
        "kinds": {
            name: {
                "files": len(ours),
                "states": state_shares(_states(ours)),
                "auroc": _auroc(_not_music_scores(ours), of_music),
            }
            for name, ours in kinds.items()
            if ours
        },
    }


def music_called_not_music(music: Sequence[Trace]) -> float:
    """Share of the hops of music, silence left out, that are called not-music."""
    state = _states(music)
    sounding = state != SILENCE
    return float((state[sounding] == NOT_MUSIC).mean()) if sounding.any() else 0.0


def _auroc(positive: FloatArray | None, negative: FloatArray | None) -> float | None:
    if positive is None or negative is None or not len(positive) or not len(negative):
        return None
    return scores.auroc(positive, negative)


def _hops(trace: Trace, from_s: float, sample_rate: int) -> slice:
    first = trace.track(0)
    skipped = int(np.searchsorted(trace.since_cut(0), from_s * sample_rate)) if from_s else 0
    return slice(first.start + skipped, first.stop)


def _states(traces: Sequence[Trace], from_s: float = 0.0, sample_rate: int = 1) -> NDArray[np.int8]:
    return np.concatenate([trace.state[_hops(trace, from_s, sample_rate)] for trace in traces])


def _not_music_scores(traces: Sequence[Trace], from_s: float = 0.0, sample_rate: int = 1) -> FloatArray | None:
    """1 − P(music) of every hop that is not silence; None where the model does not tell."""
    kept = []
    for trace in traces:
        if trace.music is None:
            return None
        hops = _hops(trace, from_s, sample_rate)
        kept.append(1.0 - trace.music[hops][trace.state[hops] != SILENCE])
    return np.concatenate(kept)
