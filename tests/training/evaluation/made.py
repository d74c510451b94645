"""Made-up traces, and a pipeline in outline that repeats what a made-up data set tells it, a little late."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from rtgenre.errors import SourceError
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.posterior.decision import PolicySettings
from rtgenre.records import Decision, State
from rtgenre.training.evaluation.fresh import Truth
from rtgenre.training.evaluation.listen import MUSIC, Trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LABELS = ("blues", "jazz", "rock")
SPEC = FrontendSpec()
RATE, HOP, N_FFT = SPEC.sample_rate, SPEC.hop, SPEC.n_fft
UNREADABLE = -1


def trace(
    decided: Sequence[Sequence[int]],
    *,
    probs: np.ndarray | None = None,
    state: Sequence[int] | None = None,
    changed: Sequence[int] | None = None,
    music: Sequence[float] | None = None,
) -> Trace:
    """A stream of tracks, each given as what is decided hop by hop; by default that is also the likeliest."""
    flat = [k for track in decided for k in track]
    first_hop = np.cumsum([0, *map(len, decided)])
    if probs is None:
        probs = np.full((len(flat), len(LABELS)), 0.1, np.float32)
        probs[np.arange(len(flat)), np.maximum(flat, 0)] = 0.8
    reported = None if changed is None else np.isin(np.arange(len(flat)), changed)
    return Trace(
        end_sample=np.arange(len(flat)) * HOP + N_FFT,
        probs=probs,
        state=np.full(len(flat), MUSIC, np.int8) if state is None else np.array(state, np.int8),
        decided=np.array(flat, np.int16),
        music=None if music is None else np.array(music, np.float32),
        changed=reported,
        first_hop=first_hop.astype(np.int64),
        cut_sample=first_hop.astype(np.int64) * HOP,
    )


def truth(label: Sequence[int], artist: Sequence[int] | None = None) -> Truth:
    names = tuple(f"clip.{k}" for k in range(len(label)))
    return Truth(names, np.array(label), np.array(artist if artist is not None else range(len(label))), LABELS)


class Parrot:
    """What ``evaluation`` uses of a pipeline. It hears in bin 0 which label a hop is, and follows slowly.

    Args:
        tells: it reports changes of track, and whether it hears music (labels below 3).
    """

    def __init__(self, tells: bool = True) -> None:
        self.frontend = SimpleNamespace(spec=SPEC)
        self.runtime = SimpleNamespace(labels=LABELS)
        self.policy = SimpleNamespace(settings=PolicySettings())
        self.tells = tells

    def init_state(self) -> dict[str, Any]:
        return {"hop": -1, "belief": np.full(3, 1 / 3), "heard": 0, "last": None}

    def hop_of_power(self, power: np.ndarray, state: dict[str, Any]) -> SimpleNamespace:
        return self._answer(int(power[0]) - 1, state)

    def hops(self, samples: np.ndarray, state: dict[str, Any]) -> Iterator[SimpleNamespace]:
        # One answer for each hop that has ended; a window is here no longer than a hop.
        before, state["heard"] = state["heard"], state["heard"] + len(samples)
        for _ in range(before // HOP, state["heard"] // HOP):
            yield self._answer(round(float(samples[-1])) - 1, state)

    def _answer(self, label: int, state: dict[str, Any]) -> SimpleNamespace:
        state["hop"] += 1
        if 0 <= label < 3:
            state["belief"] = state["belief"] + 0.1 * (np.eye(3)[label] - state["belief"])
        best = int(state["belief"].argmax())
        changed = state["last"] not in (None, best)
        state["last"] = best
        silent = label < 0
        answer = SimpleNamespace(
            hop=state["hop"],
            end_sample=state["hop"] * HOP + N_FFT,
            probs=state["belief"].astype(np.float32),
            decision=Decision(State.SILENCE if silent else State.MUSIC, None if silent else LABELS[best], 0),
        )
        if self.tells:
            answer.music, answer.track_change = float(label < 3), changed
        return answer


def parrot() -> Parrot:
    return Parrot()


class Scripted:
    """A data set of spectra that name their label; label 3 is no music, ``UNREADABLE`` cannot be read."""

    def __init__(self, label: Sequence[int], hops: int = 80, labels: tuple[str, ...] = LABELS, split: str = "valid"):
        self.labels = labels
        self.label = np.array([max(0, k) for k in label])
        self.code = list(label)
        self.names = np.array([f"clip.{k}" for k in range(len(label))])
        self.split = np.array([split] * len(label))
        self.artist = np.arange(len(label)) // 2
        self.n_frames = np.full(len(label), hops)
        self.sha256 = "0" * 64

    def part(self, split: str) -> np.ndarray:
        return np.flatnonzero(self.split == split)

    def require_labels(self, labels: tuple[str, ...]) -> None:
        assert labels == self.labels

    def power(self, clip: int, spec: FrontendSpec) -> np.ndarray:
        if self.code[clip] == UNREADABLE:
            raise SourceError("this one is broken", "mend it")
        power = np.zeros((self.n_frames[clip], spec.n_fft // 2 + 1), np.float32)
        power[:, 0] = self.code[clip] + 1
        return power


class ScriptedSound(Scripted):
    """The same as sound."""

    def samples(self, clip: int) -> np.ndarray:
        if self.code[clip] == UNREADABLE:
            raise SourceError("this one is broken", "mend it")
        return np.full(self.n_frames[clip] * HOP, self.code[clip] + 1, np.float32)
