"""Play policies over a split's clips without stepping the network anew for each: ten seconds a policy, not minutes.

    python scripts/try_policies.py DATA.npz --model DIR [--split valid] [--policy cut_bias=-4,change_every_s=0.3] …

What a state says depends on the hop at which it began and on nothing else. So everything that any state says is kept by
that hop, and the live path's own `Tracks` and `DecisionPolicy` decide over it, hop for hop: edit them, and try again.
The first policy takes as long as an evaluation, every other one only where it begins states that none did before. As in
`rtgenre eval`, but clips are never silent, and each one follows one other clip instead of seven.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track

from rtgenre.app import load_checkpoint
from rtgenre.config import ModelSettings
from rtgenre.frontend.stream import Frontend
from rtgenre.hearing import ChangeWindow, Ear, Hearing
from rtgenre.model.architecture import IMPRINT
from rtgenre.model.runtime import open_runtime
from rtgenre.model.same_track import SameTrack
from rtgenre.posterior.calibration import Calibration
from rtgenre.posterior.decision import DecisionPolicy, PolicySettings
from rtgenre.tracks import Tracks
from rtgenre.training import scores
from rtgenre.training.datasets.corpus import read_corpus
from rtgenre.training.evaluation import streams
from rtgenre.training.evaluation.fresh import Truth, answers_after, decided_right, log_loss
from rtgenre.training.evaluation.listen import STATES, Trace
from rtgenre.training.evaluation.run import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint
    from rtgenre.pipeline_state import PipelineState
    from rtgenre.training.datasets.corpus import Corpus

    FloatArray = NDArray[np.float32]

CLIP_S = 30.0

progress = partial(track, transient=True, console=Console(stderr=True))


@dataclass(slots=True)
class Said:
    """What a state said at one hop, as far as a policy asks.

    Attributes:
        probs: (n_labels,) smoothed posterior.
        mean: (n_labels,) the same in logarithms.
        music: smoothed probability of music.
        traits: (n_traits,) by which it is compared.
    """

    probs: FloatArray
    mean: NDArray[np.float64]
    music: float
    traits: FloatArray


class Recording:
    """One stream, and what the states said that began in it, as far as they were asked.

    Args:
        rows: (hops, row_size) its spectra.
        ear: the live path's.
        cut: hop at which the second clip begins; 0 where there is one.
        alone: recording of that clip by itself, whose states are the same.
    """

    def __init__(self, rows: FloatArray, ear: Ear, cut: int = 0, alone: Recording | None = None) -> None:
        self.rows, self.cut = rows, cut
        self._ear, self._alone = ear, alone
        self._states: dict[int, tuple[Hearing, list[Said]]] = {}

    def said(self, begin: int, hop: int) -> Said:
        """What the state that began at one hop said at another."""
        if self._alone is not None and begin >= self.cut:
            return self._alone.said(begin - self.cut, hop - self.cut)
        if begin not in self._states:
            self._states[begin] = (self._ear.init_state(), [])
        state, answers = self._states[begin]
        for row in self.rows[begin + len(answers) : hop + 1]:
            self._ear.hear_again(row, state)
            mean = state.smoother.mean.copy()
            answers.append(Said(state.probs, mean, state.music, state.traits.copy()))
        return answers[hop - begin]

    def frames(self, begin: int, hop: int, n: int) -> FloatArray:
        """The last ``n`` frames, normalised, of the state that began at one hop, up to another."""
        return np.stack([self.said(begin, at).traits[IMPRINT:] for at in range(hop - n + 1, hop + 1)])


@dataclass(slots=True)
class Clock:
    """Stands in for a frontend's state: where it is, and how much it has heard."""

    hop: int = -1
    end_sample: int = 0
    heard: int = 0
    gap_samples: int = 0


@dataclass(slots=True)
class Mean:
    """Stands in for a smoother's state."""

    mean: NDArray[np.float64]


@dataclass(slots=True)
class Remembered:
    """Stands in for a ``Hearing``: it has heard what its clock says, and says what was recorded."""

    probs: FloatArray
    smoother: Mean
    traits: FloatArray
    frontend: Clock = field(default_factory=Clock)
    music: float = 0.5
    frame: tuple[None, ...] = (None,)
    own: None = None

    @property
    def heard(self) -> int:
        """Hops since it began."""
        return self.frontend.heard


class RecordedFrontend:
    """A frontend whose spectra are the numbers of their hops."""

    row_size = 1

    def __init__(self, frontend: Frontend) -> None:
        self.spec = frontend.spec

    def spectrum_row(self, clock: Clock) -> FloatArray:
        """The last hop."""
        return np.array([clock.hop], np.float32)

    def hear_again(self, row: FloatArray, clock: Clock, out: object) -> None:  # noqa: ARG002 - the live path's call
        """One hop more."""
        clock.hop = int(row[0])
        clock.heard += 1


