"""Find the weights of the cut's regression (`cut_report`, `cut_age`, `cut_divergence`) again.

    python scripts/fit_cut.py DATA.npz [--model DIR] [--split valid] [--seed 0]

Hears each clip of a split that the model did not learn from: after a clip of another genre, and alone, clean, in room
noise and through a narrow band. A standing state hears all of it; young ones begin here and there, and where there is a
cut, half of them at it. The weights are those by which the two, pooled as the live path pools them, lose least on the
genre that is playing. Half of the artists are fitted, the other half is what the losses are measured on, and the other
way round. The prior (`cut_bias`) is printed, but not to be taken over: cuts are far more frequent here than in music.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rich.progress import track as progress
from scipy.optimize import minimize
from scipy.special import expit

from rtgenre.app import load_checkpoint
from rtgenre.config import ModelSettings
from rtgenre.frontend.stream import Frontend
from rtgenre.hearing import Ear
from rtgenre.model.runtime import open_runtime
from rtgenre.posterior.calibration import Calibration
from rtgenre.posterior.change import ChangeDetector
from rtgenre.posterior.decision import PolicySettings
from rtgenre.posterior.second import SecondOpinion
from rtgenre.training.evaluation.streams import track_order
from rtgenre.training.scores import log_softmax
from rtgenre.training.spectra import read_corpus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.model.checkpoint import Checkpoint

    FloatArray = NDArray[np.float32]
    DoubleArray = NDArray[np.float64]

WAYS = {"clean": 1.0, "room noise": 0.5, "narrow band": 0.5}  # each with what it weighs in the fit
YOUNG = 6  # young states heard in each stream …
YOUNGEST_S = 0.5  # … for so long at the least
TERMS = ("cut_bias", "cut_report", "cut_age", "cut_divergence")


class Pairs(NamedTuple):
    """Pairs of states of the same stream at the same hop; n of them.

    Attributes:
        standing: (n, n_labels) log posteriors.
        young: likewise.
        terms: (n, 4) what the weights are multiplied with.
        label: (n,) what is playing.
        cut: (n,) the young state began where a track did.
        joined: (n,) another track was heard before, by the standing state at least.
        artist: (n,) of the clip that is playing.
        weight: (n,) in the fit.
    """

    standing: DoubleArray
    young: DoubleArray
    terms: DoubleArray
    label: NDArray[np.int64]
    cut: NDArray[np.bool_]
    joined: NDArray[np.bool_]
    artist: NDArray[np.int64]
    weight: DoubleArray

    def some(self, rows: NDArray[np.bool_]) -> Pairs:
        """Those of some rows."""
        return Pairs._make(column[rows] for column in self)


def main() -> None:
    """Hear, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="file of spectra")
    parser.add_argument("--model", default="gtzan-lstm", help="folder or name of a model that did not learn the split")
    parser.add_argument("--split", default="valid", help="which part of the data to hear")
    parser.add_argument("--seed", type=int, default=0, help="of all draws")
    given = parser.parse_args()
    pairs = hear(given.data, given.model, given.split, np.random.default_rng(given.seed))
    settings = PolicySettings()
    shipped = np.array([getattr(settings, name) for name in TERMS])
    artists = np.random.default_rng(given.seed).permutation(np.unique(pairs.artist))
    first = np.isin(pairs.artist, artists[: len(artists) // 2])
    everything = fitted(pairs)
    crossed = np.empty(len(pairs.label))
    for half in (first, ~first):
        crossed[half] = probability(fitted(pairs.some(~half)), pairs.terms[half])
    print(f"{len(pairs.label)} pairs of states, {len(artists)} artists, cuts in {pairs.cut.mean():.0%}\n")
    print("| weights | " + " | ".join(TERMS) + " |\n|---|" + "---|" * len(TERMS))
    for name, weights in (("shipped", shipped), ("fitted", everything)):
        print(f"| {name} | " + " | ".join(f"{w:.2f}" for w in weights) + " |")
    prior = everything[0] - shipped[0]  # the shipped ones are for music, where a cut is rare
    print("\n| who is believed | log loss, one track | young since the cut |\n|---|---|---|")
    for name, cut in {
        "the standing state": np.zeros(len(crossed)),
        "the young state": np.ones(len(crossed)),
        "both, by the shipped weights (and this prior)": probability(shipped + np.array([prior, 0, 0, 0]), pairs.terms),
        "both, by weights from other artists": crossed,
        "whichever is right to hear": pairs.cut.astype(np.float64),
    }.items():
        loss = losses(cut, pairs)
        print(f"| {name} | {loss[~pairs.joined].mean():.3f} | {loss[pairs.cut].mean():.3f} |")


def hear(data: Path, name: str, split: str, rng: np.random.Generator) -> Pairs:
    """All pairs of a split."""
    corpus, model = read_corpus(data), load_checkpoint(ModelSettings(path=name))
    corpus.require_labels(model.labels)
    clips = corpus.part(split)
    listener = Listener(model)
    order = track_order(corpus.label[clips], rng)
    rows = []
    for at in progress(range(len(clips)), description="hearing clips", transient=True):
        before, clip = int(clips[order[at - 1]]), int(clips[order[at]])
        power, earlier = corpus.power(clip, model.spec), corpus.power(before, model.spec)
        earlier = earlier[int(rng.integers(0, len(earlier) - 60)) :]
        streams = [(arrived(power, way, model.spec, rng), 0, weight) for way, weight in WAYS.items()]
        streams.append((np.concatenate((earlier, power)), len(earlier), 1.0))
        for stream, cut, weight in streams:
            rows += [
                (*pair, cut > 0, corpus.label[clip], corpus.artist[clip], weight)
                for pair in listener.pairs(stream, cut, rng)
            ]
    standing, young, terms, is_cut, joined, label, artist, weights = zip(*rows, strict=True)
    return Pairs(
        np.stack(standing),
        np.stack(young),
        np.stack(terms),
        np.array(label, np.int64),
        np.array(is_cut),
        np.array(joined),
        np.array(artist, np.int64),
        np.array(weights),
    )


def arrived(power: FloatArray, way: str, spec: FrontendSpec, rng: np.random.Generator) -> FloatArray:
    """Spectra as they arrive: as they are, in pink noise 20 dB down, or from 300 Hz to 6 kHz."""
    hz = np.maximum(np.linspace(0.0, spec.sample_rate / 2, power.shape[1]), 1.0)
    if way == "room noise":
        shape = np.minimum(1.0 / hz, 1.0 / hz[1])
        level = 0.01 * power.sum(axis=1).mean() / shape.sum()
        power = power + (level * shape * rng.exponential(size=power.shape)).astype(np.float32)
    elif way == "narrow band":
        octaves = np.maximum(np.log2(300.0 / hz), 0.0) + np.maximum(np.log2(hz / 6000.0), 0.0)
        power = power * (10.0 ** (-2.4 * octaves)).astype(np.float32)
    return power


class Listener:
    """Hears streams with many states at once, as the pipeline does with two.

    Args:
        model: whose answers they are.
    """

    def __init__(self, model: Checkpoint) -> None:
        self._frontend, settings = Frontend(model.spec), PolicySettings()
        self._ear = Ear(self._frontend, open_runtime(model, "cpu"), Calibration.of(model), settings, None)
        self._change = ChangeDetector(settings, model.spec.hops_per_s)
        self._second = SecondOpinion(settings, model.spec.hops_per_s)
        self._youngest, self._life = (round(s * model.spec.hops_per_s) for s in (YOUNGEST_S, settings.young_life_s))

    def pairs(
        self, power: FloatArray, cut: int, rng: np.random.Generator
    ) -> Iterator[tuple[DoubleArray, DoubleArray, DoubleArray, bool]]:
        """Some pairs: log posteriors of the standing and the young state, terms, whether it began at the cut."""
        standing, change = self._ear.init_state(), self._change.init_state()
        begins = self._begins(len(power), cut, rng)
        source, rows, heard = self._frontend.init_state(), [], []
        for spectrum in power:
            _, source = self._frontend.step_power(spectrum, source)
            rows.append(self._frontend.spectrum_row(source).copy())
            self._ear.hear_again(rows[-1], standing)
            _, change = self._change.step(self._ear.change(standing), change)
            heard.append((standing.probs, change.smoothed, change.peak))
        posteriors, reports, peaks = zip(*heard, strict=True)
        for begin in begins:
            young = self._ear.init_state()
            last = begin + self._drawn_age(rng)
            if last > len(rows) or last <= cut:  # the end must be in the clip that is asked for
                continue
            for hop in range(begin, last):
                self._ear.hear_again(rows[hop], young)
            one, other = posteriors[last - 1], young.probs
            report = max(peaks[begin - 1], *reports[begin:last])
            terms = np.array([1.0, *self._second.terms(one, other, young.heard, report)])
            yield logarithms(one), logarithms(other), terms, bool(cut) and abs(begin - cut) <= 3

    def _begins(self, hops: int, cut: int, rng: np.random.Generator) -> list[int]:
        """Where young states begin: half of them at the cut, where there is one, none long before it."""
        earliest = max(self._second.first, cut - self._life // 2)
        anywhere = rng.integers(earliest, hops - self._life, YOUNG)
        return [cut if cut and k < YOUNG // 2 else int(begin) for k, begin in enumerate(anywhere)]

    def _drawn_age(self, rng: np.random.Generator) -> int:
        return round(float(np.exp(rng.uniform(np.log(self._youngest), np.log(self._life)))))


def logarithms(posterior: FloatArray) -> DoubleArray:
    """Of probabilities, of which float32 may have rounded some to zero."""
    return np.log(np.maximum(posterior.astype(np.float64), 1e-30))


def probability(weights: DoubleArray, terms: DoubleArray) -> DoubleArray:
    """(n,) that a track began where the young state did."""
    cut: DoubleArray = expit(terms @ weights)
    return cut


def losses(cut: DoubleArray, pairs: Pairs) -> DoubleArray:
    """(n,) nats that the pooled posterior loses."""
    pooled = log_softmax((1.0 - cut[:, None]) * pairs.standing + cut[:, None] * pairs.young)
    said: DoubleArray = pooled[np.arange(len(cut)), pairs.label]
    return -said


def fitted(pairs: Pairs) -> DoubleArray:
    """(4,) weights that lose least."""

    def loss(weights: DoubleArray) -> float:
        return float(np.average(losses(probability(weights, pairs.terms), pairs), weights=pairs.weight))

    found: DoubleArray = minimize(loss, np.array([-1.0, 0.5, 0.5, 5.0]), method="L-BFGS-B").x
    return found


if __name__ == "__main__":
    main()
