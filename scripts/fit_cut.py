"""Find the weights of the cut's regression (`cut_another`, `cut_divergence`) again.

    python scripts/fit_cut.py DATA.npz [--model DIR] [--split valid]

Hears each clip of a split that the model did not learn from, alone and after a clip of another genre, by the live
path's own states and searches; nothing is ever adopted. Every young state that has heard enough is a row, looked at
every few hops: did a track begin where it began? Half of the artists are fitted, the other half is what the loss is
measured on, and the other way round. The prior (`cut_bias`) is printed, but not to be taken over: cuts are far more
frequent here than in music, and how soon they are believed is to be weighed (`scripts/try_policies.py`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import try_policies
from scipy.optimize import minimize

from rtgenre.app import load_checkpoint
from rtgenre.config import ModelSettings
from rtgenre.posterior.decision import PolicySettings
from rtgenre.posterior.second import divergence
from rtgenre.training.datasets.corpus import read_corpus
from rtgenre.training.evaluation import streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint
    from rtgenre.pipeline_state import PipelineState

    FloatArray = NDArray[np.float64]

LOOK_EVERY = 4  # hops
AT_THE_CUT = 4  # hops: a young state that began no further from it began there
NEVER = PolicySettings(cut_bias=-100.0)


class Rows(NamedTuple):
    """What the regression is fitted to.

    Attributes:
        terms: (n, 3) 1, log odds of another track, divergence.
        cut: (n,) whether a track began where the young state did.
        artist: (n,) of the clip that was playing.
    """

    terms: FloatArray
    cut: NDArray[np.bool_]
    artist: NDArray[np.int64]


class Watcher(try_policies.Player):
    """Plays a policy and keeps what its young states were compared by.

    Args:
        model: whose states were recorded.
    """

    def __init__(self, model: Checkpoint) -> None:
        super().__init__(model, NEVER)
        self.seen: list[tuple[int, int, float, float]] = []

    def watch(self, state: PipelineState) -> None:
        """See ``Player.watch``."""
        another = self.ear.another(state.before, cast("try_policies.Remembered", state.young))
        if another is not None and state.young.heard % LOOK_EVERY == 0:
            apart = divergence(state.standing.probs, state.young.probs)
            self.seen.append((state.standing.frontend.hop, state.young.heard, another, apart))

    def rows(self, recording: try_policies.Recording) -> Iterator[tuple[list[float], bool]]:
        """Terms, and whether there was a cut; what began neither at the cut nor clear of it is left out."""
        self.seen.clear()
        self.play(recording)
        for hop, heard, another, apart in self.seen:
            begun, at_cut = hop - heard + 1, False
            if recording.cut and hop >= recording.cut:
                at_cut = abs(begun - recording.cut) <= AT_THE_CUT
                if not at_cut:
                    continue
            yield [1.0, another, apart], at_cut


def main() -> None:
    """Hear, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="file of spectra")
    parser.add_argument("--model", default="gtzan-lstm", help="folder or name of a model that did not learn the split")
    parser.add_argument("--split", default="valid", help="which part of the data to hear")
    given = parser.parse_args()
    corpus, model = read_corpus(given.data), load_checkpoint(ModelSettings(path=given.model))
    corpus.require_labels(model.labels)
    clips = corpus.part(given.split)
    order = streams.track_order(corpus.label[clips], np.random.default_rng(0))
    alone, joined = try_policies.record(corpus, clips, order, model)
    found = collect(model, alone, joined, corpus.artist[clips], order)
    print(f"{len(found.cut)} rows, {found.cut.sum()} of them at a cut")
    artists = np.random.default_rng(0).permutation(np.unique(found.artist))
    first = np.isin(found.artist, artists[::2])
    held_out = np.mean([loss(fitted(found, fit), found, ~fit) for fit in (first, ~first)])
    shipped = PolicySettings()
    now = np.array([shipped.cut_bias, shipped.cut_another, shipped.cut_divergence])
    print(f"nats a row, weights of the other half of the artists: {held_out:.4f}; as shipped: {loss(now, found):.4f}")
    bias, another, apart = fitted(found, np.ones_like(first))
    print(f"cut_another = {another:.2f}\ncut_divergence = {apart:.1f}\n(cut_bias = {bias:.1f} here)")


def collect(
    model: Checkpoint,
    alone: list[try_policies.Recording],
    joined: list[try_policies.Recording],
    artist: NDArray[np.int64],
    order: NDArray[np.int64],
) -> Rows:
    """Rows of all recordings."""
    watcher = Watcher(model)
    terms, cuts, artists = [], [], []
    recordings = [*zip(alone, artist, strict=True), *zip(joined, artist[order], strict=True)]
    for recording, whose in try_policies.progress(recordings, description="comparing"):
        for row, cut in watcher.rows(recording):
            terms.append(row)
            cuts.append(cut)
            artists.append(whose)
    return Rows(np.array(terms), np.array(cuts), np.array(artists))


def loss(weights: FloatArray, rows: Rows, chosen: NDArray[np.bool_] | slice = slice(None)) -> float:
    """Cross-entropy, nats a row."""
    odds = rows.terms[chosen] @ weights
    return float(np.logaddexp(0.0, np.where(rows.cut[chosen], -odds, odds)).mean())


def fitted(rows: Rows, chosen: NDArray[np.bool_]) -> FloatArray:
    """(3,) weights that lose least."""
    found: FloatArray = minimize(lambda weights: loss(weights, rows, chosen), np.array([-4.0, 0.5, 5.0])).x
    return found


if __name__ == "__main__":
    main()