class RecordedEar:
    """An ear that has heard everything before; ``recording`` says what.

    Args:
        model: whose states were recorded.
        settings: the policy.
        frontend: counts.
    """

    def __init__(self, model: Checkpoint, settings: PolicySettings, frontend: RecordedFrontend) -> None:
        self.recording: Recording | None = None
        self._n_labels, self._frontend, self._same_track = len(model.labels), frontend, SameTrack.of(model)
        self._window = ChangeWindow(settings, model.spec.hops_per_s)
        self.window = self._window.hops

    def init_state(self) -> Remembered:
        """Nothing heard yet."""
        none = np.full(self._n_labels, 1.0 / self._n_labels)
        n_traits = 0 if self._same_track is None else self._same_track.n_traits
        return Remembered(none.astype(np.float32), Mean(np.log(none)), np.zeros(n_traits, np.float32))

    def understand(self, state: Remembered) -> None:
        """Say what was recorded."""
        said = self._said(state)
        state.probs, state.smoother, state.music = said.probs, Mean(said.mean), said.music

    def _said(self, state: Remembered, back: int = 0) -> Said:
        if self.recording is None:
            raise ValueError("there is no recording")
        clock = state.frontend
        return self.recording.said(clock.hop - clock.heard + 1, clock.hop - back)

    def hear_again(self, row: FloatArray, state: Remembered) -> None:
        """One hop more, and what is said of it."""
        self._frontend.hear_again(row, state.frontend, None)
        self.understand(state)

    def split(self, state: Remembered) -> int:
        """As the live path's."""
        if self._same_track is None or self.recording is None:
            return 0
        clock = state.frontend
        frames = self.recording.frames(clock.hop - clock.heard + 1, clock.hop, min(self.window, clock.heard))
        return self._window.split(frames, clock.heard)

    def before(self, hops: int, state: Remembered) -> FloatArray | None:
        """As the live path's."""
        return self._said(state, hops).traits if 0 < hops < min(state.heard, self.window + 1) else None

    def another(self, before: FloatArray | None, young: Remembered) -> float | None:
        """As the live path's."""
        if self._same_track is None or before is None or young.heard < self._window.least:
            return None
        return self._same_track.another(before, self._said(young).traits, young.heard)

    def forget(self, state: Remembered) -> None:
        """Begin anew, with the next hop."""
        state.frontend.heard = 0

    def take_over(self, other: Remembered, state: Remembered) -> None:
        """Go on with what another has heard."""
        state.frontend.heard = other.frontend.heard
        state.probs, state.smoother, state.music = other.probs, other.smoother, other.music
        self.forget(other)


class Player:
    """The live path's policy over recordings.

    Args:
        model: whose states were recorded.
        settings: the policy.
    """

    def __init__(self, model: Checkpoint, settings: PolicySettings) -> None:
        frontend = RecordedFrontend(Frontend(model.spec))
        self.ear, self._spec, self._labels = RecordedEar(model, settings, frontend), model.spec, model.labels
        self._policy = DecisionPolicy(settings, model.labels, model.spec.hops_per_s)
        self._tracks = Tracks(cast("Frontend", frontend), cast("Ear", self.ear), self._policy, settings)

    def watch(self, state: PipelineState) -> None:
        """Called once a hop, when both states have understood it."""

    def play(self, recording: Recording) -> Trace:
        """Every answer of one stream."""
        self.ear.recording = recording
        state, n = self._tracks.init_state(), len(recording.rows)
        index: dict[str | None, int] = {label: k for k, label in enumerate(self._labels)} | {None: -1}
        end_sample = self._spec.n_fft + np.arange(n) * self._spec.hop
        probs, said, decided, changed = [], [], [], []
        for hop in range(n):
            clock = cast("Clock", state.standing.frontend)
            clock.hop, clock.end_sample, clock.heard = hop, int(end_sample[hop]), clock.heard + 1
            before = state.track
            self._policy.hear(0.0, state.decision)
            self._tracks.listen(state)
            self._tracks.understand(state)
            self.watch(state)
            state.decision = self._policy.step(state.probs, state.music, hop, state.decision, changing=state.changing)
            self._tracks.judge(state)
            decision = state.decision.decision
            probs.append(state.probs)
            said.append(STATES.index(decision.state))
            decided.append(index[decision.label])
            changed.append(state.track > before > 0)
        first = [0, recording.cut, n] if recording.cut else [0, n]
        return Trace(
            end_sample,
            np.array(probs),
            np.array(said, np.int8),
            np.array(decided, np.int16),
            None,
            np.array(changed),
            np.array(first),
            np.array(first) * self._spec.hop,
        )


def main() -> None:
    """Record, play, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="file of spectra")
    parser.add_argument("--model", default="gtzan-lstm", help="folder or name of a model that did not learn the split")
    parser.add_argument("--split", default="valid", help="which part of the data to hear")
    parser.add_argument(
        "--policy", type=policy, action="append", default=[], help="settings that differ: name=value,name=value"
    )
    parser.add_argument("--limit", type=int, help="no more than so many clips, spread over the split")
    given = parser.parse_args()
    if given.limit is not None and given.limit < 1:
        parser.error(f"argument --limit: {given.limit} clips are none; give 1 or more, or leave it out for all")
    corpus, model = read_corpus(given.data), load_checkpoint(ModelSettings(path=given.model))
    corpus.require_labels(model.labels)
    clips = spread(corpus.part(given.split), given.limit)
    truth = Truth(tuple(corpus.names[clips]), corpus.label[clips], corpus.artist[clips], model.labels)
    order = streams.track_order(truth.label, np.random.default_rng(0))
    alone, joined = record(corpus, clips, order, model)
    print(
        "| policy | right alone, 1 3 5 10 30 s | log loss | ECE | median | 90 % | within 10 s | flips | false |\n|"
        + "---|" * 9
    )
    for name, settings in (("as shipped", PolicySettings()), *given.policy):
        player = Player(model, settings)
        by_itself = [player.play(one) for one in progress(alone, description=f"{name}: alone")]
        after = [player.play(one) for one in progress(joined, description=f"{name}: joined")]
        row = figures(by_itself, after, order, truth, model.spec.sample_rate)
        print("| " + " | ".join((name, *row)) + " |", flush=True)


def policy(text: str) -> tuple[str, PolicySettings]:
    """The shipped policy but for some settings, and what was given.

    Raises:
        ArgumentTypeError: a setting is unknown or out of range.
    """
    try:
        values = {name.strip(): float(value) for name, value in (one.split("=") for one in text.split(","))}
        settings = replace(PolicySettings(), **cast("dict[str, Any]", values))
        return text, msgspec.convert(msgspec.to_builtins(settings), PolicySettings)  # which knows the ranges
    except (TypeError, ValueError, msgspec.ValidationError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}; give settings of [policy]") from error


def record(
    corpus: Corpus, clips: NDArray[np.int64], order: NDArray[np.int64], model: Checkpoint
) -> tuple[list[Recording], list[Recording]]:
    """Recordings of each clip by itself, and of each clip of an order after the one before it."""
    frontend, spec = Frontend(model.spec), model.spec
    longest = scores.hops_within(CLIP_S, spec.sample_rate, spec.n_fft, spec.hop)
    ear = Ear(frontend, open_runtime(model, "cpu"), Calibration.of(model), PolicySettings(), None, SameTrack.of(model))
    alone = []
    for clip in progress(clips, description="spectra"):
        state, rows = frontend.init_state(), []
        for power in corpus.power(int(clip), spec)[:longest]:
            _, state = frontend.step_power(power, state)
            rows.append(frontend.spectrum_row(state).copy())
        alone.append(Recording(np.stack(rows), ear))
    joined = []
    for at, second in enumerate(order):
        one, other = alone[order[at - 1]], alone[second]
        joined.append(Recording(np.concatenate((one.rows, other.rows)), ear, len(one.rows), other))
    return alone, joined


def figures(
    alone: Sequence[Trace], joined: Sequence[Trace], order: NDArray[np.int64], truth: Truth, rate: int
) -> list[str]:
    """A row of the table."""
    after = {s: answers_after(alone, s, rate) for s in (1, 3, 5, 10, 30)}
    pairs = [(int(order[at - 1]), int(second)) for at, second in enumerate(order)]
    changes = streams.track_changes(joined, pairs, truth, decided_right(after[30], truth), rate)
    delays = [np.inf if t is None else t for t in changes["times_s"]]
    flips = (
        streams.flips_per_minute(alone, rate, streams.SETTLED_S),
        streams.flips_per_minute(joined, rate, streams.SETTLED_S, first_track=1),
    )
    p50, p90 = (changes["time_to_right"][name] for name in ("p50_s", "p90_s"))
    return [
        " ".join(f"{(answers.best == truth.label).mean():.3f}" for answers in after.values()),
        f"{log_loss(after[30].probs, truth.label):.3f}",
        f"{scores.calibration_error(after[30].probs, truth.label):.3f}",
        *("never" if p is None else f"{p:.1f}" for p in (p50, p90)),
        f"{np.mean(np.array(delays) <= 10.0):.3f} of {len(delays)}",
        " ".join(f"{f:.1f}" for f in flips if f is not None),
        f"{streams.false_changes_per_minute(alone, rate):.2f}",
    ]


if __name__ == "__main__":
    main()
